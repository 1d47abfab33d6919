// SPDX-License-Identifier: MIT
#pragma once
/// @file inputs.hpp Where the tasks of a run come from, one at a time and in bounded memory.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cli/job_reader.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// Numbers first, first + step, ... up to last, or down to it when step is negative. Never empty.
struct NumberRange {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t step = 1;

    [[nodiscard]] std::uint64_t size() const noexcept;
    [[nodiscard]] std::int64_t at(std::uint64_t index) const noexcept;
};

/// Reads A-B, A-B:STEP or A (from A to A); A and B may be negative, and STEP where B is
/// below A. Errors: invalid_argument, also where the range would be empty.
[[nodiscard]] Result<NumberRange> parse_range(std::string_view text);

/// One list of inputs: words, or numbers that are made as they are needed.
using InputList = std::variant<std::vector<std::string>, NumberRange>;

/// What one task is made from.
struct Item {
    std::uint64_t sequence = 0;       ///< from 1, in the order of the inputs
    std::vector<std::string> values;  ///< one per list
    std::optional<JobSpec> job;       ///< from --from-json
};

/// What next() found.
enum class Pull : std::uint8_t {
    item,     ///< the item is filled in
    blocked,  ///< nothing now: wait until wait_fd() is readable
    end,      ///< there are no more
};

/// A source of items. One thread.
class InputSource {
  public:
    InputSource() = default;
    InputSource(const InputSource&) = delete;
    InputSource& operator=(const InputSource&) = delete;
    virtual ~InputSource() = default;
    /// Fills in the next item; never blocks on a pipe or terminal. Errors: io_error,
    /// invalid_argument (malformed input, with its place).
    [[nodiscard]] virtual Result<Pull> next(Item& item) = 0;
    /// @return how many items there are in all; nothing while that is not known.
    [[nodiscard]] virtual std::optional<std::uint64_t> total() const = 0;
    /// @return the descriptor to wait for after Pull::blocked; -1 when it never blocks.
    [[nodiscard]] virtual int wait_fd() const { return -1; }
};

/// @return a source of one item without values: the command as it stands.
[[nodiscard]] std::unique_ptr<InputSource> single_source();
/// @return the product of the lists, the last varying fastest. Errors: invalid_argument, when it
/// has
///         more than 2^63 elements.
[[nodiscard]] Result<std::unique_ptr<InputSource>> product_source(std::vector<InputList> lists);
/// Inputs that a byte ends, from a file or, for "-", standard input. The last one may lack the
/// byte. An input longer than the kernel takes as one argument (128 KiB) is an error that names its
/// place.
/// @param delimiter '\n' or NUL. Errors: not_found, permission_denied, io_error.
[[nodiscard]] Result<std::unique_ptr<InputSource>> line_source(const std::string& path,
                                                               char delimiter);
/// The objects of a JSON array, read one by one. A regular file is read to its end first, so that
/// a mistake anywhere in it is found before anything of it is run; a pipe is not. Errors: as
/// line_source, and invalid_argument.
[[nodiscard]] Result<std::unique_ptr<InputSource>> job_source(const std::string& path);

}  // namespace repartir::cli
