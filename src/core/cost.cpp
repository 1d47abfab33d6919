// SPDX-License-Identifier: MIT
#include "core/cost.hpp"

#include <algorithm>
#include <array>

namespace repartir::core {
namespace {

/// @return time * n / d, bounded.
base::BootTime scaled(base::BootTime time, std::uint64_t n, std::uint64_t d) noexcept {
    if (time.count() <= 0 || n == 0) {
        return base::BootTime(0);
    }
    const auto each = static_cast<std::uint64_t>(time.count());
    const auto most = static_cast<std::uint64_t>(run_max.count());
    if (n > UINT64_MAX / each) {
        return run_max;
    }
    return base::BootTime(static_cast<std::int64_t>(std::min(each * n / d, most)));
}

bool in(SiteSet set, std::size_t site) noexcept { return ((set >> site) & 1U) != 0; }

std::uint32_t running_slots(const Site& site) noexcept {
    return site.running_slots != 0 ? std::min(site.running_slots, site.slots) : site.slots;
}

/// @return how many of these run what is booked here: one at least, since all take their turns.
std::uint32_t own_slots(const Site& site) noexcept {
    const std::uint32_t all = running_slots(site);
    return all - std::min(site.busy_slots, all - std::min(all, 1U));
}

/// @return how many slots' worth of tasks there wait for their turn, with `more` on top.
std::uint64_t waiting_there(const Site& site, std::uint32_t more) noexcept {
    const std::uint64_t booked =
        std::uint64_t{site.slots} - site.free_slots + site.overbooked_slots + more;
    const std::uint32_t all = running_slots(site);
    return booked - std::min<std::uint64_t>(booked, all - std::min(all, site.busy_slots));
}

/// @return whether the site `a` is to be preferred to one that was registered before it.
bool better(const Prospect& a, const Prospect& b) noexcept {
    if (a.finish() != b.finish()) {
        return a.finish() < b.finish();
    }
    return a.room != b.room ? a.room : !a.far && b.far;
}

Choice choose_unknown(const Question& question, std::span<const Site> sites) noexcept {
    Choice choice;
    bool near = false;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        if (!in(question.among, i)) {
            continue;
        }
        const Prospect there = prospect(question, i, sites);
        if (there.room && (!choice.site || (!near && !there.far))) {
            choice.site = i;
            near = !there.far;
        }
        choice.waits_for |= SiteSet{there.fits} << i;
    }
    return choice;
}

}  // namespace

base::BootTime smoothed(base::BootTime before, base::BootTime sample) noexcept {
    const base::BootTime bounded = std::clamp(sample, base::BootTime(0), run_max);
    return before < base::BootTime(0) ? bounded : before + (bounded - before) / 4;
}

void RunTimes::ran(base::BootTime run) noexcept {
    mean_ = smoothed(mean_, run);
    longest_ = std::max(longest_, run);
    count_ = std::min(count_ + 1, runs_to_compare);
}

bool RunTimes::overdue(base::BootTime run) const noexcept {
    return count_ == runs_to_compare && run > longest_ && run > 3 * mean_ + std::chrono::seconds(1);
}

std::optional<base::BootTime> Learnt::seen_at(std::size_t site) const noexcept {
    return site < runs_.size() && runs_[site].mean().count() >= 0
               ? std::optional(runs_[site].mean())
               : std::nullopt;
}

std::optional<base::BootTime> Learnt::run_at(std::size_t site) const noexcept {
    if (const auto seen = seen_at(site)) {
        return seen;
    }
    const auto other =
        std::ranges::find_if(runs_, [](const RunTimes& runs) { return runs.mean().count() >= 0; });
    return other == runs_.end() ? std::nullopt : std::optional(other->mean());
}

bool Learnt::overdue(std::size_t site, base::BootTime ran) const noexcept {
    return site < runs_.size() && runs_[site].overdue(ran);
}

void CostBook::ran(std::string_view name, std::size_t site, base::BootTime run,
                   std::uint64_t output_bytes) {
    if (entries_.empty() || entries_.front().name != name) {
        if (const auto found = names_.find(name); found != names_.end()) {
            entries_.splice(entries_.begin(), entries_, found->second);
        } else {
            if (names_.size() == names_max_) {
                names_.erase(entries_.back().name);
                entries_.pop_back();
            }
            entries_.push_front(Entry{std::string(name), {}});
            names_.emplace(entries_.front().name, entries_.begin());
        }
    }
    Learnt& learnt = entries_.front().learnt;
    const bool first = learnt.runs_.empty();
    if (learnt.runs_.size() <= site) {
        learnt.runs_.resize(site + 1);
    }
    learnt.runs_[site].ran(run);
    learnt.output_bytes_ =
        first ? output_bytes : learnt.output_bytes_ - learnt.output_bytes_ / 4 + output_bytes / 4;
}

const Learnt* CostBook::find(std::string_view name) const noexcept {
    if (!entries_.empty() && entries_.front().name == name) {
        return &entries_.front().learnt;
    }
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second->learnt;
}

Prospect prospect(const Question& question, std::size_t i, std::span<const Site> sites) noexcept {
    constexpr std::uint64_t ns_per_second = 1'000'000'000;
    const Site& site = sites[i];
    Prospect there;
    there.fits = fits(question.demand, site);
    if (!there.fits) {
        return there;
    }
    there.room = !in(question.blocked, i) && has_room(question.demand, site);
    there.far = site.elastic;
    if (site.elastic) {
        there.transfer = std::clamp(site.round_trip, base::BootTime(0), run_max);
        if (site.bytes_per_second != 0) {
            const std::uint64_t back =
                question.learnt != nullptr ? question.learnt->output_bytes() : 0;
            there.transfer +=
                scaled(base::BootTime(ns_per_second), question.bytes + back, site.bytes_per_second);
        }
        there.wait =
            scaled(site.mean_run, waiting_there(site, question.demand.cores), own_slots(site));
    }
    if (!there.room && i < question.queue.size()) {
        there.wait = std::min(there.wait + question.queue[i], run_max);
    }
    if (question.learnt != nullptr) {
        there.run = question.learnt->run_at(i).value_or(base::BootTime(0));
    }
    return there;
}

Choice choose(const Question& question, std::span<const Site> sites) noexcept {
    if (question.learnt == nullptr) {
        return choose_unknown(question, sites);
    }
    std::array<Prospect, sites_max> all;
    base::BootTime near_wait = base::never;  // until a near one begins it
    for (std::size_t i = 0; i < sites.size(); ++i) {
        all[i] = in(question.among, i) ? prospect(question, i, sites) : Prospect{};
        if (all[i].fits && !all[i].far) {
            near_wait = std::min(near_wait, all[i].room ? base::BootTime(0) : all[i].wait);
        }
    }
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        Prospect& there = all[i];
        if (there.far && there.run < sites[i].round_trip && near_wait != base::never &&
            near_wait / trips_worth_of_backlog <= sites[i].round_trip) {
            there.fits = false;  // not worth the trip
        }
        if (there.fits && (!best || better(there, all[*best]))) {
            best = i;
        }
    }
    Choice choice;
    if (!best || all[*best].room) {
        choice.site = best;
        return choice;
    }
    for (std::size_t i = 0; i < sites.size(); ++i) {
        if (all[i].fits && !all[i].room && all[i].transfer + all[i].run < all[*best].finish()) {
            choice.waits_for |= SiteSet{1} << i;
        }
    }
    choice.waits_for |= SiteSet{1} << *best;
    return choice;
}

bool better_back(const Question& question, std::size_t there, std::size_t here,
                 std::span<const Site> sites) noexcept {
    const Site& site = sites[there];
    if (!has_room(question.demand, sites[here])) {
        return false;
    }
    if (running_slots(site) == 0) {
        return true;  // nobody is there
    }
    const std::uint64_t waiting = waiting_there(site, 0);
    if (waiting == 0 || question.learnt == nullptr || site.mean_run < base::BootTime(0)) {
        return waiting != 0;
    }
    const base::BootTime wait = scaled(site.mean_run, waiting, own_slots(site));
    return site.round_trip + question.learnt->run_at(here).value_or(base::BootTime(0)) <
           wait + question.learnt->run_at(there).value_or(base::BootTime(0));
}

std::uint64_t bytes_to_move(const Task& task) noexcept {
    std::uint64_t bytes = task.extras().input.size();
    for (std::size_t i = 0; i < task.stage_count(); ++i) {
        bytes += task.stage(i).packed().size();
    }
    return bytes;
}

base::BootTime queue_time(std::uint64_t tasks, base::BootTime run, std::uint32_t slots,
                          const Site& site) noexcept {
    if (running_slots(site) == 0) {
        return run_max;
    }
    return scaled(run, tasks * slots, own_slots(site));
}

}  // namespace repartir::core
