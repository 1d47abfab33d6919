// SPDX-License-Identifier: MIT
#pragma once
/// @file spill.hpp Temporary files for what should not stay in memory.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "repartir/outcome.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// A temporary file without a name, in TMPDIR or /tmp: nothing can leave it behind. One thread.
class SpillFile {
  public:
    /// Errors: io_error.
    [[nodiscard]] static Result<SpillFile> create();
    /// Appends. Errors: io_error.
    [[nodiscard]] Result<void> write(std::string_view bytes);
    /// @return the whole; the file goes with its last copy. Leaves this empty.
    [[nodiscard]] Captured take();
    /// @return a path that opens the file, in this process and while this lives.
    [[nodiscard]] std::string path() const;

  private:
    explicit SpillFile(base::Fd file) noexcept : file_(std::move(file)) {}
    base::Fd file_;
    std::uint64_t size_ = 0;
};

/// Hands the bytes over in pieces. Errors: io_error, when a spilled file cannot be read.
[[nodiscard]] Result<void> for_each_piece(const Captured& captured,
                                          const std::function<void(std::string_view)>& piece);

}  // namespace repartir::cli
