// SPDX-License-Identifier: MIT
#pragma once
/// @file os_error.hpp Turns an errno into an Error.
#include <string_view>

#include "repartir/error.hpp"

namespace repartir::base {

/// @return what an errno means as a code: ENOENT is not_found, EMFILE is out_of_resources, ...
[[nodiscard]] Code code_of(int os_error) noexcept;
/// @return whose fault it is: shortages are the system's (retryable), all else is the request's.
[[nodiscard]] Fault fault_of(int os_error) noexcept;
/// @return the kernel's words for an errno: "No such file or directory". Any thread.
[[nodiscard]] std::string_view words_of(int os_error) noexcept;
/// @return an Error "<what>: <words>", with what to do where that is known.
/// @param what the thing and the act, such as "cannot watch descriptor 7"
[[nodiscard]] Error os_error(Domain domain, std::string_view what, int os_error);

}  // namespace repartir::base
