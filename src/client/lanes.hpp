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

namespace repartir::client {

/// Where something stands among all that waits: what is of high priority first, then by arrival.
struct Place {
    bool low = false;
    std::uint64_t arrival = 0;  ///< from 1 on, each only once
    auto operator<=>(const Place&) const = default;
};

/// Things that wait. Those of one kind and priority are a lane, in which they keep their order; the
/// first of a lane, its head, can go on though an earlier one of another lane cannot. What is first
/// of all, and next, is found in logarithmic time however many lanes there are.
///
/// It does not own what waits. One owner.
/// @tparam Kind ordered
template <class Kind, class T>
class Lanes {
  public:
    /// @param place at which nothing stands
    void add(const Place& place, const Kind& kind, T& thing) {
        Lane& lane = lanes_[{place.low, kind}];
        const bool first = lane.empty() || place.arrival < lane.begin()->first;
        if (first && !lane.empty()) {
            heads_.erase({place.low, lane.begin()->first});
        }
        lane.emplace_hint(lane.end(), place.arrival, &thing);
        if (first) {
            heads_.emplace(place, &lane);
        }
        ++size_;
    }
    /// Nothing where nothing of that kind stands there.
    void erase(const Place& place, const Kind& kind) {
        const auto found = lanes_.find({place.low, kind});
        if (found == lanes_.end() || found->second.erase(place.arrival) == 0) {
            return;
        }
        --size_;
        Lane& lane = found->second;
        if (auto head = heads_.extract(place); head && !lane.empty()) {
            head.key().arrival = lane.begin()->first;
            heads_.insert(std::move(head));
        }
        if (lane.empty()) {
            lanes_.erase(found);
        }
    }
    /// @return the first head that stands behind that place; nullptr when there is none. Place() is
    /// before all.
    [[nodiscard]] T* head_after(const Place& place) const {
        const auto head = heads_.upper_bound(place);
        return head != heads_.end() ? head->second->begin()->second : nullptr;
    }
    /// Calls use(head) for each head, which it may erase: what stands behind it in its lane
    /// follows.
    template <class Use>
    void each_head(Use&& use) const {
        Place place;
        for (auto at = heads_.upper_bound(place); at != heads_.end();
             at = heads_.upper_bound(place)) {
            place = at->first;
            use(*at->second->begin()->second);
        }
    }
    /// @return the latest, of low priority before the others; nullptr when nothing waits. In time
    /// that is linear in the number of lanes.
    [[nodiscard]] T* last() const {
        const auto key = [](const auto& lane) {
            return Place{lane.first.first, lane.second.rbegin()->first};
        };
        const auto lane = std::ranges::max_element(lanes_, {}, key);
        return lane != lanes_.end() ? lane->second.rbegin()->second : nullptr;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    using Lane = std::map<std::uint64_t, T*>;  // by arrival

    std::map<std::pair<bool, Kind>, Lane> lanes_;  // none is empty
    std::map<Place, Lane*> heads_;                 // one for each lane
    std::size_t size_ = 0;
};

}  // namespace repartir::client
