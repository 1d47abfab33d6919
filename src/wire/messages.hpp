// SPDX-License-Identifier: MIT
#pragma once
/// @file messages.hpp The bodies of the protocol's messages: docs/protocol.md says who sends which
/// when. Every struct may grow at its end, never elsewhere. Strings and lists that are views lie in
/// the message's body. Times are durations that remain or have passed, never points.
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "repartir/codec.hpp"
#include "repartir/id.hpp"
#include "wire/forms.hpp"
#include "wire/header.hpp"

namespace repartir::wire {

/// 128 random bits that name a process or a session for as long as it lives.
using Instance = std::array<std::uint64_t, 2>;

/// What an end can do beyond the version that it speaks; unknown bits are ignored.
inline constexpr std::uint64_t capability_lz4 = 1;

/// Which part an end plays; its certificate must allow it.
enum class Role : std::uint8_t { client, worker, broker };
/// @return "client", "worker" or "broker"; of a number that is none of them, "unknown".
[[nodiscard]] std::string_view to_string(Role role) noexcept;

/// The first message of the end that connected.
struct Hello {
    std::uint16_t version_min = wire::version_min;
    std::uint16_t version_max = wire::version_max;
    std::uint64_t capabilities = 0;
    Role role = Role::client;
    Instance instance{};                        ///< who it is; a worker keeps it over restarts
    std::uint64_t incarnation = 0;              ///< which of its lives
    Instance session{};                         ///< what its tasks belong to, over reconnects
    std::uint64_t epoch = 0;                    ///< fencing: a lower one of this session is stale
    std::chrono::milliseconds heartbeat{0};     ///< how often it would like to hear
    std::chrono::milliseconds time_to_live{0};  ///< how long its tasks outlive its connection
    std::uint64_t output_credit = 0;            ///< bytes of output that it is ready to take
    std::string_view name;                      ///< for people: host and process
    static constexpr auto codec_fields =
        std::tuple(&Hello::version_min, &Hello::version_max, &Hello::capabilities, &Hello::role,
                   &Hello::instance, &Hello::incarnation, &Hello::session, &Hello::epoch,
                   &Hello::heartbeat, &Hello::time_to_live, &Hello::output_credit, &Hello::name);
};

/// The answer to Hello: from here on, the connection stands.
struct Welcome {
    std::uint16_t version = wire::version_max;  ///< what both speak
    std::uint64_t capabilities = 0;             ///< what both can
    Role role = Role::worker;
    Instance instance{};
    std::uint64_t incarnation = 0;
    bool session_known = false;              ///< it remembers the session's attempts
    std::chrono::milliseconds heartbeat{0};  ///< how often both ends are to be heard
    std::uint32_t slots = 0;                 ///< tasks of one core that it runs at once
    std::uint64_t memory_bytes = 0;
    std::uint32_t task_credit = 0;    ///< tasks that may be sent before more credit
    std::uint64_t input_credit = 0;   ///< bytes of them
    std::uint64_t output_credit = 0;  ///< as in Hello, the other way
    std::string_view name;
    codec::List<std::string_view> functions;  ///< that it can run, by name
    static constexpr auto codec_fields = std::tuple(
        &Welcome::version, &Welcome::capabilities, &Welcome::role, &Welcome::instance,
        &Welcome::incarnation, &Welcome::session_known, &Welcome::heartbeat, &Welcome::slots,
        &Welcome::memory_bytes, &Welcome::task_credit, &Welcome::input_credit,
        &Welcome::output_credit, &Welcome::name, &Welcome::functions);
};

/// Attempts to run, each an encoded task (wire/task.hpp), so that one that cannot be read leaves
/// the others alone.
struct TaskSubmit {
    codec::List<std::string_view> tasks;
    static constexpr auto codec_fields = std::tuple(&TaskSubmit::tasks);
};

/// Attempts by id: the body of task_accepted, task_reclaim and task_reclaimed.
struct Attempts {
    codec::List<AttemptId> ids;
    static constexpr auto codec_fields = std::tuple(&Attempts::ids);
};

/// Attempts that are to end.
struct Cancel {
    codec::List<AttemptId> ids;
    bool force = false;  ///< at once, without their grace
    static constexpr auto codec_fields = std::tuple(&Cancel::ids, &Cancel::force);
};

/// Which of a task's streams a piece belongs to.
enum class Channel : std::uint8_t {
    out,
    err,
    value,  ///< what a function returned, encoded
};

/// A piece of what an attempt wrote.
struct TaskOutput {
    AttemptId attempt;
    Channel channel = Channel::out;
    std::uint64_t offset = 0;  ///< of the piece in its stream
    std::string_view bytes;
    std::uint64_t total = 0;  ///< bytes of its stream, once the attempt has ended; 0: not known
    static constexpr auto codec_fields =
        std::tuple(&TaskOutput::attempt, &TaskOutput::channel, &TaskOutput::offset,
                   &TaskOutput::bytes, &TaskOutput::total);
};

/// Still here, and how busy.
struct Heartbeat {
    std::uint64_t sequence = 0;  ///< of the sender's heartbeats on this connection, from 1
    std::uint64_t echo = 0;      ///< the last that it had from the other end; 0: none
    std::chrono::nanoseconds echo_age{0};  ///< how long it had had that
    std::uint32_t running = 0;             ///< attempts
    std::uint32_t queued = 0;              ///< of the receiver's attempts, those that wait
    std::uint32_t load_permille = 0;       ///< share of its slots that are in use, whoever's
    std::uint64_t memory_free_bytes = 0;
    static constexpr auto codec_fields = std::tuple(
        &Heartbeat::sequence, &Heartbeat::echo, &Heartbeat::echo_age, &Heartbeat::running,
        &Heartbeat::queued, &Heartbeat::load_permille, &Heartbeat::memory_free_bytes);
};

/// So much more may be sent, and what has arrived and may be forgotten.
struct Credit {
    std::uint32_t tasks = 0;             ///< more
    std::uint64_t input_bytes = 0;       ///< more
    std::uint64_t output_bytes = 0;      ///< more
    codec::List<std::uint64_t> results;  ///< that have arrived, by their sequence numbers
    static constexpr auto codec_fields =
        std::tuple(&Credit::tasks, &Credit::input_bytes, &Credit::output_bytes, &Credit::results);
};

/// The sender takes no more tasks; what it has it finishes or gives back.
struct Drain {
    std::chrono::milliseconds deadline{0};  ///< from now; what is unfinished then comes back
    std::string_view reason;                ///< for people
    static constexpr auto codec_fields = std::tuple(&Drain::deadline, &Drain::reason);
};

/// Why an end says nothing more.
enum class Parting : std::uint8_t {
    done,      ///< it needs the other no longer
    drained,   ///< it stops, and has nothing left to do
    replaced,  ///< a newer connection took this one's place
    refused,   ///< it does not want this peer; the reason says why
    failed,    ///< it cannot go on; the reason says why
};

/// The last message of an end.
struct Goodbye {
    Parting parting = Parting::done;
    std::string_view reason;  ///< for people
    static constexpr auto codec_fields = std::tuple(&Goodbye::parting, &Goodbye::reason);
};

/// An Error as a value on the wire: its parts by name, of which one that this version does not know
/// becomes `internal`.
struct ErrorRecord {
    std::string domain;
    std::string code;
    std::string fault;
    std::string sentence;
    std::vector<std::string> causes;  ///< the sentences of the chain, outermost first
    static constexpr auto codec_fields =
        std::tuple(&ErrorRecord::domain, &ErrorRecord::code, &ErrorRecord::fault,
                   &ErrorRecord::sentence, &ErrorRecord::causes);
    bool operator==(const ErrorRecord&) const = default;
};

/// What was wrong with the message of the same correlation id, or, with an attempt, with that one
/// task of it: the connection goes on.
struct ErrorMessage {
    AttemptId attempt;  ///< all zero: the message as a whole
    ErrorRecord error;
    static constexpr auto codec_fields = std::tuple(&ErrorMessage::attempt, &ErrorMessage::error);
};

[[nodiscard]] ErrorRecord to_record(const Error& error);
[[nodiscard]] Error to_error(const ErrorRecord& record);

/// @return the version that both ends of a connection speak: the highest common one. Errors:
/// incompatible, in a sentence that names both ranges
[[nodiscard]] Result<std::uint16_t> agree(std::uint16_t our_min, std::uint16_t our_max,
                                          std::uint16_t their_min, std::uint16_t their_max);

/// @return the body as that message. Errors: malformed, in a sentence that names the message
template <class T>
[[nodiscard]] Result<T> decode(MessageType type, std::string_view body) {
    T value{};
    const codec::Problem problem = codec::decode(body, value);
    if (problem != codec::Problem::none) {
        return fail(codec::malformed(to_string(type), problem));
    }
    return value;
}

}  // namespace repartir::wire
