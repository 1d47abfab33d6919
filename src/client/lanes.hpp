// SPDX-License-Identifier: MIT
#pragma once
/// @file lanes.hpp What waits, in a queue for each kind of worker that it needs.
#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <variant>
#include <vector>

namespace repartir::client {

/// Where something stands among all that waits: what is more urgent first, then by arrival.
struct Place {
    std::uint8_t level = 0;     ///< 0: the most urgent
    std::uint64_t arrival = 0;  ///< from 1 on, each only once
    auto operator<=>(const Place&) const = default;
};

/// Things that wait. Those of one kind and level are a lane, in which they keep their order; the
/// first of a lane, its head, can go on though an earlier one of another lane cannot. A lane can be
/// passed over until something changes for it: who looks for heads finds those of the other lanes,
/// or of all. What is first, and next, is found in logarithmic time however many lanes there are.
///
/// It does not own what waits. One owner.
/// @tparam Kind ordered @tparam Note what the owner notes of a lane, as long as that is not empty
template <class Kind, class T, class Note = std::monostate>
class Lanes {
  public:
    class Lane {
      public:
        [[nodiscard]] T& head() const noexcept { return *things_.begin()->second; }
        [[nodiscard]] Place place() const noexcept { return {level_, things_.begin()->first}; }
        [[nodiscard]] bool passed() const noexcept { return passed_; }
        Note note{};

      private:
        friend Lanes;
        std::map<std::uint64_t, T*> things_;  // by arrival; not empty
        std::uint8_t level_ = 0;
        bool passed_ = false;
    };

    /// @param place at which nothing stands
    void add(const Place& place, const Kind& kind, T& thing) {
        Lane& lane = lanes_[{place.level, kind}];
        const bool first = lane.things_.empty() || place < lane.place();
        if (first && !lane.things_.empty()) {
            heads(lane).erase(lane.place());
        }
        lane.level_ = place.level;
        lane.things_.emplace_hint(lane.things_.end(), place.arrival, &thing);
        if (first) {
            heads(lane).emplace(place, &lane);
        }
        ++size_;
    }
    /// Nothing where nothing of that kind stands there.
    void erase(const Place& place, const Kind& kind) {
        const auto found = lanes_.find({place.level, kind});
        if (found == lanes_.end() || found->second.things_.erase(place.arrival) == 0) {
            return;
        }
        --size_;
        Lane& lane = found->second;
        if (auto head = heads(lane).extract(place); head && !lane.things_.empty()) {
            head.key() = lane.place();
            heads(lane).insert(std::move(head));
        }
        if (lane.things_.empty()) {
            lanes_.erase(found);
        }
    }
    /// Passes a lane over, from now on, until it is empty.
    void pass(Lane& lane) {
        if (!std::exchange(lane.passed_, true)) {
            passed_.insert(open_.extract(lane.place()));
        }
    }
    /// What was passed over is looked at again.
    void reopen() {
        for (const auto& [place, lane] : passed_) {
            lane->passed_ = false;
        }
        open_.merge(passed_);
    }
    /// @return the lane whose head is the first that stands behind that place; nullptr when there
    /// is none. Place() is before all. @param also_passed look at those that are passed over, too
    [[nodiscard]] Lane* after(const Place& place, bool also_passed) const {
        const auto open = open_.upper_bound(place);
        const auto passed = also_passed ? passed_.upper_bound(place) : passed_.end();
        if (passed == passed_.end() || (open != open_.end() && open->first < passed->first)) {
            return open != open_.end() ? open->second : nullptr;
        }
        return passed->second;
    }
    /// Calls use(head) for each head, which it may erase: what stands behind it in its lane
    /// follows.
    template <class Use>
    void each_head(Use&& use) const {
        Place place;
        while (const Lane* const lane = after(place, true)) {
            place = lane->place();
            use(lane->head());
        }
    }
    /// Takes out all of each kind that suits. @return them, in no order
    template <class Suits>
    [[nodiscard]] std::vector<T*> take_if(Suits&& suits) {
        std::vector<T*> taken;
        for (auto at = lanes_.begin(); at != lanes_.end();) {
            Lane& lane = at->second;
            if (!suits(at->first.second)) {
                ++at;
                continue;
            }
            for (const auto& [arrival, thing] : lane.things_) {
                taken.push_back(thing);
            }
            heads(lane).erase(lane.place());
            at = lanes_.erase(at);
        }
        size_ -= taken.size();
        return taken;
    }
    /// @return whether anything of that kind waits.
    [[nodiscard]] bool any_of(const Place& place, const Kind& kind) const {
        return lanes_.contains({place.level, kind});
    }
    /// @return the latest of the kinds that suit, what is least urgent before the others; nullptr
    /// when none waits. In time that is linear in the number of lanes.
    template <class Suits>
    [[nodiscard]] T* last_if(Suits&& suits) const {
        std::pair<Place, T*> last{};
        for (const auto& [key, lane] : lanes_) {
            const auto& [arrival, thing] = *lane.things_.rbegin();
            if (suits(key.second)) {
                last = std::max(last, {Place{key.first, arrival}, thing},
                                [](const auto& a, const auto& b) { return a.first < b.first; });
            }
        }
        return last.second;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    using Heads = std::map<Place, Lane*>;
    [[nodiscard]] Heads& heads(const Lane& lane) noexcept { return lane.passed_ ? passed_ : open_; }

    std::map<std::pair<std::uint8_t, Kind>, Lane> lanes_;  // none is empty
    Heads open_;                                           // one for each lane, here
    Heads passed_;                                         // or here
    std::size_t size_ = 0;
};

}  // namespace repartir::client
