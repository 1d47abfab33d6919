// SPDX-License-Identifier: MIT
#include "cli/spill.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

Error io_error(std::string_view path, std::string_view what, int number) {
    return Error(
        Domain::io, Code::io_error, Fault::system,
        cat({"the temporary file ", printable(path), " ", what, ": ", base::words_of(number)}));
}

}  // namespace

Result<SpillFile> SpillFile::create() {
    SpillFile spill;
    const char* folder = std::getenv("TMPDIR");
    spill.path_ = cat({folder == nullptr || *folder == '\0' ? "/tmp" : folder, "/repartir-XXXXXX"});
    spill.file_ = base::Fd(::mkostemp(spill.path_.data(), O_CLOEXEC));
    if (!spill.file_) {
        const std::string path = std::exchange(spill.path_, {});
        return fail(io_error(path, "cannot be made", errno));
    }
    return spill;
}

SpillFile::SpillFile(SpillFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), file_(std::move(other.file_)), size_(other.size_) {}

SpillFile::~SpillFile() {
    if (!path_.empty()) {
        ::unlink(path_.c_str());
    }
}

Result<void> SpillFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail(io_error(path_, "cannot be written", errno));
        }
        bytes.remove_prefix(static_cast<std::size_t>(put));
        size_ += static_cast<std::uint64_t>(put);
    }
    return {};
}

Captured SpillFile::take() { return Captured(std::exchange(path_, {}), size_, true); }

Result<void> for_each_piece(const Captured& captured,
                            const std::function<void(std::string_view)>& piece) {
    if (captured.in_memory()) {
        piece(captured.bytes());
        return {};
    }
    constexpr std::size_t piece_bytes = 256U << 10U;
    const base::Fd file(::open(captured.path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return fail(io_error(captured.path(), "cannot be opened", errno));
    }
    std::string buffer(piece_bytes, '\0');
    while (true) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno != EINTR) {
            return fail(io_error(captured.path(), "cannot be read", errno));
        }
        if (got == 0) {
            return {};
        }
        if (got > 0) {
            piece(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
        }
    }
}

}  // namespace repartir::cli
