// SPDX-License-Identifier: MIT
#include "exec/cpu/lane.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "base/clock.hpp"

namespace repartir::exec {

namespace {

constexpr std::chrono::microseconds awake_when_idle{100};
constexpr std::chrono::milliseconds second_try_after{5};
constexpr std::uint32_t tries_alone_max = 10;

/// Binds this thread to a CPU. What a cpuset forbids meanwhile is left undone: it is for speed
/// only.
void pin_to(std::uint32_t cpu) noexcept {
    ::cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

}  // namespace

Result<std::unique_ptr<Lane>> Lane::create(Host& host, LaneOptions options) {
    auto loop = loop::Loop::create();
    if (!loop) {
        return fail(loop.error());
    }
    proc::SpawnerOptions spawner_options;
    spawner_options.children_affinity = options.children_affinity;
    auto spawner = proc::Spawner::create(std::move(spawner_options));
    if (!spawner) {
        return fail(spawner.error());
    }
    std::unique_ptr<Lane> lane(
        new Lane(host, std::move(options), std::move(*loop), std::move(*spawner)));
    try {
        lane->thread_ = std::thread([raw = lane.get()] { raw->run_thread(); });
    } catch (const std::system_error& error) {
        return fail(Error(Domain::process, Code::out_of_resources, Fault::system,
                          std::string("cannot start a spawner thread: ") + error.what()));
    }
    lane->thread_id_.store(lane->thread_.get_id());
    return lane;
}

Lane::Lane(Host& host, LaneOptions options, std::unique_ptr<loop::Loop> loop,
           std::unique_ptr<proc::Spawner> spawner)
    : host_(host),
      options_(std::move(options)),
      loop_(std::move(loop)),
      spawner_(std::move(spawner)),
      spawning_(*spawner_, host_.spawn_watch),
      launch_(host_),
      buffer_(std::make_unique<std::array<std::byte, read_bytes>>()),
      context_{host_, *loop_, *spawner_, spawning_, launch_, high_water_, *buffer_} {}

Lane::~Lane() {
    stop();
    join();
}

bool Lane::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            return false;
        }
        starts_.push_back({id, &task, &sink, 0});
        here_.push_back(id);
        // ORDER: relaxed: a hint for choosing a lane, nothing is read through it.
        load_.fetch_add(task.cores(), std::memory_order_relaxed);
    }
    call();
    return true;
}

void Lane::call() noexcept {
    if (!on_this_thread()) {  // the thread itself looks for orders before it sleeps
        // ORDER: relaxed: see stay_awake().
        called_.store(true, std::memory_order_relaxed);
        loop_->wake();
    }
}

bool Lane::cancel(const AttemptId& id, CancelReason reason, bool force) {
    {
        const std::scoped_lock lock(mutex_);
        if (std::ranges::find(here_, id) == here_.end()) {
            return false;
        }
        cancels_.push_back({id, reason, force});
        reason = std::ranges::find(cancels_, id, &CancelOrder::id)->reason;  // the first counts
    }
    spawning_.call_off(id, reason);  // the lane may wait in there and would not see the order
    call();
    return true;
}

void Lane::hold_output(const AttemptId& id) noexcept {
    if (Run* const run = active(id)) {
        run->hold_output();
    }
}

void Lane::release_output(const AttemptId& id) {
    {
        const std::scoped_lock lock(mutex_);
        if (std::ranges::find(here_, id) == here_.end()) {
            return;
        }
        releases_.push_back(id);
    }
    call();
}

void Lane::stop() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    call();
    spawning_.close();
}

void Lane::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::int64_t Lane::free_slots() const noexcept {
    // ORDER: relaxed: see start().
    return std::int64_t{options_.slots} - load_.load(std::memory_order_relaxed);
}

bool Lane::on_this_thread() const noexcept {
    // ORDER: relaxed: only the thread itself finds its own id here.
    return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void Lane::run_thread() noexcept {
    thread_id_.store(std::this_thread::get_id());
    proc::block_signals_in_this_thread();
    const std::string name = "repartir-cpu" + std::to_string(options_.index);
    (void)::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
    if (options_.cpu) {
        pin_to(*options_.cpu);
    }
    while (take_orders()) {
        stay_awake();
        loop_->run_once(base::never);
    }
    loop_->cancel(second_try_);
    idle_.clear();  // here, because runs use the loop
}

/// A lane that has just become idle looks for the next order for a moment before it sleeps: who
/// submits one task after the other then pays no wake-up of a sleeping CPU. Gives way to any thread
/// that wants this CPU.
void Lane::stay_awake() const noexcept {
    if (!active_.empty()) {
        return;
    }
    const base::BootTime until = base::now() + awake_when_idle;
    // ORDER: relaxed: a hint; take_orders() looks under the lock.
    while (!called_.load(std::memory_order_relaxed) && base::now() < until) {
        ::sched_yield();
    }
}

/// @return whether there is more to do.
bool Lane::take_orders() noexcept {
    // ORDER: relaxed: see stay_awake().
    called_.store(false, std::memory_order_relaxed);
    {
        const std::scoped_lock lock(mutex_);
        starting_.swap(starts_);
        releasing_.swap(releases_);
        if (stopping_ && starting_.empty() && active_.empty() && parked_.empty()) {
            closed_ = true;
            return false;
        }
    }
    for (const StartOrder& order : starting_) {
        begin(order);
    }
    starting_.clear();
    const bool stopping = take_cancels();
    for (const CancelOrder& order : cancelling_) {
        apply(order);
    }
    cancelling_.clear();
    for (const AttemptId& id : releasing_) {
        if (Run* const run = active(id)) {
            run->release_output();
        }
    }
    releasing_.clear();
    if (stopping) {
        cancel_all();
    }
    const std::scoped_lock lock(mutex_);
    if (!starts_.empty() || (stopping_ && active_.empty())) {
        loop_->wake();  // a sink started something, or nothing is left that could wake us
    }
    return true;
}

/// Takes the requests that can be applied now: after the starts, because one that was aborted in
/// the middle must not be seen to end by a signal before its cancellation is known; without those
/// whose start came in meanwhile. @return whether the lane is to stop.
bool Lane::take_cancels() noexcept {
    const std::scoped_lock lock(mutex_);
    std::erase_if(cancels_, [this](const CancelOrder& order) {
        if (std::ranges::find(starts_, order.id, &StartOrder::id) != starts_.end()) {
            return false;
        }
        cancelling_.push_back(order);
        return true;
    });
    return stopping_;
}

void Lane::begin(const StartOrder& order) noexcept {
    const std::chrono::milliseconds timeout = order.task->timeout();
    const base::BootTime deadline =
        timeout.count() > 0 ? base::later(base::now(), timeout) : base::never;
    if (!spawning_.begin(order.id, deadline)) {
        refuse(order, CancelReason::cancelled);
        return;
    }
    if (idle_.empty()) {
        RunObserver& observer = *this;
        idle_.push_back(std::make_unique<Run>(context_, observer));
    }
    active_.push_back({std::move(idle_.back()), order});
    idle_.pop_back();
    call_off_if_cancelled(order.id);
    const std::size_t before = active_.size();
    active_.back().run->start(order.id, *order.task, *order.sink);
    spawning_.end();
    if (active_.size() == before) {  // it has no result yet
        active_.back().counted = true;
        host_.running.fetch_add(1);
    }
}

/// A cancellation that came before the start began could not call it off.
void Lane::call_off_if_cancelled(const AttemptId& id) noexcept {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(cancels_, id, &CancelOrder::id);
    if (found != cancels_.end()) {
        spawning_.call_off(id, found->reason);
    }
}

void Lane::refuse(const StartOrder& order, CancelReason reason) noexcept {
    AttemptResult refused;
    refused.attempt.ending = {reason == CancelReason::timed_out ? End::timed_out : End::cancelled,
                              0};
    refused.attempt.started = std::chrono::system_clock::now();
    refused.attempt.where = host_.where;
    tell(order.id, *order.sink, order.task->cores(), std::move(refused));
}

void Lane::begin_parked() noexcept {
    std::vector<StartOrder> parked;
    parked.swap(parked_);
    for (const StartOrder& order : parked) {
        begin(order);
    }
}

void Lane::apply(const CancelOrder& order) noexcept {
    const auto parked = std::ranges::find(parked_, order.id, &StartOrder::id);
    if (parked != parked_.end()) {
        const StartOrder waiting = *parked;
        parked_.erase(parked);
        refuse(waiting, order.reason);
        return;
    }
    if (Run* const run = active(order.id)) {
        run->cancel(order.reason, order.force);
    }
}

/// @return the run of an attempt that has begun and not ended, or nullptr.
Run* Lane::active(const AttemptId& id) noexcept {
    const auto found =
        std::ranges::find_if(active_, [&](const Active& active) { return active.run->id() == id; });
    return found != active_.end() ? found->run.get() : nullptr;
}

void Lane::cancel_all() noexcept {
    std::vector<StartOrder> parked;
    parked.swap(parked_);
    for (const StartOrder& order : parked) {
        refuse(order, CancelReason::cancelled);
    }
    for (const Active& active : active_) {
        active.run->cancel(CancelReason::cancelled, true);
    }
}

void Lane::on_result(Run& run, AttemptResult&& result) noexcept {
    const AttemptId id = run.id();
    AttemptSink& sink = run.sink();
    const auto found = std::ranges::find_if(
        active_, [&](const Active& active) { return active.run.get() == &run; });
    StartOrder order = found->order;
    if (found->counted) {
        host_.running.fetch_sub(1);
    }
    idle_.push_back(std::move(found->run));
    if (found != active_.end() - 1) {
        *found = std::move(active_.back());
    }
    active_.pop_back();
    const std::optional<Error>& why = result.attempt.error;
    const bool short_of = result.attempt.ending.end == End::not_started && why &&
                          why->code() == Code::out_of_resources &&
                          result.attempt.containment == Containment::none;
    // What runs of ours will give back what this one needs; what another lane was starting too.
    if (short_of && (host_.running.load() > 0 || order.tries_alone++ < tries_alone_max)) {
        parked_.push_back(order);
        loop_->set(second_try_, base::now() + second_try_after);
        return;
    }
    tell(id, sink, order.task->cores(), std::move(result));
}

void Lane::tell(const AttemptId& id, AttemptSink& sink, std::uint32_t cores,
                AttemptResult&& result) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        const auto found = std::ranges::find(here_, id);
        if (found != here_.end()) {
            *found = here_.back();
            here_.pop_back();
        }
    }
    // ORDER: relaxed: see start().
    load_.fetch_sub(cores, std::memory_order_relaxed);
    sink.finished(id, std::move(result));
}

}  // namespace repartir::exec
