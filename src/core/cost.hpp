// SPDX-License-Identifier: MIT
#pragma once
/// @file cost.hpp Where a task is expected to be done first: what tasks took, what moving them
/// takes, what waits. Pure, integers only.
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "core/placement.hpp"

namespace repartir::core {

/// No run is taken for longer than this, and no wait either.
inline constexpr base::BootTime run_max = std::chrono::hours(24 * 365);
/// A task that runs for less time than a round trip leaves this machine only when the work that
/// waits for it here would take more than so many round trips.
inline constexpr std::int64_t trips_worth_of_backlog = 20;

/// A run is overdue only against so many others.
inline constexpr std::uint32_t runs_to_compare = 3;

/// @return the smoothed value after one more sample: a quarter of the difference is taken over.
/// @param before negative: there is none yet
[[nodiscard]] base::BootTime smoothed(base::BootTime before, base::BootTime sample) noexcept;

/// How long runs of one kind took at one place lately.
class RunTimes {
  public:
    /// One took so long.
    void ran(base::BootTime run) noexcept;
    /// @return whether one took so much longer than those, and than any before it, that it is worth
    /// a word; never while there are few to compare with.
    [[nodiscard]] bool overdue(base::BootTime run) const noexcept;
    /// @return how long they take, smoothed; negative: none ran.
    [[nodiscard]] base::BootTime mean() const noexcept { return mean_; }

  private:
    base::BootTime mean_{-1};
    base::BootTime longest_{0};
    std::uint32_t count_ = 0;  // up to runs_to_compare
};

/// What tasks of one name took lately.
class Learnt {
  public:
    /// @return how long one runs at a site; where none ran there, how long at the first other that
    /// is known; nothing when none ran at all.
    [[nodiscard]] std::optional<base::BootTime> run_at(std::size_t site) const noexcept;
    /// @return how long one runs at this very site; nothing when none ran there.
    [[nodiscard]] std::optional<base::BootTime> seen_at(std::size_t site) const noexcept;
    /// @return whether a run at a site is overdue, as RunTimes has it.
    [[nodiscard]] bool overdue(std::size_t site, base::BootTime ran) const noexcept;
    /// @return bytes of output.
    [[nodiscard]] std::uint64_t output_bytes() const noexcept { return output_bytes_; }

  private:
    friend class CostBook;
    std::vector<RunTimes> runs_;  // by site
    std::uint64_t output_bytes_ = 0;
};

/// What is known of tasks, by name. Bounded: the name that was learnt of the longest time ago makes
/// room. One owner at a time.
class CostBook {
  public:
    explicit CostBook(std::size_t names_max = 4096) noexcept : names_max_(names_max) {}
    CostBook(const CostBook&) = delete;
    CostBook& operator=(const CostBook&) = delete;

    /// A task of this name ran so long at a site.
    void ran(std::string_view name, std::size_t site, base::BootTime run,
             std::uint64_t output_bytes);
    /// @return what is known of tasks of this name, until the next ran(); nullptr: nothing.
    [[nodiscard]] const Learnt* find(std::string_view name) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }  ///< names

  private:
    struct Entry {
        std::string name;
        Learnt learnt;
    };
    std::size_t names_max_;
    std::list<Entry> entries_;  // learnt of most recently first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> names_;
};

/// What a task would find at a site. Times that nobody knows are 0.
struct Prospect {
    bool fits = false;  ///< the site as it is could run it; else nothing else is said
    bool room = false;  ///< at once
    bool far = false;   ///< it has to be moved there
    base::BootTime wait{0};
    base::BootTime transfer{0};  ///< there and back: round trip, and bytes by bandwidth
    base::BootTime run{0};
    /// @return from now until its result is here.
    [[nodiscard]] base::BootTime finish() const noexcept { return wait + transfer + run; }
};

/// A task that is to be placed, and what it has to reckon with.
struct Question {
    Demand demand;
    SiteSet among = 0;                      ///< where it may run
    SiteSet blocked = 0;                    ///< of them, those for which another has to wait first
    const Learnt* learnt = nullptr;         ///< of its name
    std::uint64_t bytes = 0;                ///< that go with it
    std::span<const base::BootTime> queue;  ///< by site: until the work that waits for it is done
};

/// @return what the task would find at a site. @param i which of the sites
[[nodiscard]] Prospect prospect(const Question& question, std::size_t i,
                                std::span<const Site> sites) noexcept;

/// What becomes of a task now.
struct Choice {
    std::optional<std::size_t> site;  ///< it starts here
    SiteSet waits_for = 0;            ///< else: where it would start if there were room
};

/// The task goes where it is expected to be done first; of equals to one with room, then to the
/// nearer, then to the one that was registered first. If there is no room there, it waits. While
/// nothing is known of its name it goes to the first near site with room, else to the first far
/// one.
[[nodiscard]] Choice choose(const Question& question, std::span<const Site> sites) noexcept;

/// @return whether an attempt that a site holds and perhaps has not begun would be done sooner if
/// it came back and ran `here`, where there is room.
[[nodiscard]] bool better_back(const Question& question, std::size_t there, std::size_t here,
                               std::span<const Site> sites) noexcept;

/// @return bytes that have to go where the task runs, roughly.
[[nodiscard]] std::uint64_t bytes_to_move(const Task& task) noexcept;

/// @return how long tasks keep a site busy, one behind the other on each of its slots.
/// @param slots of each of them
[[nodiscard]] base::BootTime queue_time(std::uint64_t tasks, base::BootTime run,
                                        std::uint32_t slots, const Site& site) noexcept;

}  // namespace repartir::core
