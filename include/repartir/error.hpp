// SPDX-License-Identifier: MIT
#pragma once
/// @file error.hpp What went wrong with a request, as a value.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace repartir {

/// Whose fault an error is; it picks the retry budget (see docs/architecture.md).
enum class Fault : std::uint8_t {
    task,    ///< the task's own: retried only when the task asks for it
    node,    ///< the machine that ran it: retried up to the crash limit
    user,    ///< the request: never retried
    policy,  ///< a rule of the operator: never retried
    system,  ///< the host was short of something: transient, retried 3 times by default
};

/// The part of Repartir that speaks.
enum class Domain : std::uint8_t {
    task,
    scheduler,
    function,
    process,
    buffer,
    io,
    config,
    trust,
    wire,
    net,
    gpu,
};

/// What happened. Values are stable: they appear in JSON output by name.
enum class Code : std::uint16_t {
    invalid_task,          ///< the Task contradicts itself or lacks something
    invalid_argument,      ///< an argument of another call is out of its range
    queue_full,            ///< the bounded queue is full and the pool was built to refuse
    shut_down,             ///< the pool or scheduler takes no more tasks
    would_deadlock,        ///< waiting here could never end: no spare worker is left
    cannot_schedule,       ///< no registered backend can ever run the task
    cancelled,             ///< a function was cancelled before it gave a value
    timed_out,             ///< a function passed its deadline
    function_threw,        ///< user code threw; the sentence keeps the message
    idempotency_conflict,  ///< the same key was used for a different task
    not_found,             ///< a file or program does not exist
    permission_denied,     ///< the kernel refused access
    not_executable,        ///< the file is no program that this machine can run
    too_large,             ///< an argument list, file or message is over a limit
    out_of_resources,      ///< processes, descriptors or memory are short just now
    unsupported,           ///< this kernel or machine lacks what was asked for
    io_error,              ///< reading or writing failed
    malformed,             ///< bytes from elsewhere are not what they were to be
    incompatible,          ///< the other side speaks no version of the protocol that we do
    unreachable,           ///< another machine cannot be reached, or was lost
    poisoned,              ///< the task was running on too many machines that were lost
    driver_failed,         ///< a GPU's driver crashed, hung or failed
    internal,              ///< a defect of Repartir; please report it
};

/// @return the name of a code as it stands in JSON, such as "queue_full".
[[nodiscard]] std::string_view to_string(Code code) noexcept;
/// @return "task", "node", "user", "policy" or "system".
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;
/// @return "task", "scheduler" and so on.
[[nodiscard]] std::string_view to_string(Domain domain) noexcept;

/// What happened to a request, in a form for programs (domain, code, fault) and one for people (a
/// sentence that names the thing, the reason and what to do).
///
/// A value: cheap to copy (copies share one immutable body), safe to read from any thread.
class Error {
  public:
    /// @param sentence one sentence that names the thing, the reason and what to do
    Error(Domain domain, Code code, Fault fault, std::string sentence);
    /// As above, and keeps the error that led to this one.
    Error(Domain domain, Code code, Fault fault, std::string sentence, Error cause);
    Error(const Error& other) noexcept : body_(share(other.body_.get())) {}
    Error(Error&&) noexcept = default;
    Error& operator=(const Error& other) noexcept { return *this = Error(other); }
    Error& operator=(Error&&) noexcept = default;
    ~Error() = default;

    [[nodiscard]] Domain domain() const noexcept;  ///< the part that speaks
    [[nodiscard]] Code code() const noexcept;      ///< what happened
    [[nodiscard]] Fault fault() const noexcept;    ///< who has to act
    /// @return whether the same request may succeed later without a change.
    [[nodiscard]] bool retryable() const noexcept;
    [[nodiscard]] const std::string& sentence() const noexcept;  ///< for people
    [[nodiscard]] const Error* cause() const noexcept;           ///< nullptr when there is none
    /// @return the sentences of the chain, outermost first, joined by ": ".
    [[nodiscard]] std::string describe() const;

  private:
    struct Body;
    struct Drop {
        void operator()(const Body* body) const noexcept;
    };
    [[nodiscard]] static const Body* share(const Body* body) noexcept;

    // Immutable, and counted in the body, so that a Result is two words: it lies in every Pending.
    std::unique_ptr<const Body, Drop> body_;
};

}  // namespace repartir
