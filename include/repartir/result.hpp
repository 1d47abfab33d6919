// SPDX-License-Identifier: MIT
#pragma once
/// @file result.hpp Errors are values: what can fail returns a Result.
#include <expected>
#include <utility>

#include "repartir/error.hpp"

namespace repartir {

/// A value or the Error that says why there is none.
template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for the error branch: `return fail(Error(...))`.
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}

}  // namespace repartir
