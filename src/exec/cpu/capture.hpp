// SPDX-License-Identifier: MIT
#pragma once
/// @file capture.hpp Keeps what a program writes: in memory up to a limit, past it in a spill file.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/outcome.hpp"

namespace repartir::exec {

/// Collects one output stream of one attempt. Up to the limit all of it is in memory; the first
/// byte beyond moves all of it to a file. Where the file cannot be written (a full disk), the task
/// goes on: what was kept stays kept, the rest is counted and named in a note. One thread at a
/// time.
class Capture {
  public:
    Capture() = default;
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    ~Capture() { reset(); }

    /// Begins anew. @param limit bytes kept in memory @param folder where a spill file would go
    /// @param stream "stdout" or "stderr", for the file's name and the note
    void begin(std::uint64_t limit, std::string_view folder, std::string_view stream);
    /// Takes the next bytes. Never fails: see above.
    void append(std::span<const char> bytes);
    /// Hands over what was kept, and appends a note where bytes were lost. Ready for begin() again.
    [[nodiscard]] Captured take(std::vector<std::string>& notes);
    /// Forgets all of it, and removes a spill file that was not taken.
    void reset() noexcept;

  private:
    void spill(std::span<const char> bytes);
    [[nodiscard]] bool open_spill();
    [[nodiscard]] std::size_t write_out(std::span<const char> bytes);

    std::string memory_;
    std::string folder_;
    std::string stream_;
    std::string path_;  // of the spill file; empty while there is none
    std::string why_;   // the first failure of the spill file
    std::uint64_t limit_ = 0;
    std::uint64_t spilled_ = 0;  // bytes in the spill file
    std::uint64_t lost_ = 0;     // bytes that found no place
    int fd_ = -1;
};

}  // namespace repartir::exec
