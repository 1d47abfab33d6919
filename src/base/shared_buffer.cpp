// SPDX-License-Identifier: MIT
#include "repartir/shared_buffer.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <mutex>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"

namespace repartir {

namespace {

[[nodiscard]] Error errno_error(Code code, Fault fault, const std::string& what, int number) {
    return Error(Domain::buffer, code, fault, what + ": " + std::string(base::words_of(number)));
}

constexpr unsigned noexec_seal = 0x0008U;  // MFD_NOEXEC_SEAL, newer than this release's headers

[[nodiscard]] base::Fd make_memfd() noexcept {
    // A buffer holds data, never a program; kernels before 6.3 do not know the flag.
    const int fd = ::memfd_create("repartir-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING | noexec_seal);
    if (fd < 0 && errno == EINVAL) {
        return base::Fd(::memfd_create("repartir-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    }
    return base::Fd(fd);
}

[[nodiscard]] Error open_error(const std::string& path, int number) {
    const std::string what = "cannot read " + path + " into a shared buffer";
    switch (number) {
        case ENOENT:
        case ENOTDIR:
            return errno_error(Code::not_found, Fault::user, what, number);
        case EACCES:
        case EPERM:
            return errno_error(Code::permission_denied, Fault::user, what, number);
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return errno_error(Code::out_of_resources, Fault::system, what, number);
        default:
            return errno_error(Code::io_error, Fault::node, what, number);
    }
}

/// Reads until `into` is full or the file ends. @return bytes read, or -1 with errno.
[[nodiscard]] std::ptrdiff_t read_fully(int fd, std::span<std::byte> into) noexcept {
    std::size_t done = 0;
    while (done < into.size()) {
        const ::ssize_t got = ::read(fd, into.data() + done, into.size() - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    return static_cast<std::ptrdiff_t>(done);
}

}  // namespace

/// The descriptor and the one mapping of a buffer. The address never changes, so that spans from
/// bytes() stay good when the buffer is sealed.
struct SharedBuffer::Mapping {
    Mapping(base::Fd descriptor, void* begin, std::size_t bytes) noexcept
        : fd(std::move(descriptor)), address(begin), size(bytes) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (address != nullptr) {
            ::munmap(address, size);
        }
    }

    const base::Fd fd;
    void* const address;  // nullptr when the size is 0
    const std::size_t size;
    std::mutex sealing;  // one seal() at a time
    std::atomic<bool> writable{true};
    std::atomic<bool> sealed{false};
};

SharedBuffer::SharedBuffer(std::shared_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}

Result<SharedBuffer> SharedBuffer::create(std::size_t bytes) {
    const std::string what = "cannot make a shared buffer of " + std::to_string(bytes) + " bytes";
    if (bytes > static_cast<std::size_t>(std::numeric_limits<::off_t>::max())) {
        return fail(errno_error(Code::too_large, Fault::user, what, EFBIG));
    }
    base::Fd fd = make_memfd();
    if (!fd) {
        return fail(errno_error(Code::out_of_resources, Fault::system, what, errno));
    }
    if (::ftruncate(fd.get(), static_cast<::off_t>(bytes)) != 0) {
        const bool large = errno == EFBIG || errno == EINVAL;
        return fail(errno_error(large ? Code::too_large : Code::out_of_resources,
                                large ? Fault::user : Fault::system, what, errno));
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        return fail(errno_error(Code::out_of_resources, Fault::system, what, errno));
    }
    void* address = nullptr;
    if (bytes > 0) {
        address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (address == MAP_FAILED) {
            return fail(errno_error(Code::too_large, Fault::user, what, errno));
        }
    }
    return SharedBuffer(std::make_shared<Mapping>(std::move(fd), address, bytes));
}

Result<SharedBuffer> SharedBuffer::copy_of_file(const std::string& path) {
    // Not blocking: a FIFO that nobody writes to would hold us for ever. Regular files do not care.
    const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) {
        return fail(open_error(path, errno));
    }
    struct ::stat status{};
    if (::fstat(fd.get(), &status) != 0) {
        return fail(open_error(path, errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(Error(Domain::buffer, Code::invalid_argument, Fault::user,
                          "cannot read " + path +
                              " into a shared buffer: it is no regular file and has no size"));
    }
    Result<SharedBuffer> buffer = create(static_cast<std::size_t>(status.st_size));
    if (!buffer) {
        return buffer;
    }
    const std::ptrdiff_t got = read_fully(fd.get(), buffer->writable());
    if (got < 0) {
        return fail(open_error(path, errno));
    }
    if (static_cast<std::size_t>(got) != buffer->size()) {
        return fail(Error(Domain::buffer, Code::io_error, Fault::node,
                          path + " became shorter while it was read into a shared buffer; "
                                 "read it when nobody writes to it"));
    }
    return buffer;
}

Result<SharedBuffer> SharedBuffer::of_descriptor(int fd) {
    constexpr int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = ::fcntl(fd, F_GET_SEALS);
    struct ::stat status{};
    if (seals < 0 || (seals & fixed) != fixed || ::fstat(fd, &status) != 0) {
        return fail(Error(Domain::buffer, Code::invalid_argument, Fault::user,
                          "a descriptor is no shared buffer's: its size can change"));
    }
    base::Fd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!own) {
        return fail(errno_error(Code::out_of_resources, Fault::system,
                                "cannot keep a shared buffer's descriptor", errno));
    }
    const auto bytes = static_cast<std::size_t>(status.st_size);
    const bool sealed = (seals & F_SEAL_WRITE) != 0;
    void* address = nullptr;
    if (bytes > 0) {
        // As seal() has it: kernels before 6.7 refuse a shared mapping of what is sealed.
        address = ::mmap(nullptr, bytes, sealed ? PROT_READ : PROT_READ | PROT_WRITE,
                         sealed ? MAP_PRIVATE : MAP_SHARED, own.get(), 0);
        if (address == MAP_FAILED) {
            return fail(errno_error(
                Code::too_large, Fault::user,
                "cannot map a shared buffer of " + std::to_string(bytes) + " bytes", errno));
        }
    }
    auto mapping = std::make_shared<Mapping>(std::move(own), address, bytes);
    mapping->writable = !sealed;
    mapping->sealed = sealed;
    return SharedBuffer(std::move(mapping));
}

std::size_t SharedBuffer::size() const noexcept { return mapping_->size; }

std::span<std::byte> SharedBuffer::writable() noexcept {
    if (!mapping_->writable.load()) {
        return {};
    }
    // SAFETY: the mapping is `size` bytes long, writable until sealed, and lives as long as
    // mapping_.
    return {static_cast<std::byte*>(mapping_->address), mapping_->size};
}

std::span<const std::byte> SharedBuffer::bytes() const noexcept {
    // SAFETY: the mapping is `size` bytes long and lives as long as mapping_.
    return {static_cast<const std::byte*>(mapping_->address), mapping_->size};
}

std::string_view SharedBuffer::text() const noexcept {
    // SAFETY: as in bytes(); char may alias anything.
    return {static_cast<const char*>(mapping_->address), mapping_->size};
}

Result<void> SharedBuffer::seal() {
    const std::scoped_lock lock(mapping_->sealing);
    if (sealed()) {
        return {};
    }
    void* const address = mapping_->address;
    // A private read-only mapping in the place of ours: the kernel refuses to seal what is mapped
    // shared and writable, and kernels before 6.7 refuse a shared mapping of what is sealed.
    if (address != nullptr && ::mmap(address, mapping_->size, PROT_READ, MAP_PRIVATE | MAP_FIXED,
                                     mapping_->fd.get(), 0) == MAP_FAILED) {
        return fail(errno_error(Code::io_error, Fault::system, "cannot seal a buffer", errno));
    }
    if (::fcntl(mapping_->fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0) {
        mapping_->writable.store(false);
        mapping_->sealed.store(true);
        return {};
    }
    const int number = errno;
    if (address != nullptr) {
        // Puts the writable mapping back. A failure leaves the buffer readable, not writable,
        // unsealed.
        if (::mmap(address, mapping_->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                   mapping_->fd.get(), 0) == MAP_FAILED) {
            mapping_->writable.store(false);
        }
    }
    return fail(Error(
        Domain::buffer, Code::io_error, Fault::user,
        "cannot seal a buffer: " + std::string(base::words_of(number)) +
            (number == EBUSY ? "; a program still maps it for writing, wait for its end" : "")));
}

bool SharedBuffer::sealed() const noexcept { return mapping_->sealed.load(); }

std::weak_ptr<const void> SharedBuffer::identity() const noexcept { return mapping_; }

int SharedBuffer::fd() const noexcept { return mapping_->fd.get(); }

}  // namespace repartir
