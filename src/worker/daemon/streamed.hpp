// SPDX-License-Identifier: MIT
#pragma once
/// @file streamed.hpp What a program writes, where that is wanted as it comes.
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/spool.hpp"
#include "repartir/task.hpp"

namespace repartir::worker {

/// Both streams of a program, from when they are written until their attempt is forgotten: a client
/// that comes back over another connection has them from the start. Who takes them bounds how far
/// the program is ahead. Any thread.
class Streamed {
  public:
    /// A program that has written so much more than was taken is to wait.
    static constexpr std::uint64_t ahead_max = 4U << 20U;

    /// @param limits of each stream @param folder for spill files
    Streamed(base::SpoolLimits limits, std::string_view folder);

    /// The program wrote this. @return whether it is to wait from here on, until resumes()
    [[nodiscard]] bool append(Stream stream, std::span<const char> text);
    /// @return the bytes from `offset` on, `most` of them or as many as there are: they are taken.
    [[nodiscard]] std::string take(Stream stream, std::uint64_t offset, std::uint64_t most);
    /// @return whether a program that waits is to go on, as enough was taken: once for each wait.
    [[nodiscard]] bool resumes();
    [[nodiscard]] const base::Spool& of(Stream stream) const;
    /// @return what was lost of either and why.
    [[nodiscard]] std::optional<Error> loss() const;

  private:
    [[nodiscard]] std::uint64_t ahead() const;

    std::array<base::Spool, 2> spools_;
    std::mutex mutex_;                      // guards what follows
    std::array<std::uint64_t, 2> taken_{};  // bytes
    bool waits_ = false;
};

}  // namespace repartir::worker
