// SPDX-License-Identifier: MIT
#pragma once
/// @file shared_buffer.hpp Memory that functions see as a span and programs as a file, without a
/// copy.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir {

/// A block of memory backed by a descriptor, so that a function sees a span and a program inherits
/// a file. Anonymous buffers are memfds sealed against resizing, so that no other process can
/// truncate a mapping under us (that would be SIGBUS).
///
/// A handle: copies share one buffer, which goes when the last one does. Any thread; who writes
/// while another reads must be settled by the caller, as for any memory.
class SharedBuffer {
  public:
    /// Makes a zeroed buffer of `bytes` bytes. Errors: too_large, out_of_resources.
    [[nodiscard]] static Result<SharedBuffer> create(std::size_t bytes);
    /// Makes a buffer that holds a copy of a file, at the cost of that one copy (a foreign file can
    /// be truncated under a mapping, so it is never mapped). Errors: not_found, permission_denied,
    /// invalid_argument (no regular file), too_large, out_of_resources, io_error (also when the
    /// file became shorter meanwhile).
    [[nodiscard]] static Result<SharedBuffer> copy_of_file(const std::string& path);

    /// Maps a buffer of another process's, by its fd() there; the descriptor stays the caller's.
    /// Errors: invalid_argument (no memfd that is sealed against resizing), too_large,
    /// out_of_resources.
    [[nodiscard]] static Result<SharedBuffer> of_descriptor(int fd);

    [[nodiscard]] std::size_t size() const noexcept;         ///< in bytes
    [[nodiscard]] std::span<std::byte> writable() noexcept;  ///< empty once sealed
    /// @return what it holds; good as long as a handle lives, also across seal().
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
    [[nodiscard]] std::string_view text() const noexcept;  ///< the bytes as characters
    /// Forbids writing for ever, in this process and others. Invalidates spans from writable().
    /// Errors: io_error, when some process still maps it for writing.
    [[nodiscard]] Result<void> seal();
    [[nodiscard]] bool sealed() const noexcept;  ///< nobody can write any more
    [[nodiscard]] int fd() const noexcept;       ///< close-on-exec; owned by the buffer
    /// @return what tells this buffer from all others, also from those that are gone; expired once
    /// it is gone itself.
    [[nodiscard]] std::weak_ptr<const void> identity() const noexcept;

  private:
    struct Mapping;
    explicit SharedBuffer(std::shared_ptr<Mapping> mapping);
    std::shared_ptr<Mapping>
        mapping_;  // shared by the handles of one buffer and the tasks that use it
};

}  // namespace repartir
