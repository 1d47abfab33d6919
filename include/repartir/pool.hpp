// SPDX-License-Identifier: MIT
#pragma once
/// @file pool.hpp One pool for functions, programs and pipelines.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/detail/parallel.hpp"
#include "repartir/detail/remote_call.hpp"
#include "repartir/detail/remote_state.hpp"
#include "repartir/executor.hpp"
#include "repartir/function.hpp"
#include "repartir/gpu_executor.hpp"
#include "repartir/network.hpp"
#include "repartir/outcome.hpp"
#include "repartir/pending.hpp"
#include "repartir/remote_executor.hpp"
#include "repartir/result.hpp"
#include "repartir/scheduler.hpp"
#include "repartir/shared_buffer.hpp"
#include "repartir/task.hpp"
#include "repartir/task_group.hpp"
#include "repartir/topology.hpp"

namespace repartir {

class PoolBuilder;

/// Runs functions on its own threads and programs on its executors. The usual way in.
///
/// Functions and programs have a number of slots each, since a thread that waits for a program
/// needs no core: a pool of cpu_workers(8) runs up to 8 functions and up to 8 programs at once.
///
/// Thread safety: every function from any thread; moving and destroying from one outside thread.
/// The destructor shuts down with Shutdown::cancel.
class Pool {
  public:
    /// Begins a pool with the defaults: as many workers and program slots as this machine has CPUs,
    /// or as the cgroup's quota grants.
    [[nodiscard]] static PoolBuilder builder();

    /// Takes a program or a pipeline. The Pending ends in exactly one Outcome, or in the Error that
    /// refused the task: see Scheduler::schedule.
    [[nodiscard]] Pending<Outcome> submit(Task task) {
        return scheduler_.schedule(std::move(task));
    }

    /// Runs a callable on a worker: any that can be moved, called once, with a std::stop_token if
    /// it takes one. The Pending gives what it returns (the value of a Result<U>); what it throws
    /// becomes Code::function_threw with the message kept. On a pool thread it goes on top of that
    /// thread's own deque. Allocates nothing once the pool is warm. Errors, in the Pending:
    /// queue_full, shut_down, out_of_resources, cancelled.
    template <class F>
        requires detail::Callable<std::decay_t<F>>
    [[nodiscard]] Pending<detail::ValueOf<std::decay_t<F>>> submit(F&& work) {
        std::decay_t<F> owned(std::forward<F>(work));
        return detail::submit_function(scheduler_.crew(), std::move(owned), Priority::normal);
    }
    /// As above, with a priority, a timeout and a name: submit(Task::function(work).timeout(1s)).
    /// Errors besides: timed_out, invalid_task (a negative timeout, a priority that does not
    /// exist).
    template <class F>
    [[nodiscard]] Pending<detail::ValueOf<F>> submit(FunctionTask<F> task) {
        return detail::submit_function(scheduler_.crew(), std::move(task));
    }

    /// Calls a function that workers have by name (Worker::Builder::function): what it takes and
    /// gives travels as codec.hpp has it. R is what it gives, or void. A call that was lost with
    /// its worker is made again on another one: functions are to bear that. Errors, in the Pending:
    /// what the function failed with; not_found (no worker in reach has it); malformed (it
    /// takes or gives something else); too_large (arguments of almost 16 MiB, or a value beyond
    /// RemoteOptions::value_bytes_max); unreachable; cancelled; cannot_schedule (a pool without
    /// remote workers); shut_down.
    template <class R, class... A>
    [[nodiscard]] Pending<R> submit_remote(std::string_view function, const A&... arguments) {
        return submit_remote_with<R>(CallOptions(), function, arguments...);
    }
    /// As above, with a timeout, a priority and retries. Errors besides: timed_out.
    template <class R, class... A>
    [[nodiscard]] Pending<R> submit_remote_with(const CallOptions& options,
                                                std::string_view function, const A&... arguments) {
        return call_remote<R>(options, function, detail::encode_arguments(arguments...),
                              detail::Taken<R>());
    }
    /// Calls a function that gives a text or a SharedBuffer, and puts what it gives into a buffer:
    /// large values need no fresh memory for each call, and local programs can have them by
    /// Task::buffer. Until the Pending is ready the buffer is the call's, and must not be sealed;
    /// so it is after a Pending was dropped, for a while that nobody is told of. Gives the number
    /// of bytes; what lies behind them stays as it was. Errors as of submit_remote; besides,
    /// too_large where the buffer is too small (then, as after any failure, it may have been
    /// written to), and invalid_argument where it is sealed.
    template <class... A>
    [[nodiscard]] Pending<std::size_t> submit_remote_into(SharedBuffer into,
                                                          std::string_view function,
                                                          const A&... arguments) {
        return submit_remote_into_with(CallOptions(), std::move(into), function, arguments...);
    }
    /// As above, with a timeout, a priority and retries. Errors besides: timed_out.
    template <class... A>
    [[nodiscard]] Pending<std::size_t> submit_remote_into_with(const CallOptions& options,
                                                               SharedBuffer into,
                                                               std::string_view function,
                                                               const A&... arguments) {
        if (into.sealed()) {
            return refused<std::size_t>(detail::sealed_buffer_error(function));
        }
        return call_remote<std::size_t>(options, function, detail::encode_arguments(arguments...),
                                        detail::TakenInto(std::move(into)));
    }

    /// Calls `call(input)`, which gives a value, for every element of a sized random-access range,
    /// in parallel: for calls without a value there is parallel_for. The
    /// Pending owns inputs and callable; it gives the values in the order of the inputs, or the
    /// first failure, after which elements that have not begun are skipped. Dropping or cancelling
    /// it skips them too.
    template <class Range, class F>
        requires std::ranges::random_access_range<Range> && std::ranges::sized_range<Range> &&
                 std::invocable<F&, std::ranges::range_reference_t<Range>> &&
                 (!std::is_void_v<detail::MapValue<Range, F>>)
    [[nodiscard]] Pending<std::vector<detail::MapValue<Range, F>>> map(Range inputs, F call) {
        return submit(
            detail::MapWork<Range, F>(scheduler_.crew(), std::move(inputs), std::move(call)));
    }

    /// Calls `body(i)` for every i of [first, last), on the workers and on this thread, and returns
    /// when all are done. `body` is shared by all threads; it may return void or Result<void>.
    /// Cheap bodies run as plain loops over long pieces. May be nested.
    /// Errors: the first that a call returned or threw; calls that have not begun are skipped then.
    template <class F>
        requires std::invocable<F&, std::size_t>
    Result<void> parallel_for(std::size_t first, std::size_t last, F body) {
        return detail::parallel_for(scheduler_.crew(), first, last, body);
    }

    /// @return how many threads run functions, spares aside.
    [[nodiscard]] std::uint32_t workers() noexcept { return scheduler_.crew().workers(); }
    /// @return whether the calling thread is a worker of some pool.
    [[nodiscard]] static bool on_pool_thread() noexcept {
        return detail::current_worker != nullptr && detail::current_worker->member;
    }

    /// Refuses later submissions, then drains or cancels what was accepted: see
    /// Scheduler::shutdown.
    Result<void> shutdown(Shutdown how) { return scheduler_.shutdown(how); }

    /// @return the low-level API of the same pool, such as its capabilities; lives as long as this.
    [[nodiscard]] Scheduler& scheduler() noexcept { return scheduler_; }
    /// @return counts since the start: see SchedulerStats.
    [[nodiscard]] SchedulerStats stats() const { return scheduler_.stats(); }

  private:
    friend class PoolBuilder;
    Pool(Scheduler scheduler, RemoteExecutor* remote)
        : scheduler_(std::move(scheduler)), remote_(remote) {}

    template <class R, class Taken>
    [[nodiscard]] Pending<R> call_remote(const CallOptions& options, std::string_view function,
                                         std::string_view arguments, Taken taken) {
        if (remote_ == nullptr) {
            return refused<R>(detail::no_workers_error(function));
        }
        return Pending<R>(detail::RemoteState<R, Taken>::begin(
            &scheduler_.crew(), *remote_, function, arguments, options, std::move(taken)));
    }
    template <class R>
    [[nodiscard]] Pending<R> refused(Error why) {
        auto* const state = new detail::SharedState<R>(&scheduler_.crew());
        state->resolve(fail(std::move(why)));
        return Pending<R>(state);
    }

    Scheduler scheduler_;
    RemoteExecutor* remote_;  // the scheduler's; nullptr: none
};

/// Says how a Pool is to be. Nothing is checked until build().
class PoolBuilder {
  public:
    /// Threads for functions, and program slots unless program_slots says otherwise. 0: the
    /// default.
    PoolBuilder& cpu_workers(std::uint32_t count) & {
        options_.workers = count;
        return *this;
    }
    /// Cores' worth of programs at once. 0: as many as cpu_workers.
    PoolBuilder& program_slots(std::uint32_t count) & {
        program_slots_ = count;
        return *this;
    }
    /// So many GPUs, the best first (gpu::devices). More than there are is an error of build().
    PoolBuilder& gpu_workers(std::uint32_t count) & {
        gpu_workers_ = count;
        return *this;
    }
    /// A GPU for shader tasks; several calls, several GPUs.
    PoolBuilder& gpu(GpuOptions options) & {
        gpus_.push_back(std::move(options));
        return *this;
    }
    /// Addresses of workers to use, beside this machine: "host:9000", "[::1]:9000", "unix:/path".
    PoolBuilder& remote_workers(std::vector<std::string> addresses) & {
        remote_.workers = std::move(addresses);
        return *this;
    }
    template <class... Address>
        requires(sizeof...(Address) > 0 &&
                 (std::convertible_to<const Address&, std::string_view> && ...))
    PoolBuilder& remote_workers(const Address&... addresses) & {
        return remote_workers(
            std::vector<std::string>{std::string(std::string_view(addresses))...});
    }
    /// Certificates for connections to workers. Without them only Unix sockets can be reached.
    PoolBuilder& tls(TlsFiles files) & {
        remote_.security.tls = std::move(files);
        return *this;
    }
    /// All that can be said of remote workers, in place of what was said so far.
    PoolBuilder& remote(RemoteOptions options) & {
        remote_ = std::move(options);
        return *this;
    }
    /// Whether programs run on this machine too. Default: yes. Without, there must be remote
    /// workers or an executor of your own.
    PoolBuilder& local_programs(bool run) & {
        local_programs_ = run;
        return *this;
    }
    /// Tasks that may wait, functions and programs apart; see SchedulerOptions. Default 1,048,576.
    PoolBuilder& queue_capacity(std::uint32_t tasks) & {
        options_.queue_capacity = tasks;
        return *this;
    }
    /// What submit does when the queue is full. Default: wait.
    PoolBuilder& on_full(OnFull what) & {
        options_.on_full = what;
        return *this;
    }
    /// Binds each function worker to a CPU. Default: no.
    PoolBuilder& pin_workers(bool pin) & {
        options_.pin_workers = pin;
        return *this;
    }
    /// Stand-ins for workers that block in get(). Default 64.
    PoolBuilder& spare_workers(std::uint32_t count) & {
        options_.spare_workers_max = count;
        return *this;
    }
    /// Bytes of output kept in memory per stream of a program; more spills to a file. Default 4
    /// MiB.
    PoolBuilder& capture_limit(std::uint64_t bytes) & {
        capture_bytes_ = bytes;
        return *this;
    }
    /// The CPUs to know of. Default: those of this machine that this process may use.
    PoolBuilder& topology(Topology cpus) & {
        options_.topology = std::move(cpus);
        return *this;
    }
    /// Adds an executor of your own, beside the pool's CPU executor.
    PoolBuilder& register_backend(Backend backend, std::unique_ptr<Executor> executor) & {
        executors_.emplace_back(backend, std::move(executor));
        return *this;
    }

    PoolBuilder&& cpu_workers(std::uint32_t n) && { return std::move(cpu_workers(n)); }
    PoolBuilder&& program_slots(std::uint32_t n) && { return std::move(program_slots(n)); }
    PoolBuilder&& gpu_workers(std::uint32_t n) && { return std::move(gpu_workers(n)); }
    PoolBuilder&& gpu(GpuOptions o) && { return std::move(gpu(std::move(o))); }
    PoolBuilder&& remote_workers(std::vector<std::string> a) && {
        return std::move(remote_workers(std::move(a)));
    }
    template <class... Address>
        requires(sizeof...(Address) > 0 &&
                 (std::convertible_to<const Address&, std::string_view> && ...))
    PoolBuilder&& remote_workers(const Address&... addresses) && {
        return std::move(remote_workers(addresses...));
    }
    PoolBuilder&& tls(TlsFiles files) && { return std::move(tls(std::move(files))); }
    PoolBuilder&& remote(RemoteOptions o) && { return std::move(remote(std::move(o))); }
    PoolBuilder&& local_programs(bool run) && { return std::move(local_programs(run)); }
    PoolBuilder&& queue_capacity(std::uint32_t n) && { return std::move(queue_capacity(n)); }
    PoolBuilder&& on_full(OnFull what) && { return std::move(on_full(what)); }
    PoolBuilder&& pin_workers(bool pin) && { return std::move(pin_workers(pin)); }
    PoolBuilder&& spare_workers(std::uint32_t n) && { return std::move(spare_workers(n)); }
    PoolBuilder&& capture_limit(std::uint64_t bytes) && { return std::move(capture_limit(bytes)); }
    PoolBuilder&& topology(Topology cpus) && { return std::move(topology(std::move(cpus))); }
    PoolBuilder&& register_backend(Backend b, std::unique_ptr<Executor> e) && {
        return std::move(register_backend(b, std::move(e)));
    }

    /// Makes the pool; the builder is spent. Does not wait for remote workers. Errors:
    /// invalid_argument, unsupported (GPUs, SIGCHLD ignored in this process), out_of_resources
    /// (threads), not_found and permission_denied (certificates).
    [[nodiscard]] Result<Pool> build();

  private:
    SchedulerOptions options_;
    std::vector<std::pair<Backend, std::unique_ptr<Executor>>> executors_;
    RemoteOptions remote_;
    std::uint64_t capture_bytes_ = 0;
    std::uint32_t program_slots_ = 0;
    std::vector<GpuOptions> gpus_;
    std::uint32_t gpu_workers_ = 0;
    bool local_programs_ = true;
};

inline PoolBuilder Pool::builder() { return {}; }
inline TaskGroup::TaskGroup(Pool& pool) noexcept : core_(pool.scheduler().crew()) {}

}  // namespace repartir
