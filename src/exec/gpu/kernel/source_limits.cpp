// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/source_limits.hpp"

#include <pthread.h>

#include <exception>
#include <new>
#include <string>

#include "base/os_error.hpp"
#include "exec/gpu/kernel/refusal.hpp"

namespace repartir::gpu {
namespace {

/// @return how many bytes a comment at the beginning of `text` has for sure; 0: none begins there.
std::size_t comment_bytes(std::string_view text) {
    if (text.starts_with("//")) {
        std::size_t at = 2;
        // What ends a line differs between languages, so anything odd does here.
        while (at < text.size() && (text[at] == '\t' || (text[at] >= ' ' && text[at] <= '~'))) {
            ++at;
        }
        return at;
    }
    if (text.starts_with("/*")) {
        std::size_t at = text.find('*', 2);
        while (at != std::string_view::npos && at + 1 < text.size() && text[at + 1] != '/' &&
               text[at + 1] != '\\') {  // a backslash may join the star with a slash further on
            at = text.find('*', at + 1);
        }
        return at == std::string_view::npos ? text.size() : at + 1;
    }
    return 0;
}

class Scan {
  public:
    /// Takes one character. @return what there is too much of; nullptr: all is well.
    const char* take(char c) {
        switch (c) {
            case '(':
            case '[':
            case '{':
                ++depth_;
                break;
            case ')':
            case ']':
            case '}':
                depth_ -= depth_ > 0 ? 1 : 0;
                break;
            default:
                break;
        }
        if (c == ';' || c == '{' || c == '}') {
            steps_ = parts_ = 0;
        } else if (c == ',') {
            steps_ = 0;
            ++parts_;
        } else if (std::string_view("([.+-*/%&|^~!<>=?:@").find(c) != std::string_view::npos) {
            ++steps_;
        }
        return depth_ > nesting_max           ? "brackets inside each other"
               : steps_ > statement_steps_max ? "operators in one expression"
               : parts_ > statement_parts_max ? "commas in one statement"
                                              : nullptr;
    }

  private:
    std::size_t depth_ = 0;
    std::size_t steps_ = 0;
    std::size_t parts_ = 0;
};

std::size_t occurrences(std::string_view text, std::string_view word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string_view::npos;
         at = text.find(word, at + word.size())) {
        ++count;
    }
    return count;
}

Error too_many(std::string_view what, std::size_t line) {
    return refusal(Code::too_large,
                   "the shader has too many " + std::string(what) +
                       (line > 0 ? " in line " + std::to_string(line) : std::string()) +
                       " to be compiled safely; split it up");
}

struct Job {
    const std::function<void()>& compile;
    std::exception_ptr thrown;
};

void* run(void* argument) {
    auto& job = *static_cast<Job*>(argument);
    try {
        job.compile();
    } catch (...) { job.thrown = std::current_exception(); }
    return nullptr;
}

}  // namespace

Result<void> check_source(std::string_view source) {
    if (source.size() > source_bytes_max) {
        return fail(refusal(Code::too_large,
                            "the shader has " + std::to_string(source.size()) + " bytes of text; " +
                                std::to_string(source_bytes_max) + " are the most"));
    }
    if (source.find('\0') != std::string_view::npos) {
        return fail(refusal(Code::malformed, "the shader is no text: it holds a NUL byte"));
    }
    if (occurrences(source, "else") > else_max) {
        return fail(too_many("else branches", 0));
    }
    if (occurrences(source, "define") > macros_max) {
        return fail(too_many("macros", 0));
    }
    Scan scan;
    std::size_t line = 1;
    for (std::size_t at = 0; at < source.size();) {
        if (const std::size_t comment = comment_bytes(source.substr(at)); comment > 0) {
            line += occurrences(source.substr(at, comment), "\n");
            at += comment;
            continue;
        }
        if (const char* const what = scan.take(source[at])) {
            return fail(too_many(what, line));
        }
        line += source[at] == '\n' ? 1 : 0;
        ++at;
    }
    return {};
}

Result<void> on_large_stack(const std::function<void()>& compile) {
    Job job{compile, nullptr};
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, compiler_stack_bytes);
    pthread_t thread{};
    const int failed = ::pthread_create(&thread, &attributes, run, &job);
    ::pthread_attr_destroy(&attributes);
    if (failed != 0) {
        return fail(
            base::os_error(Domain::gpu, "cannot start a thread to compile a shader", failed));
    }
    ::pthread_join(thread, nullptr);
    if (!job.thrown) {
        return {};
    }
    try {
        std::rethrow_exception(job.thrown);
    } catch (const std::bad_alloc&) {
        return fail(Error(Domain::gpu, Code::out_of_resources, Fault::system,
                          "there is too little memory to compile the shader"));
    } catch (...) {
        return fail(Error(Domain::gpu, Code::internal, Fault::system,
                          "the shader's compiler failed in a way that it should not; please report "
                          "it with the shader"));
    }
}

}  // namespace repartir::gpu
