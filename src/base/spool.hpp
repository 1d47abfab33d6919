// SPDX-License-Identifier: MIT
#pragma once
/// @file spool.hpp Keeps what an attempt writes: in memory up to a limit, past it in a spill file.
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "repartir/error.hpp"
#include "repartir/outcome.hpp"

namespace repartir::base {

/// How much of one stream is kept, and where.
struct SpoolLimits {
    std::uint64_t memory_bytes = 0;  ///< in memory; the first byte beyond moves all to a file
    std::uint64_t bytes_max = 0;     ///< in all; what comes after is lost
};

/// One output stream of one attempt: it grows at its end and is read anywhere. Up to a limit all of
/// it is in memory; the first byte beyond moves all of it to a file without a name. What passes the
/// ceiling, or finds no room on the disk, is counted as lost: from the first lost byte on nothing
/// is kept any more, so that what is kept is the beginning. Keeps nothing before begin(). Any
/// thread.
class Spool {
  public:
    Spool() = default;
    Spool(SpoolLimits limits, std::string_view folder, std::string_view stream) {
        begin(limits, folder, stream);
    }
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    /// Begins anew. @param folder where a spill file would go @param stream "stdout" or "stderr",
    /// for sentences
    void begin(SpoolLimits limits, std::string_view folder, std::string_view stream);
    /// Takes the next bytes. @return whether nothing is lost so far
    bool append(std::span<const char> bytes);
    /// @return bytes that are kept.
    [[nodiscard]] std::uint64_t size() const;
    /// @return bytes that are not.
    [[nodiscard]] std::uint64_t lost() const;
    /// @return what was lost and why, as an Error that names both: too_large past the ceiling, else
    /// what the file system said; nothing when all was kept.
    [[nodiscard]] std::optional<Error> loss() const;
    /// So many bytes more were lost before they came here.
    void lose(std::uint64_t bytes);
    /// Forgets all of it: the stream begins anew, with the same limits.
    void restart() noexcept;
    /// Hands over what is kept, and begins anew.
    [[nodiscard]] Captured take();
    /// @return the bytes from `offset` on, `most` of them or as many as there are.
    [[nodiscard]] std::string read(std::uint64_t offset, std::size_t most) const;

  private:
    // All of them with the mutex held.
    void forget() noexcept;
    void keep(std::span<const char> bytes);
    [[nodiscard]] bool move_to_file();
    [[nodiscard]] std::size_t write_out(std::span<const char> bytes);

    mutable std::mutex mutex_;  // guards what follows
    std::string folder_;
    std::string stream_;
    SpoolLimits limits_;
    std::string memory_;
    Fd file_;                   // holds all that is kept, once there is one
    std::uint64_t size_ = 0;    // of what is kept
    std::uint64_t lost_ = 0;    // bytes that found no place
    std::optional<Error> why_;  // of the first loss
};

}  // namespace repartir::base
