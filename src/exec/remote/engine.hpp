// SPDX-License-Identifier: MIT
#pragma once
/// @file engine.hpp Joins the client's reactor to sockets, tasks and calls.
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/spool.hpp"
#include "client/reactor.hpp"
#include "core/attempt.hpp"
#include "exec/remote/rest.hpp"
#include "exec/remote/shader_outputs.hpp"
#include "loop/lead.hpp"
#include "loop/loop.hpp"
#include "loop/spin.hpp"
#include "net/connection.hpp"
#include "repartir/detail/state.hpp"
#include "repartir/remote_executor.hpp"

namespace repartir::exec {

/// What a RemoteExecutor does. One thread at a time has the lead of the loop and all that is not
/// guarded otherwise: most often the engine's own. Public functions from any thread: they pass on
/// what is asked for.
///
/// A thread that calls one function after the other would pay four wake-ups for each call: of the
/// engine's thread to send it, of the worker, of the engine's thread when the answer is there, and
/// its own. So the engine's thread rests while nothing but such calls is under way: the caller
/// sends its call itself (ask), and takes the lead while it waits (drive). The engine's thread
/// comes back when nobody has had the lead for a moment, or when whoever leaves it leaves work
/// behind.
class Engine final : private loop::Timer {
  public:
    /// Starts the thread. Errors: as RemoteExecutor::connect
    [[nodiscard]] static Result<std::unique_ptr<Engine>> create(RemoteOptions options);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    ~Engine() override;

    [[nodiscard]] Capabilities capabilities() const;
    void observe(Executor& self, AttemptSink& sink);
    /// @param shader of a shader task, as wire::encode_dispatch() makes it
    void start(const AttemptId& id, const Task& task, std::string&& shader, AttemptSink& sink);
    void cancel(const AttemptId& id, bool force);
    [[nodiscard]] std::uint32_t give_back(std::uint32_t most);
    CallId call(std::string_view function, std::string_view arguments, const CallOptions& options,
                std::shared_ptr<CallSink> sink);
    void cancel(CallId id);
    /// See RemoteExecutor::drive.
    [[nodiscard]] bool drive(const detail::StateBase& state) noexcept;
    /// Ends all by force and joins the thread. Idempotent; one thread.
    void shutdown();
    [[nodiscard]] bool on_own_thread() const noexcept { return lead_.mine(); }

  private:
    // What other threads ask for.
    struct Observe {
        Executor* self;
        AttemptSink* sink;
    };
    struct StartTask {
        AttemptId id;
        const Task* task;
        std::string shader;
        AttemptSink* sink;
    };
    struct CancelTask {
        AttemptId id;
        bool force;
    };
    struct GiveBack {
        std::uint32_t most;
    };
    struct StartCall {
        CallId id;
        std::string function;
        std::string arguments;
        CallOptions options;
        std::shared_ptr<CallSink> sink;  // shared with the caller
    };
    struct CancelCall {
        CallId id;
    };
    struct End {};
    using Request =
        std::variant<Observe, StartTask, CancelTask, GiveBack, StartCall, CancelCall, End>;

    /// As in RemoteOptions.
    struct Limits {
        std::uint64_t capture_bytes = 0;
        std::uint64_t value_bytes_max = 0;
    };
    /// A task's attempt, until its sink is told.
    struct Job {
        const Task* task = nullptr;
        AttemptSink* sink = nullptr;
        std::unique_ptr<base::Spool> out, err;   // once more came than a result has room for
        std::uint64_t lease = 0;                 // where there is a callback: under which it ran
        std::array<std::uint64_t, 2> heard{};    // then, and how many bytes it was given, by Stream
        std::optional<ShaderOutputs> outputs{};  // of a shader
    };
    using Jobs = std::unordered_map<AttemptId, Job>;
    struct Call {
        StartCall request;
        TaskId task;
        core::AttemptState state;
        std::vector<Attempt> lost;  // with their workers
        base::BootTime due{0};      // of the next try, while it waits for that
    };
    static constexpr std::size_t dialling_max = 128;  // connections that shake hands at once

    /// The connections to one worker: the one in use, if any, and such as are ending.
    class Link;

    Engine(std::unique_ptr<loop::Loop> loop, net::Security security, client::Options options,
           std::vector<net::Address> addresses, Limits limits);

    void run() noexcept;
    void rest();
    void come_back(std::uint64_t turns, bool wanted);
    void hand_back(std::size_t calls_left_alone);
    void recall();
    [[nodiscard]] bool asked() const;
    bool ask(Request&& request);
    void answer();
    static void end_shader(ShaderOutputs& outputs, const client::Tail& value,
                           AttemptResult& result);
    void handle(Observe& request);
    void handle(StartTask& request);
    void handle(CancelTask& request);
    void handle(GiveBack& request);
    void handle(StartCall& request);
    void handle(CancelCall& request);
    void handle(End& request);

    void on_timer(base::BootTime now) noexcept override;
    void carry_out();
    void perform();
    void carry_out(client::Dial& effect);
    void carry_out(client::Send& effect);
    void carry_out(client::Admit& effect);
    void carry_out(client::Close& effect);
    void carry_out(client::Finished& effect);
    void carry_out(client::Output& effect);
    void carry_out(client::Returned& effect);
    void carry_out(client::Capacity& effect);

    void pass_on(Job& job, std::uint64_t lease, Stream stream, std::uint64_t offset,
                 std::string_view bytes);
    void take_output(Job& job, wire::Channel channel, std::uint64_t offset, std::string_view bytes);
    void end_task(Jobs::iterator job, client::Finished& finished);
    void begin_call(Call& call);
    [[nodiscard]] Error too_large(const Call& call) const;
    void end_call_try(Call& call, client::Finished& finished);
    void end_call(CallId id, Result<void> how);
    [[nodiscard]] Result<void> take(const Call& call, std::uint64_t offset, std::uint64_t total,
                                    std::string_view bytes) const;
    void wait_for_next_try(Call& call, base::BootTime delay);
    void dial_next();
    void dialled();
    void tell_capacity();
    void look_at_certificates(base::BootTime now);
    void set_timer();

    loop::Lead lead_;  // guards what no mutex and no atomic does
    std::unique_ptr<loop::Loop> loop_;
    loop::Spin spin_;  // of callers who wait
    const net::Security security_;
    const std::vector<net::Address> addresses_;
    const std::string spill_dir_;  // of tasks that name none
    const Limits limits_;
    const base::BootTime reach_;  // how long tasks wait for workers that they can run on
    std::vector<char> scratch_;
    client::Reactor reactor_;
    client::Outbox outbox_;
    client::Outbox doing_;                      // of carry_out() alone
    std::vector<std::unique_ptr<Link>> links_;  // by worker
    std::vector<Link*> unflushed_;              // of them, each once: something was sent
    std::deque<client::WorkerId> to_dial_;      // later
    std::size_t dialling_ = 0;                  // connections that are not open yet
    Jobs jobs_;
    std::unordered_map<CallId, Call> calls_;
    std::unordered_map<AttemptId, CallId> tries_;    // of calls that are at the reactor
    std::multimap<base::BootTime, CallId> retries_;  // of calls that wait for theirs
    JobId job_ = JobId::random();
    std::uint32_t element_ = 0;
    core::Issuer issuer_;
    base::Prng random_;
    Executor* self_ = nullptr;
    AttemptSink* observer_ = nullptr;
    client::Capacity capacity_;
    base::BootTime looked_at_{0};           // the files of certificates
    base::BootTime settles_ = base::never;  // when nobody is to wait for a larger worker any more
    bool out_of_reach_ = false;
    bool settled_ = false;
    bool carrying_ = false;
    bool ending_ = false;

    std::atomic<std::uint32_t> at_workers_{0};     // tasks
    std::atomic<std::uint32_t> running_slots_{0};  // that may run programs of ours
    std::atomic<bool> giving_back_{false};
    std::atomic<CallId> last_call_{0};
    mutable std::mutex mutex_;  // guards what follows
    Capabilities can_;
    std::vector<Request> requests_;  // answer() is posted while there are some
    bool closed_ = false;
    std::vector<Request> answering_;  // of answer() alone

    std::atomic<bool> caller_waits_{false};  // who would have taken the lead
    Rest<> rest_;                            // of the engine's thread
    std::mutex rest_mutex_;                  // guards what follows
    std::condition_variable rest_ends_;
    bool recalled_ = false;

    std::thread thread_;
};

}  // namespace repartir::exec
