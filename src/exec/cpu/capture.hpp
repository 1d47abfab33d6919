// SPDX-License-Identifier: MIT
#pragma once
/// @file capture.hpp Keeps what a program writes: in memory up to a limit, past it in a spill file.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "repartir/outcome.hpp"

namespace repartir::exec {

/// How much of one stream is kept, and where.
struct CaptureLimits {
    std::uint64_t memory_bytes = 0;  ///< in memory; the first byte beyond moves all to a file
    std::uint64_t bytes_max = 0;     ///< in all; what comes after is lost
};

/// Collects one output stream of one attempt. Up to a limit all of it is in memory; the first byte
/// beyond moves all of it to a file without a name. What passes the ceiling, or finds no room on
/// the disk, is counted as lost: from the first lost byte on nothing is kept any more, so that what
/// is kept is the beginning. One thread at a time.
class Capture {
  public:
    Capture() = default;
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    /// Begins anew. @param folder where a spill file would go @param stream "stdout" or "stderr",
    /// for sentences
    void begin(CaptureLimits limits, std::string_view folder, std::string_view stream);
    /// Takes the next bytes. @return whether nothing is lost so far
    bool append(std::span<const char> bytes);
    /// @return what was lost and why, as an Error that names both: too_large past the ceiling, else
    /// what the file system said; nothing when all was kept.
    [[nodiscard]] std::optional<Error> loss() const;
    /// Hands over what was kept. Ready for begin() again.
    [[nodiscard]] Captured take();
    /// Forgets all of it.
    void reset() noexcept;

  private:
    [[nodiscard]] std::uint64_t kept() const noexcept { return file_ ? spilled_ : memory_.size(); }
    void keep(std::span<const char> bytes);
    [[nodiscard]] bool move_to_file();
    [[nodiscard]] std::size_t write_out(std::span<const char> bytes);

    std::string memory_;
    base::Fd file_;  // holds all that is kept, once there is one
    std::string folder_;
    std::string stream_;
    std::optional<Error> why_;  // of the first loss
    CaptureLimits limits_;
    std::uint64_t spilled_ = 0;  // bytes in the file
    std::uint64_t lost_ = 0;     // bytes that found no place
};

}  // namespace repartir::exec
