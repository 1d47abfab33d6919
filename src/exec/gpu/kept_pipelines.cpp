// SPDX-License-Identifier: MIT
#include "exec/gpu/kept_pipelines.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/fd.hpp"
#include "wire/crc32c.hpp"

namespace repartir::gpu {
namespace {

constexpr std::array<char, 8> magic{'R', 'P', 'T', 'R', 'P', 'I', 'P', '1'};
constexpr std::uint64_t bytes_max = 64ULL << 20U;  ///< drivers keep less than 1 MiB for a kernel

struct Head {
    std::array<char, 8> magic{};
    std::uint64_t bytes = 0;  ///< that follow
    std::uint32_t sum = 0;    ///< CRC-32C of these
    std::uint32_t zero = 0;
};

std::uint32_t sum_of(std::span<const std::byte> bytes) noexcept {
    // SAFETY: bytes may be looked at as characters.
    return wire::crc32c({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool read_all(int fd, std::span<std::byte> into) noexcept {
    while (!into.empty()) {
        const ssize_t got = ::read(fd, into.data(), into.size());
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        into = into.subspan(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    return true;
}

bool write_all(int fd, std::span<const std::byte> from) noexcept {
    while (!from.empty()) {
        const ssize_t put = ::write(fd, from.data(), from.size());
        if (put < 0 && errno != EINTR) {
            return false;
        }
        from = from.subspan(static_cast<std::size_t>(std::max<ssize_t>(put, 0)));
    }
    return true;
}

/// @return whether it is a file of ours that nobody else writes to.
bool is_ours(int fd) noexcept {
    struct stat status{};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

std::string default_cache_folder() {
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache == '/') {  // the specification wants others ignored
        return std::string(cache) + "/repartir";
    }
    const char* const home = std::getenv("HOME");
    return home != nullptr && *home == '/' ? std::string(home) + "/.cache/repartir" : "";
}

KeptPipelines::KeptPipelines(const std::string& folder, const DeviceInfo& device)
    : folder_(folder) {
    if (!folder.empty() && !device.uuid.empty()) {
        path_ = folder + "/gpu-" + device.uuid + ".pipelines";
    }
}

std::vector<std::byte> KeptPipelines::load() {
    const base::Fd file(path_.empty() ? -1
                                      : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    Head head;
    if (!file || !is_ours(file.get()) ||
        !read_all(file.get(), std::as_writable_bytes(std::span(&head, 1))) || head.magic != magic ||
        head.bytes > bytes_max) {
        return {};
    }
    std::vector<std::byte> pipelines(head.bytes);
    if (!read_all(file.get(), pipelines) || sum_of(pipelines) != head.sum) {
        return {};
    }
    sum_ = head.sum;
    return pipelines;
}

void KeptPipelines::save(std::span<const std::byte> pipelines) {
    const Head head{magic, pipelines.size(), sum_of(pipelines)};
    if (path_.empty() || pipelines.empty() || pipelines.size() > bytes_max || head.sum == sum_) {
        return;
    }
    std::error_code ignored;
    if (std::filesystem::create_directories(folder_, ignored)) {
        ::chmod(folder_.c_str(), S_IRWXU);
    }
    const std::string fresh = path_ + ".new";
    const base::Fd file(::open(fresh.c_str(),
                               O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                               S_IRUSR | S_IWUSR));
    if (!file || !is_ours(file.get()) || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        return;
    }
    if (::ftruncate(file.get(), 0) == 0 &&
        write_all(file.get(), std::as_bytes(std::span(&head, 1))) &&
        write_all(file.get(), pipelines) && ::rename(fresh.c_str(), path_.c_str()) == 0) {
        sum_ = head.sum;
    } else {
        ::unlink(fresh.c_str());
    }
}

}  // namespace repartir::gpu
