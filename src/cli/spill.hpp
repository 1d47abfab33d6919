// SPDX-License-Identifier: MIT
#pragma once
/// @file spill.hpp Temporary files for what should not stay in memory.
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "repartir/outcome.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// A temporary file in TMPDIR or /tmp, removed unless it becomes a Captured. One thread.
class SpillFile {
  public:
    /// Errors: io_error.
    [[nodiscard]] static Result<SpillFile> create();
    SpillFile(SpillFile&& other) noexcept;
    SpillFile& operator=(SpillFile&&) = delete;
    ~SpillFile();
    /// Appends. Errors: io_error.
    [[nodiscard]] Result<void> write(std::string_view bytes);
    /// @return the whole, which removes the file when its last copy goes. Leaves this empty.
    [[nodiscard]] Captured take();
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    SpillFile() = default;
    std::string path_;
    base::Fd file_;
    std::uint64_t size_ = 0;
};

/// Hands the bytes over in pieces. Errors: io_error, when a spilled file cannot be read.
[[nodiscard]] Result<void> for_each_piece(const Captured& captured,
                                          const std::function<void(std::string_view)>& piece);

}  // namespace repartir::cli
