// SPDX-License-Identifier: MIT
// Which worker gets which attempt; reclaim.cpp has how it gives some back.
#include <algorithm>
#include <span>
#include <utility>

#include "client/reactor.hpp"
#include "core/turns.hpp"
#include "wire/limits.hpp"
#include "wire/task.hpp"

namespace repartir::client {
namespace {

Error too_large(std::size_t bytes) {
    return Error(Domain::wire, Code::too_large, Fault::user,
                 "with its arguments and input it takes " + std::to_string(bytes) + " bytes, and " +
                     std::to_string(wire::task_bytes_max) +
                     " are the most that are sent to a worker: have it read a file that the worker "
                     "can reach");
}

}  // namespace

/// Brings what is counted of a worker up to date.
void Reactor::count(Worker& worker) {
    const bool up = worker.link == Link::up;
    const bool counts = worker.welcomed && !worker.draining && (up || !worker.here.empty());
    const std::uint32_t slots = counts ? worker.site.slots : 0;
    slots_sum_ = slots_sum_ - worker.counted_slots + slots;
    if (worker.counted_slots != slots) {
        worker.counted_slots = slots;
        largest_ = std::ranges::max_element(workers_, {}, &Worker::counted_slots)->counted_slots;
    }
    const std::uint32_t window = counts ? std::max(worker.prefetch.tasks(), slots) : 0;
    window_sum_ = window_sum_ - worker.counted_window + window;
    worker.counted_window = window;
    const std::uint32_t busy = counts && up ? worker.busy : 0;
    busy_sum_ = busy_sum_ - worker.counted_busy + busy;
    worker.counted_busy = busy;
    up_ = up_ - (worker.counted_up ? 1 : 0) + (up ? 1 : 0);
    worker.counted_up = up;
    const bool gpus = counts && worker.has.size() > shaders_ && worker.has[shaders_];
    with_gpus_ = with_gpus_ - (worker.counted_gpus ? 1 : 0) + (gpus ? 1 : 0);
    worker.counted_gpus = gpus;
}

/// Works out how many of a worker's slots are in use, and how many of those not by what we sent: at
/// least, since a task of ours that is on its way there or back counts as ours. It is taken to run
/// the oldest first. @return whether that has changed
bool Reactor::hear_load(Worker& worker, const wire::Heartbeat& beat) {
    const std::uint64_t slots = std::max(worker.site.slots, 1U);
    std::uint64_t ours = 0;
    std::uint64_t programs = 0;  // of these
    const auto all_here = worker.here.all();
    const std::size_t queued = std::min<std::size_t>(beat.queued, all_here.size());
    for (const auto& [lease, entry] : all_here.first(all_here.size() - queued)) {
        if (ours >= slots) {
            break;
        }
        const Order& order = entry->second.order;
        ours += order.demand.cores;
        programs += order.function == 0 ? order.demand.cores : 0;
    }
    const std::uint64_t all = std::min(beat.load_permille, 1000U);
    const std::uint64_t own = 1000 * std::min(ours, slots) / slots;
    const auto others = static_cast<std::uint32_t>(all - std::min(all, own));
    const std::uint64_t in_use = all * worker.site.slots / 1000;
    const auto busy = static_cast<std::uint32_t>(in_use - std::min(in_use, programs));
    const bool same = others == worker.others_permille && busy == worker.busy;
    worker.others_permille = others;
    worker.busy = busy;
    return !same;
}

/// @return how loaded a worker is when it has so many tasks of ours.
std::uint64_t Reactor::load_of(const Worker& worker, std::size_t tasks) {
    return (std::uint64_t{tasks} << 20U) / std::max(worker.site.slots, 1U) +
           (std::uint64_t{worker.others_permille} << 20U) / 1000;
}

/// @return whether the worker can ever run it, and has credit for it now.
bool Reactor::takes(const Worker& worker, const Held& held) {
    return worker.input.left() >= held.order.task.size() && could(worker, kind_of(held));
}

/// Brings a worker's place among those that may get more up to date. Its place among those that may
/// give some back is brought up to date when somebody asks: mostly it is the same again by then.
void Reactor::rank(WorkerId id, Worker& worker) {
    count(worker);
    std::uint64_t load = not_ready;
    if (worker.link == Link::up && !worker.reconciling && !worker.draining &&
        worker.detector.ask(now_) == core::Health::alive) {
        const core::Standing standing = worker.quarantine.ask(now_);
        const std::size_t most = standing == core::Standing::good        ? worker.prefetch.tasks()
                                 : standing == core::Standing::probation ? 1
                                                                         : 0;
        if (worker.here.size() < most && worker.tasks.left() != 0) {
            load = load_of(worker, worker.here.size());
        }
    }
    if (load != worker.load) {
        if (worker.load == not_ready) {
            gained_.push_back(id);
        }
        ready_.erase({worker.load, id});
        worker.load = load;
        if (load != not_ready) {
            ready_.emplace(load, id);
        }
    }
    if (!std::exchange(worker.unsettled, true)) {
        unsettled_.push_back(id);
    }
}

std::uint32_t Reactor::function_number(std::string_view name) {
    if (const auto known = function_numbers_.find(name); known != function_numbers_.end()) {
        return known->second;
    }
    const auto number = static_cast<std::uint32_t>(function_numbers_.size() + 1);
    function_names_.push_back(&function_numbers_.emplace(name, number).first->first);
    for (Worker& worker : workers_) {
        worker.has.resize(number + std::size_t{1});
        worker.has[number] = std::ranges::find(worker.functions, name) != worker.functions.end();
    }
    return number;
}

/// A worker says which functions it has.
void Reactor::learn_functions(Worker& worker, const codec::List<std::string_view>& names) {
    worker.functions.clear();
    worker.has.assign(function_numbers_.size() + 1, false);
    static_cast<void>(names.each([&](std::string_view name) {
        worker.functions.emplace_back(name);
        if (const auto known = function_numbers_.find(name); known != function_numbers_.end()) {
            worker.has[known->second] = true;
        }
    }));
}

/// @return whether the worker could run it if it were idle.
bool Reactor::could(const Worker& worker, const Kind& kind) {
    const auto& [function, demand] = kind;
    return (function == 0 || worker.has[function]) &&
           core::eligible(demand, std::span(&worker.site, 1)) != 0;
}

/// @return whether nobody may come who is not here.
bool Reactor::all_are_up() const {
    return std::ranges::all_of(workers_, [](const Worker& worker) {
        return (worker.link == Link::up && !worker.draining) || worker.twin.has_value();
    });
}

/// @return the least loaded worker that can ever run it and may get it now.
std::optional<WorkerId> Reactor::choose(const Held& held) const {
    for (const auto& [load, id] : ready_) {
        if (!workers_[id].kept && takes(workers_[id], held)) {
            return id;
        }
    }
    return std::nullopt;
}

/// @return the same of some workers, which may all get more and are kept for nothing.
std::optional<WorkerId> Reactor::choose_of(const std::vector<WorkerId>& ids,
                                           const Held& held) const {
    std::optional<WorkerId> best;
    for (const WorkerId id : ids) {
        if (takes(workers_[id], held) && (!best || workers_[id].load < workers_[*best].load)) {
            best = id;
        }
    }
    return best;
}

/// Nobody takes it now: those who could and have only no credit for its bytes get nothing that
/// came later, or it would wait for ever.
void Reactor::keep_for(const Kind& kind, WorkerId id) {
    if (could(workers_[id], kind) && !std::exchange(workers_[id].kept, true)) {
        kept_.push_back(id);
    }
}

/// @return whether a worker that is in reach could run it if it were idle; one that drains may be
/// back soon. @param able who is asked first; set to who could
bool Reactor::anyone_could(const Kind& kind, WorkerId& able) const {
    const auto suits = [&](const Worker& worker) {
        return worker.link == Link::up && could(worker, kind);
    };
    if (suits(workers_[able])) {
        return true;
    }
    const auto found = std::ranges::find_if(workers_, suits);
    if (found == workers_.end()) {
        return false;
    }
    able = static_cast<WorkerId>(found - workers_.begin());
    return true;
}

/// Sets an attempt aside that no worker in reach could run.
void Reactor::strand(Entry& entry) {
    Held& held = entry.second;
    waiting_.erase(place_of(held), kind_of(held));
    held.waits_since = now_;
    set_aside_.add(place_of(held), kind_of(held), entry);
    stranded_.emplace(std::pair(now_, held.arrival), &entry);
}

/// A worker came: what was set aside may be for it.
void Reactor::unstrand(const Worker& worker) {
    for (Entry* const entry :
         set_aside_.take_if([&](const Kind& kind) { return could(worker, kind); })) {
        Held& held = entry->second;
        stranded_.erase({held.waits_since, held.arrival});
        waiting_.add(place_of(held), kind_of(held), *entry);
    }
}

/// When nobody may come who is not here, calls of what nobody has end.
void Reactor::end_hopeless(Outbox& out) {
    if (!all_are_up()) {
        return;
    }
    for (Entry* const entry :
         set_aside_.take_if([](const Kind& kind) { return kind.first != 0; })) {
        end_unplaced(*entry, out);
    }
}

/// Takes an attempt that is at no worker out of where it waits.
void Reactor::stop_waiting(const Held& held) {
    waiting_.erase(place_of(held), kind_of(held));
    set_aside_.erase(place_of(held), kind_of(held));
    stranded_.erase({held.waits_since, held.arrival});
}

void Reactor::hand_out(base::BootTime now, Outbox& out) {
    now_ = now;
    if (to_hand_out_) {
        place(out);
    }
}

/// Gives an attempt that waits to a worker; submit() tells it.
void Reactor::hand(Entry& entry, WorkerId to) {
    Held& held = entry.second;
    Worker& worker = workers_[to];
    waiting_.erase(place_of(held), kind_of(held));
    held.at = to;
    held.lease = ++lease_;
    wire::set_epoch(held.order.task, held.lease);
    worker.in_vain = worker.ask_all = false;
    worker.here.add(held.lease, entry);
    static_cast<void>(worker.tasks.take(1));
    static_cast<void>(worker.input.take(held.order.task.size()));
    rank(to, worker);
}

/// Hands out what waits, the oldest first, one message for each worker. What must wait for room at
/// those who could run it holds up only what needs the same, and what would take that room. What
/// was passed over before is looked at only for those who may take more since.
void Reactor::place(Outbox& out) {
    to_hand_out_ = false;
    for (const WorkerId id : std::exchange(kept_, {})) {
        workers_[id].kept = false;
        gained_.push_back(id);
        rank(id, workers_[id]);
    }
    std::vector<WorkerId> gained = std::exchange(gained_, {});
    const std::uint64_t before = lease_;
    std::vector<WorkerId> to;
    Place place;
    while (up_ != 0) {
        std::erase_if(gained, [&](WorkerId id) {
            return workers_[id].load == not_ready || workers_[id].kept;
        });
        Waiting::Lane* const lane = waiting_.after(place, !gained.empty());
        if (lane == nullptr) {
            break;
        }
        place = lane->place();
        const std::optional<WorkerId> given = place_head(*lane, gained, out);
        if (given && workers_[*given].here.after(before).size() == 1) {
            to.push_back(*given);
        }
        if (const auto turn = given ? core::turn_after(lease_) : std::nullopt;
            turn && put_first(*turn)) {
            place = {};
        }
    }
    for (const WorkerId id : to) {
        submit(id, before, out);
        set_timer(id, workers_[id]);
    }
    steal(out);
    count_slots(out);
}

/// The oldest that waits of that priority goes before all that came later. @return whether one does
bool Reactor::put_first(Priority priority) {
    const std::uint8_t level = std::to_underlying(priority);
    const Waiting::Lane* const lane = waiting_.after({level, 0}, true);
    if (lane == nullptr || lane->place().level != level) {
        return false;
    }
    Entry& oldest = lane->head();
    Held& held = oldest.second;
    waiting_.erase(place_of(held), kind_of(held));
    held.level = std::to_underlying(Priority::high);
    waiting_.add(place_of(held), kind_of(held), oldest);
    return true;
}

/// Gives the first of a lane to a worker, or passes the lane over, or sets it aside, or ends it.
/// @param gained of all workers, those to which a lane that was passed over may give more
/// @return who got it
std::optional<WorkerId> Reactor::place_head(Waiting::Lane& lane,
                                            const std::vector<WorkerId>& gained, Outbox& out) {
    Entry& head = lane.head();
    const Held& held = head.second;
    const Kind kind = kind_of(held);
    if (held.order.task.size() > wire::task_bytes_max) {
        end_here(head, End::not_started, too_large(held.order.task.size()), out);
        return std::nullopt;
    }
    if (set_aside_.any_of(place_of(held), kind)) {
        strand(head);
        return std::nullopt;
    }
    const std::optional<WorkerId> chosen = lane.passed() ? choose_of(gained, held) : choose(held);
    if (chosen) {
        hand(head, *chosen);
    } else if (!anyone_could(kind, lane.note)) {
        if (kind.first != 0 && all_are_up()) {
            end_unplaced(head, out);
        } else {
            strand(head);
        }
    } else if (lane.passed()) {
        std::ranges::for_each(gained, [&](WorkerId id) { keep_for(kind, id); });
    } else {
        for (const auto& [load, id] : ready_) {
            keep_for(kind, id);
        }
        waiting_.pass(lane);
    }
    return chosen;
}

/// Sends a worker what it got by leases after that one.
void Reactor::submit(WorkerId id, std::uint64_t after, Outbox& out) {
    Worker& worker = workers_[id];
    acknowledge(id, worker, out);
    auto left = worker.here.after(after);
    while (!left.empty()) {
        std::vector<std::string_view> tasks;
        std::size_t bytes = 0;
        for (; !left.empty() && tasks.size() < wire::batch_max; left = left.subspan(1)) {
            const std::string_view task = left.front().second->second.order.task;
            if (!tasks.empty() && bytes + task.size() > wire::frame_body_bytes_max) {
                break;
            }
            bytes += task.size();
            tasks.push_back(task);
        }
        stats_.sent += tasks.size();
        send(id, wire::MessageType::task_submit,
             codec::fields(std::span<const std::string_view>(tasks)), out);
    }
}

}  // namespace repartir::client
