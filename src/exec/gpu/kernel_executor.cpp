// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel_executor.hpp"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "exec/gpu/deadlines.hpp"
#include "exec/gpu/kernel/fit.hpp"
#include "exec/gpu/kernel/kernels.hpp"
#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

constexpr base::BootTime slice_time = 5ms;  ///< at most, where a workgroup takes no longer

std::unexpected<Error> out_of_memory() {
    return fail(Error(Domain::gpu, Code::out_of_resources, Fault::system,
                      "there is no memory for a kernel's buffers on the CPU: free some"));
}

/// One attempt.
struct Run {
    AttemptId attempt;
    AttemptSink* sink = nullptr;
    Priority priority = Priority::normal;
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    base::BootTime since = base::now();
    Kernel kernel;
    CpuRun what;
    std::vector<Bytes> out;
    std::uint64_t all = 0;   ///< workgroups
    std::uint64_t next = 0;  ///< the first one that was not handed out
    std::uint32_t at_it = 0;
    base::BootTime each{0};  ///< what a workgroup took lately; 0: not known
    std::stop_source stop{};
    std::optional<Error> error{};
    std::optional<End> cut_short{};
    std::optional<Deadlines::Place> deadline{};

    void end_early() {
        next = all;
        stop.request_stop();
    }
};

/// Where a buffer is on the CPU; what comes out is added to `out`.
HostBuffer host_buffer(const BufferArgument& buffer, std::vector<Bytes>& out) {
    if (buffer.use == BufferUse::in) {
        return buffer.from.view();
    }
    std::span<std::byte> to;
    if (buffer.into) {
        SharedBuffer into = *buffer.into;
        to = into.writable();
        out.emplace_back(std::move(into));
    } else {
        auto memory = std::make_unique<std::byte[]>(buffer.bytes);
        to = {memory.get(), buffer.bytes};
        out.emplace_back(std::move(memory), buffer.bytes);
    }
    if (buffer.use == BufferUse::out) {
        std::ranges::fill(to, std::byte{0});
    } else if (buffer.from.view().data() != to.data()) {
        std::ranges::copy(buffer.from.view(), to.data());
    }
    return to;
}

/// @return the values of the kernel's constants that were compiled in.
std::vector<ConstantSetting> settings_of(const Kernel& kernel, const Interface& compiled) {
    std::vector<ConstantSetting> settings;
    for (const Constant& constant : compiled.constants) {
        const auto& named = kernel.interface().constants.at(constant.id);
        ConstantSetting& setting = settings.emplace_back();
        setting.name = named.name;
        setting.type = named.type;
        setting.bits = constant.bits;
    }
    return settings;
}

}  // namespace

class KernelExecutor::Impl {
  public:
    explicit Impl(std::uint32_t threads) : threads_max_(std::max(threads, 1U)) {}

    [[nodiscard]] std::uint32_t threads_max() const noexcept { return threads_max_; }
    [[nodiscard]] Result<KernelPtr> check(const Task& task);
    void start(const AttemptId& id, const Task& task, AttemptSink& sink);
    void cancel(const AttemptId& id, CancelReason reason);
    void shutdown();
    [[nodiscard]] bool on_own_thread();

  private:
    using Lock = std::unique_lock<std::mutex>;
    using Runs = std::list<Run>;

    [[nodiscard]] Result<void> prepare(Run& run, const Task& task);
    [[nodiscard]] std::uint64_t slice_of(const Run& run) const noexcept;
    void work();
    void take_slice(Lock& lock, Runs::iterator run);
    void end(Lock& lock, Runs::iterator run);
    static void tell(Run& run);

    const std::uint32_t threads_max_;
    Kernels kernels_;
    std::mutex mutex_;  ///< guards what follows
    Runs runs_;
    std::condition_variable wake_;
    std::vector<std::thread> threads_;
    bool closed_ = false;
    Deadlines deadlines_{[this](const AttemptId& id) { cancel(id, CancelReason::timed_out); }};
};

Result<KernelPtr> KernelExecutor::Impl::check(const Task& task) {
    const std::optional<Dispatch>& dispatch = task.extras().dispatch;
    if (!dispatch || !dispatch->kernel) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          "only kernels that are written in C++ run so"));
    }
    Result<KernelPtr> compiled =
        kernels_.get(dispatch->shader, dispatch->entry, dispatch->constants);
    if (!compiled) {
        return compiled;
    }
    if (Result<void> fits = check_arguments((*compiled)->interface, *dispatch); !fits) {
        return fail(fits.error());
    }
    return compiled;
}

Result<void> KernelExecutor::Impl::prepare(Run& run, const Task& task) {
    const Result<KernelPtr> compiled = check(task);
    if (!compiled) {
        return fail(compiled.error());
    }
    const Dispatch& dispatch = *task.extras().dispatch;
    run.kernel = *dispatch.kernel;
    run.priority = task.priority();
    run.what.workgroups = dispatch.workgroups;
    run.what.push_constants = dispatch.push;
    run.what.constants = settings_of(run.kernel, (*compiled)->interface);
    run.what.stop = run.stop.get_token();
    for (const BufferArgument& buffer : dispatch.buffers) {
        run.what.buffers.push_back(host_buffer(buffer, run.out));
    }
    const auto [x, y, z] = dispatch.workgroups;
    if (__builtin_mul_overflow(std::uint64_t{x} * y, z, &run.all)) {
        return fail(Error(Domain::gpu, Code::too_large, Fault::user,
                          "the task has more workgroups than can be counted: make them fewer"));
    }
    return {};
}

void KernelExecutor::Impl::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    Runs one(1);
    Run& run = one.front();
    run.attempt = id;
    run.sink = &sink;
    Result<void> prepared;
    try {
        prepared = prepare(run, task);
    } catch (const std::bad_alloc&) { prepared = out_of_memory(); }
    if (!prepared) {
        run.error = prepared.error();
    }
    if (!prepared || run.all == 0) {
        return tell(run);
    }
    Lock lock(mutex_);
    if (closed_) {
        lock.unlock();
        run.cut_short = End::cancelled;
        return tell(run);
    }
    while (threads_.size() < threads_max_) {
        threads_.emplace_back([this] { work(); });
    }
    if (task.timeout().count() > 0) {
        run.deadline = deadlines_.add(base::later(run.since, task.timeout()), id);
    }
    runs_.splice(runs_.end(), one);
    wake_.notify_all();
}

std::uint64_t KernelExecutor::Impl::slice_of(const Run& run) const noexcept {
    if (run.each.count() == 0) {
        return 1;
    }
    constexpr std::uint64_t rounds = 4;
    const std::uint64_t guided = (run.all - run.next) / (rounds * threads_max_);
    const auto in_time = static_cast<std::uint64_t>(slice_time / run.each);
    return std::max<std::uint64_t>(std::min(guided, in_time), 1);
}

void KernelExecutor::Impl::work() {
    Lock lock(mutex_);
    while (true) {
        auto best = runs_.end();
        for (auto run = runs_.begin(); run != runs_.end(); ++run) {
            if (run->next < run->all && (best == runs_.end() || run->priority < best->priority)) {
                best = run;
            }
        }
        if (best != runs_.end()) {
            take_slice(lock, best);
        } else if (closed_) {
            return;
        } else {
            wake_.wait(lock);
        }
    }
}

void KernelExecutor::Impl::take_slice(Lock& lock, Runs::iterator run) {
    CpuRun slice = run->what;
    slice.first = run->next;
    slice.count = slice_of(*run);
    run->next += slice.count;
    ++run->at_it;
    lock.unlock();
    const base::BootTime began = base::now();
    Result<void> done;
    try {
        done = run_on_cpu(run->kernel, slice);
    } catch (const std::bad_alloc&) { done = out_of_memory(); }
    const base::BootTime took = base::now() - began;
    lock.lock();
    run->each = std::max(took / static_cast<std::int64_t>(slice.count), base::BootTime(1));
    if (!done && !run->error && !run->cut_short) {
        run->error = done.error();
        run->end_early();
    }
    if (--run->at_it == 0 && run->next == run->all) {
        end(lock, run);
    }
}

void KernelExecutor::Impl::end(Lock& lock, Runs::iterator run) {
    Runs ended;
    ended.splice(ended.end(), runs_, run);
    if (run->deadline) {
        deadlines_.remove(*run->deadline);
    }
    lock.unlock();
    tell(*run);
    lock.lock();
}

void KernelExecutor::Impl::tell(Run& run) {
    AttemptResult result;
    result.attempt.started = run.started;
    result.attempt.wall = base::now() - run.since;
    result.attempt.where = "CPUs of this machine";
    if (run.cut_short) {
        result.attempt.ending = {*run.cut_short, 0};
    } else if (run.error) {
        result.attempt.ending = {End::not_started, 0};
        result.attempt.error = std::move(run.error);
    } else {
        result.attempt.ending = {End::exited, 0};
        result.buffers = std::move(run.out);
    }
    run.sink->finished(run.attempt, std::move(result));
}

void KernelExecutor::Impl::cancel(const AttemptId& id, CancelReason reason) {
    Lock lock(mutex_);
    const auto run = std::ranges::find(runs_, id, &Run::attempt);
    if (run == runs_.end() || run->cut_short) {
        return;
    }
    run->cut_short = reason == CancelReason::cancelled ? End::cancelled : End::timed_out;
    run->end_early();
    if (run->deadline) {
        deadlines_.remove(*std::exchange(run->deadline, std::nullopt));
    }
    if (run->at_it == 0) {
        end(lock, run);
    }
}

void KernelExecutor::Impl::shutdown() {
    Lock lock(mutex_);
    closed_ = true;
    for (Run& run : runs_) {
        run.cut_short = run.cut_short.value_or(End::cancelled);
        run.end_early();
    }
    const auto idle = [this] { return std::ranges::find(runs_, 0U, &Run::at_it); };
    for (auto run = idle(); run != runs_.end(); run = idle()) {
        end(lock, run);
    }
    wake_.notify_all();
    std::vector<std::thread> threads = std::exchange(threads_, {});
    lock.unlock();
    for (std::thread& thread : threads) {
        thread.join();
    }
    deadlines_.stop();
}

bool KernelExecutor::Impl::on_own_thread() {
    const Lock lock(mutex_);
    const auto me = std::this_thread::get_id();
    return std::ranges::find(threads_, me, &std::thread::get_id) != threads_.end();
}

KernelExecutor::KernelExecutor(std::uint32_t threads) : impl_(std::make_unique<Impl>(threads)) {}

KernelExecutor::~KernelExecutor() { impl_->shutdown(); }

Capabilities KernelExecutor::capabilities() const {
    Capabilities can;
    can.backend = Backend::cpu;
    can.slots = impl_->threads_max();
    can.description = std::to_string(can.slots) + " threads for kernels";
    return can;
}

Result<void> KernelExecutor::accepts(const Task& task) const {
    const Result<KernelPtr> compiled = impl_->check(task);
    return compiled ? Result<void>() : fail(compiled.error());
}

void KernelExecutor::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    impl_->start(id, task, sink);
}

void KernelExecutor::cancel(const AttemptId& id, CancelReason reason, bool /*force*/) {
    impl_->cancel(id, reason);
}

void KernelExecutor::shutdown() { impl_->shutdown(); }

bool KernelExecutor::on_own_thread() const noexcept { return impl_->on_own_thread(); }

}  // namespace repartir::gpu
