// SPDX-License-Identifier: MIT
#pragma once
/// @file leases.hpp What one worker has.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace repartir::client {

/// The attempts that one worker has, by lease, which is the order in which it got them. Most go at
/// the front: where many are there, that is left empty for a while. (A deque does so too, but lies
/// in more places.) It does not own them. One owner.
template <class Entry>
class Leases {
  public:
    using Item = std::pair<std::uint64_t, Entry*>;
    /// @param lease higher than all before
    void add(std::uint64_t lease, Entry& entry) { items_.emplace_back(lease, &entry); }
    /// @param lease of one that is here
    void remove(std::uint64_t lease) {
        constexpr std::size_t part = 32;
        const auto front = items_.begin() + static_cast<std::ptrdiff_t>(gone_);
        const auto at = std::ranges::lower_bound(front, items_.end(), lease, {}, &Item::first);
        std::move_backward(front, at, at + 1);
        ++gone_;
        if (gone_ > items_.size() / part) {
            items_.erase(items_.begin(), front + 1);
            gone_ = 0;
        }
    }
    /// @return the attempt; nullptr when it is not here.
    [[nodiscard]] Entry* find(std::uint64_t lease) const {
        const auto found = std::ranges::lower_bound(all(), lease, {}, &Item::first);
        return found != all().end() && found->first == lease ? found->second : nullptr;
    }
    [[nodiscard]] std::span<const Item> all() const { return std::span(items_).subspan(gone_); }
    /// @return those with a higher lease.
    [[nodiscard]] std::span<const Item> after(std::uint64_t lease) const {
        const auto first = std::ranges::upper_bound(all(), lease, {}, &Item::first);
        return all().subspan(static_cast<std::size_t>(first - all().begin()));
    }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size() - gone_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// @return how many it has memory for.
    [[nodiscard]] std::size_t capacity() const noexcept { return items_.capacity(); }

  private:
    std::vector<Item> items_;
    std::size_t gone_ = 0;  // at the front: a small part
};

}  // namespace repartir::client
