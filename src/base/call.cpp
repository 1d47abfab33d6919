// SPDX-License-Identifier: MIT
// What the headers of functions declare: the errors that calling one can end in.
#include "repartir/detail/call.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "repartir/detail/remote_call.hpp"
#include "repartir/function.hpp"

namespace repartir::detail {

void prefer_large_pages(std::string& text) noexcept {
    constexpr std::size_t large = 2UL * 1024 * 1024;
    if (text.capacity() < 2 * large) {
        return;
    }
    // SAFETY: only computed with, to find the large pages that lie wholly inside.
    const auto begin = reinterpret_cast<std::uintptr_t>(text.data());
    const std::uintptr_t first = (begin + large - 1) / large * large;
    const std::uintptr_t last = (begin + text.capacity()) / large * large;
    if (first < last) {  // a hint: where it is refused, small pages serve
        ::madvise(text.data() + (first - begin), last - first, MADV_HUGEPAGE);
    }
}

Error too_large_result_error() {
    return Error(Domain::function, Code::too_large, Fault::task,
                 "the function gave 4 GiB or more, which no message can carry: have it write a "
                 "file");
}

Error cancelled_error() noexcept {
    return Error(Domain::function, Code::cancelled, Fault::user,
                 "the function was cancelled before its result was there");
}

Error waits_for_itself_error() noexcept {
    return Error(Domain::scheduler, Code::would_deadlock, Fault::user,
                 "get() was called on a thread that tasks need to end, such as in an output "
                 "callback: use on_ready there, or wait on another thread");
}

Error no_memory_error() noexcept {
    return Error(Domain::scheduler, Code::out_of_resources, Fault::system,
                 "there is no memory left to queue a function; free some and try again");
}

Error invalid_function_error(std::string_view name) {
    return Error(Domain::function, Code::invalid_task, Fault::user,
                 (name.empty() ? std::string("the function") : "function " + std::string(name)) +
                     " has a negative timeout or a priority that does not exist: use 0 for no "
                     "timeout, and high, normal or low");
}

Error timed_out_error(std::string_view name, std::chrono::milliseconds timeout) {
    return Error(Domain::function, Code::timed_out, Fault::task,
                 (name.empty() ? std::string("the function") : "function " + std::string(name)) +
                     " did not return within its timeout of " + std::to_string(timeout.count()) +
                     " ms; give it more time, or let it watch its stop_token");
}

Error bad_arguments(std::string_view function, codec::Problem problem) {
    const char* const what = problem == codec::Problem::truncated ? "there are too few"
                             : problem == codec::Problem::excess  ? "there are too many"
                                                                  : "one has no such value";
    return Error(Domain::wire, Code::malformed, Fault::user,
                 "the arguments do not fit the function \"" + std::string(function) +
                     "\" of the worker: " + what +
                     "; pass those that it takes, in their order and each of the very type "
                     "(an int is no long), and build both programs with the same structs");
}

Error thrown_error() noexcept {
    std::string sentence = "the function threw: ";
    try {
        throw;
    } catch (const std::exception& thrown) { sentence += thrown.what(); } catch (...) {
        sentence += "something that is no std::exception";
    }
    return Error(Domain::function, Code::function_threw, Fault::task, std::move(sentence));
}

}  // namespace repartir::detail
