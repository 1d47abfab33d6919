// SPDX-License-Identifier: MIT
#include "cli/spill.hpp"

#include <unistd.h>

#include <cerrno>

#include "base/anonymous_file.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::size_t piece_bytes = 256U << 10U;

}  // namespace

Result<SpillFile> SpillFile::create() {
    Result<base::Fd> file = base::anonymous_file(base::temporary_folder());
    if (!file) {
        return fail(file.error());
    }
    return SpillFile(std::move(*file));
}

std::string SpillFile::path() const { return base::path_of_descriptor(file_.get()); }

Result<void> SpillFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail(base::os_error(
                Domain::io, cat({"cannot write a temporary file in ", base::temporary_folder()}),
                errno));
        }
        bytes.remove_prefix(static_cast<std::size_t>(put));
        size_ += static_cast<std::uint64_t>(put);
    }
    return {};
}

Captured SpillFile::take() { return Captured::in_descriptor(file_.release(), size_); }

Result<void> for_each_piece(const Captured& captured,
                            const std::function<void(std::string_view)>& piece) {
    if (captured.in_memory()) {
        piece(captured.bytes());
        return {};
    }
    std::string buffer(piece_bytes, '\0');
    for (std::uint64_t at = 0; at < captured.size();) {
        const Result<std::size_t> got = captured.read_at(at, buffer);
        if (!got) {
            return fail(got.error());
        }
        if (*got == 0) {
            return fail(Error(Domain::io, Code::io_error, Fault::system,
                              cat({printable(captured.path()), " is shorter than it was"})));
        }
        piece(std::string_view(buffer).substr(0, *got));
        at += *got;
    }
    return {};
}

}  // namespace repartir::cli
