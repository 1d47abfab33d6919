// SPDX-License-Identifier: MIT
#pragma once
/// @file spool.hpp What an attempt writes while somebody reads it already.
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "repartir/error.hpp"
#include "repartir/outcome.hpp"

namespace repartir::base {

/// A stream that grows at its end and is read anywhere: in memory while it is short, beyond that
/// in a file without a name. What passes its limit, or finds no room on the disk, is lost, and with
/// it all that follows. Any thread.
class Spool {
  public:
    /// @param folder where the file would go @param memory_bytes kept in memory @param bytes_max
    /// kept in all
    Spool(std::string folder, std::size_t memory_bytes, std::uint64_t bytes_max)
        : folder_(std::move(folder)), memory_bytes_(memory_bytes), bytes_max_(bytes_max) {}

    /// Takes the next bytes. @return whether nothing is lost so far
    bool append(std::span<const char> bytes);
    /// @return bytes that are kept.
    [[nodiscard]] std::uint64_t size() const;
    /// @return bytes that are not.
    [[nodiscard]] std::uint64_t lost() const;
    /// @return why some were lost first.
    [[nodiscard]] std::optional<Error> loss() const;
    /// So many bytes more were lost before they came here.
    void lose(std::uint64_t bytes);
    /// Forgets all of it: the stream begins anew.
    void restart();
    /// @return all that is kept, which is taken out of here.
    [[nodiscard]] Captured take();
    /// @return the bytes from `offset` on, `most` of them or as many as there are.
    [[nodiscard]] std::string read(std::uint64_t offset, std::size_t most) const;

  private:
    void keep(std::span<const char> bytes);
    [[nodiscard]] std::size_t write_out(std::span<const char> bytes);

    const std::string folder_;
    const std::size_t memory_bytes_;
    const std::uint64_t bytes_max_;
    mutable std::mutex mutex_;
    std::string memory_;
    Fd file_;  // holds all that is kept, once there is one
    std::uint64_t size_ = 0;
    std::uint64_t lost_ = 0;
    std::optional<Error> why_;
};

}  // namespace repartir::base
