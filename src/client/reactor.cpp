// SPDX-License-Identifier: MIT
// The links to workers; tasks.cpp has which of them runs what.
#include "client/reactor.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/retry.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"

namespace repartir::client {
namespace {

constexpr base::BootTime never = base::BootTime::max();

/// How often it is looked whether a worker that has two addresses is lost at the one in use.
constexpr base::BootTime twin_pause = std::chrono::seconds(1);

/// @return whether a number that changes all the time has changed so that it matters.
bool differs(std::int64_t now, std::int64_t told) {
    return (now == 0) != (told == 0) || std::abs(now - told) > told / 8;
}

}  // namespace

base::BootTime heartbeat_for(std::size_t workers, base::BootTime wanted) noexcept {
    constexpr base::BootTime most = std::chrono::seconds(5);
    constexpr std::int64_t few = 500;
    const auto many = static_cast<std::int64_t>(std::min<std::size_t>(workers, 10 * few));
    return many <= few || wanted >= most ? wanted : std::min(wanted * many / few, most);
}

Reactor::Reactor(Options options) : options_(std::move(options)), random_(options_.seed) {
    for (WorkerId id = 0; id < options_.workers.size(); ++id) {
        workers_.emplace_back(options_);
        timers_.emplace(workers_.back().wake, id);
    }
    shaders_ = function_number(wire::shader_function);
}

/// Brings a worker's place among the timers up to date.
void Reactor::set_timer(WorkerId id, Worker& worker) {
    base::BootTime wake = never;
    switch (worker.link) {
        case Link::down:
            wake = worker.here.empty() ? worker.due : std::min(worker.due, worker.lost_at);
            break;
        case Link::dialling:
            wake = worker.here.empty() ? never : worker.lost_at;
            break;
        case Link::greeting:
            wake = worker.here.empty() ? worker.due : std::min(worker.due, worker.lost_at);
            break;
        case Link::up:
            wake = std::min(worker.detector.next(), worker.next_beat);
            if (worker.quarantine.ask(now_) == core::Standing::quarantined) {
                wake = std::min(wake, worker.quarantine.until());
            }
            break;
    }
    if (wake != worker.wake) {  // most often it is the next heartbeat still
        timers_.erase({worker.wake, id});
        worker.wake = wake;
        timers_.emplace(wake, id);
    }
}

/// Tells of the slots that rank() summed up, and keeps since when no worker is up.
void Reactor::count_slots(Outbox& out) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    const Capacity now{static_cast<std::uint32_t>(std::min(slots_sum_, most)),
                       static_cast<std::uint32_t>(std::min(window_sum_, most)),
                       static_cast<std::uint32_t>(std::min(busy_sum_, most)),
                       largest_,
                       round_trip_,
                       rate_,
                       with_gpus_ != 0};
    if (up_ != 0) {
        out_of_reach_ = give_up_at_ = never;
    } else if (out_of_reach_ == never) {
        out_of_reach_ = now_;
        give_up_at_ = now_ + options_.reach;
    }
    // (the largest changes with the sum: each time it is about one worker)
    if (now.slots != told_.slots || now.gpus != told_.gpus || differs(now.window, told_.window) ||
        differs(now.busy, told_.busy) ||
        differs(now.round_trip.count(), told_.round_trip.count()) ||
        differs(static_cast<std::int64_t>(now.bytes_per_second),
                static_cast<std::int64_t>(told_.bytes_per_second))) {
        told_ = now;
        out.emplace_back(now);
    }
}

void Reactor::connected(WorkerId id, base::BootTime now, Outbox& out) {
    now_ = now;
    Worker& worker = workers_[id];
    worker.link = Link::greeting;
    worker.taken = true;
    worker.due = now + options_.greeting;
    worker.beat_at = now;
    wire::Hello hello;
    hello.capabilities = options_.compression ? wire::capability_lz4 : 0;
    hello.session = options_.session;
    hello.instance = options_.session;
    hello.epoch = options_.epoch;
    hello.heartbeat = std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat);
    hello.time_to_live = options_.time_to_live;
    worker.throughput = core::Throughput();
    worker.output = core::Grantor(options_.output_bytes_max);
    hello.output_credit = worker.output.due();
    hello.name = options_.name;
    send(id, wire::MessageType::hello, hello, out);
    set_timer(id, worker);
}

/// The connection is no more; what the worker has may still be there when it comes back.
void Reactor::drop_link(WorkerId id, Worker& worker, std::string_view why, Outbox& out) {
    if (worker.link == Link::up) {
        worker.lost_at = now_ + options_.reattach;
        worker.failures = 0;
        waiting_.reopen();  // what only it could have run is stranded now
    }
    ++worker.failures;
    worker.link = Link::down;
    worker.why = why;
    worker.reclaiming = worker.in_vain = worker.ask_all = false;
    settle_unwanted(worker);
    end_cancelled(worker, out);
    worker.seen.clear();
    worker.seen_bytes = 0;
    worker.due = now_ + core::backoff_delay(options_.reconnect, worker.failures, random_);
    rank(id, worker);
    count_slots(out);
    set_timer(id, worker);
}

void Reactor::disconnected(WorkerId id, std::string_view why, base::BootTime now, Outbox& out) {
    now_ = now;
    drop_link(id, workers_[id], why, out);
}

void Reactor::hang_up(WorkerId id, Worker& worker, std::string_view why, Outbox& out) {
    send(id, wire::MessageType::goodbye, wire::Goodbye{wire::Parting::failed, why}, out);
    out.emplace_back(Close{id});
    drop_link(id, worker, why, out);
}

void Reactor::received(WorkerId id, const wire::Message& message, base::BootTime now, Outbox& out) {
    now_ = now;
    Worker& worker = workers_[id];
    if (worker.link == Link::greeting) {
        welcome(id, worker, message, out);
    } else if (worker.link == Link::up) {
        const bool suspected = worker.detector.ask(now) == core::Health::suspected;
        worker.detector.heard(now);
        if (suspected) {
            rank(id, worker);
        }
        dispatch(id, worker, message, out);
        if (suspected) {
            place(out);
        }
    }
}

void Reactor::welcome(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    if (message.type == wire::MessageType::goodbye) {
        const auto goodbye = wire::decode<wire::Goodbye>(message.type, message.body);
        out.emplace_back(Close{id});
        drop_link(id, worker, goodbye ? goodbye->reason : "it said goodbye", out);
        return;
    }
    if (message.type != wire::MessageType::welcome) {
        hang_up(id, worker, "the answer to hello must be welcome", out);
        return;
    }
    const auto welcome = wire::decode<wire::Welcome>(message.type, message.body);
    if (!welcome || welcome->version < wire::version_min || welcome->version > wire::version_max ||
        welcome->role != wire::Role::worker) {
        hang_up(id, worker, "its welcome cannot be read: use the same version on both sides", out);
        return;
    }
    worker.twin = twin_of(id, welcome->instance);
    if (worker.twin) {
        hang_up(id, worker, "it is the worker at " + options_.workers[*worker.twin] + " too", out);
        worker.instance = welcome->instance;
        worker.due = now_ + twin_pause;
        set_timer(id, worker);
        end_hopeless(out);  // it is not one that may come and have what the others lack
        place(out);
        return;
    }
    // A process that was started anew may know the session too: from a connection that broke before
    // its welcome came, or from another address. It has nothing of what that worker had.
    const bool same = welcome->session_known && worker.incarnation == welcome->incarnation;
    worker.link = Link::up;
    worker.failures = 0;
    worker.welcomed = true;
    worker.draining = false;
    worker.instance = welcome->instance;
    worker.incarnation = welcome->incarnation;
    worker.site.backend = Backend::cpu;  // whether it may leave this machine was decided before
    worker.site.slots = worker.site.free_slots = welcome->slots;
    worker.site.memory_bytes = worker.site.free_memory_bytes = welcome->memory_bytes;
    worker.site.cgroup_limits = true;  // it refuses what it cannot hold
    learn_functions(worker, welcome->functions);
    worker.tasks = core::Allowance(welcome->task_credit);
    worker.input = core::Allowance(welcome->input_credit);
    worker.prefetch = core::Prefetch(welcome->slots, options_.tasks_max);
    worker.heartbeat = wire::bounded(welcome->heartbeat, wire::heartbeat_min, wire::heartbeat_max);
    worker.detector = core::Detector({worker.heartbeat, 30 * worker.heartbeat}, now_);
    worker.beat = worker.heard = 0;
    answered(worker, now_ - worker.beat_at);
    worker.others_permille = worker.queued = worker.busy = 0;
    worker.next_beat = now_ + worker.heartbeat;
    out.emplace_back(
        Admit{id, welcome->version, (welcome->capabilities & wire::capability_lz4) != 0});
    worker.reconciling = welcome->session_known;
    settle_in(id, worker, same, out);
}

/// @return whether this is how that worker is reached: it was welcomed, and if it is away now it
/// has not failed to come back, or may do so still for what it has.
bool Reactor::serves(const Worker& worker, const wire::Instance& instance) const {
    constexpr std::uint32_t failures_max = 3;
    return worker.welcomed && worker.instance == instance &&
           (worker.failures < failures_max || !worker.here.empty());
}

/// A worker has one connection for us: a second one, at another address of the same worker, would
/// take the place of the first, and that the place of the second again.
std::optional<WorkerId> Reactor::twin_of(WorkerId id, const wire::Instance& instance) const {
    for (WorkerId other = 0; other < workers_.size(); ++other) {
        if (other != id && serves(workers_[other], instance)) {
            return other;
        }
    }
    return std::nullopt;
}

/// After a welcome: what the worker still has goes on, what it does not have is lost.
void Reactor::settle_in(WorkerId id, Worker& worker, bool same, Outbox& out) {
    if (same) {
        ++stats_.reattached;
    } else {
        lose(id, worker, out);
    }
    worker.why.clear();
    rank(id, worker);
    set_timer(id, worker);
    unstrand(worker);
    end_hopeless(out);
    place(out);
}

void Reactor::dispatch(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    switch (message.type) {
        case wire::MessageType::task_accepted:
            if (worker.reconciling) {
                reconcile(id, worker, message, out);
            }
            return;
        case wire::MessageType::task_result:
            result(id, worker, message, out);
            return;
        case wire::MessageType::task_output:
            output(id, worker, message, out);
            return;
        case wire::MessageType::task_reclaimed:
            reclaimed(id, worker, message, out);
            return;
        case wire::MessageType::error:
            refused(id, worker, message, out);
            return;
        case wire::MessageType::heartbeat:
            heartbeat(id, worker, message);
            return;
        case wire::MessageType::credit:
            if (const auto more = wire::decode<wire::Credit>(message.type, message.body)) {
                worker.tasks.grant(more->tasks);
                worker.input.grant(more->input_bytes);
                rank(id, worker);
                gained_.push_back(id);
                place(out);
            }
            return;
        case wire::MessageType::drain:
            worker.draining = true;
            acknowledge(id, worker, out);
            rank(id, worker);
            count_slots(out);
            return;
        case wire::MessageType::goodbye: {
            const auto goodbye = wire::decode<wire::Goodbye>(message.type, message.body);
            out.emplace_back(Close{id});
            drop_link(id, worker, goodbye ? goodbye->reason : "it said goodbye", out);
            return;
        }
        default:
            hang_up(id, worker,
                    "a client takes no such message: use the same version on both sides", out);
    }
}

void Reactor::heartbeat(WorkerId id, Worker& worker, const wire::Message& message) {
    const auto beat = wire::decode<wire::Heartbeat>(message.type, message.body);
    if (!beat) {
        return;
    }
    worker.heard = beat->sequence;
    worker.heard_at = now_;
    const std::uint32_t queued_before = std::exchange(worker.queued, beat->queued);
    if (worker.queued != 0 && std::exchange(worker.in_vain, false)) {
        worker.ask_all = to_hand_out_ = true;
        rank(id, worker);
    }
    if (hear_load(worker, *beat) || queued_before != worker.queued) {
        rank(id, worker);
        to_hand_out_ = true;
    }
    if (beat->echo == worker.beat && beat->echo != 0) {
        const base::BootTime since = now_ - worker.beat_at;
        const base::BootTime held = wire::bounded(beat->echo_age, base::BootTime(0), since);
        answered(worker, since - held);
    }
}

/// A worker answered at once what we had sent so long ago.
void Reactor::answered(Worker& worker, base::BootTime trip) {
    const base::BootTime counted = std::min(trip, worker.heartbeat);
    worker.prefetch.round_trip(counted);
    round_trip_ = round_trip_.count() == 0 ? counted : (7 * round_trip_ + counted) / 8;
}

void Reactor::beat(WorkerId id, Worker& worker, Outbox& out) {
    acknowledge(id, worker, out);
    wire::Heartbeat beat;
    beat.sequence = ++worker.beat;
    beat.echo = worker.heard;
    beat.echo_age = worker.heard == 0 ? base::BootTime(0) : now_ - worker.heard_at;
    beat.running = static_cast<std::uint32_t>(worker.here.size());
    beat.queued = static_cast<std::uint32_t>(waiting_.size());
    send(id, wire::MessageType::heartbeat, beat, out);
    worker.beat_at = now_;
    worker.next_beat = now_ + worker.heartbeat;
}

/// What is due of one worker.
void Reactor::wake_worker(WorkerId id, Worker& worker, Outbox& out) {
    if (worker.link != Link::up && now_ >= worker.lost_at) {
        lose(id, worker, out);
    }
    if (worker.link == Link::down) {
        if (worker.twin && serves(workers_[*worker.twin], worker.instance)) {
            worker.due = now_ + twin_pause;
        } else {
            worker.link = Link::dialling;
            worker.dialled_at = now_;
            worker.taken = false;
            out.emplace_back(Dial{id});
        }
    } else if (worker.link == Link::greeting && now_ >= worker.due) {
        hang_up(id, worker, silence(worker, now_), out);
    } else if (worker.link == Link::up && worker.detector.ask(now_) == core::Health::dead) {
        hang_up(id, worker, "it was not heard of for too long", out);
    } else if (worker.link == Link::up) {
        if (now_ >= worker.next_beat) {
            beat(id, worker, out);
        }
        rank(id, worker);  // suspicion and quarantine begin and end with time
    }
    set_timer(id, worker);
}

void Reactor::tick(base::BootTime now, Outbox& out) {
    now_ = now;
    count_slots(out);
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const WorkerId id = timers_.begin()->second;
        Worker& worker = workers_[id];
        wake_worker(id, worker, out);
        if (worker.wake <= now) {  // whatever it was, it is done
            timers_.erase({worker.wake, id});
            worker.wake = now + base::BootTime(1);
            timers_.emplace(worker.wake, id);
        }
    }
    give_up_waiting(out);
    place(out);
}

base::BootTime Reactor::next() const {
    base::BootTime first = timers_.empty() ? never : timers_.begin()->first;
    if (!stranded_.empty()) {
        first = std::min(first, stranded_.begin()->first.first + options_.reach);
    }
    return std::min(first, give_up_at_);
}

void Reactor::flush(WorkerId id, Outbox& out) {
    // A worker keeps a result until it is acknowledged, and does not give its place to another task
    // before: a few small ones do no harm there.
    constexpr std::size_t results = 32;
    constexpr std::size_t bytes = 16'384;
    Worker& worker = workers_[id];
    if (worker.draining || worker.seen.size() >= results || worker.seen_bytes >= bytes ||
        worker.seen.size() >= worker.tasks.left() || worker.output.is_due()) {
        acknowledge(id, worker, out);
    }
}

/// Tells a worker which results came, and grants it credit.
void Reactor::acknowledge(WorkerId id, Worker& worker, Outbox& out) {
    if (worker.link != Link::up) {
        return;
    }
    const std::uint64_t more = worker.output.due();
    if (more == 0 && worker.seen.empty()) {
        return;
    }
    std::string list;
    wire::Credit credit;
    credit.output_bytes = more;
    credit.results = codec::list_of(std::span<const std::uint64_t>(worker.seen), list);
    send(id, wire::MessageType::credit, credit, out);
    worker.seen.clear();
    worker.seen_bytes = 0;
}

void Reactor::leave(Outbox& out) {
    for (WorkerId id = 0; id < workers_.size(); ++id) {
        if (workers_[id].link == Link::up) {
            send(id, wire::MessageType::goodbye, wire::Goodbye{wire::Parting::done, "done"}, out);
            out.emplace_back(Close{id});
        }
    }
}

}  // namespace repartir::client
