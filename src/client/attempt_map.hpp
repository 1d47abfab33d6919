// SPDX-License-Identifier: MIT
#pragma once
/// @file attempt_map.hpp Attempts by their id.
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "repartir/id.hpp"

namespace repartir::client {

/// A hash table with chains (Knuth, The Art of Computer Programming 3, 2nd ed., 6.4, algorithm C
/// with the chains apart). To take an element out touches no others but those of its chain, which
/// are few and mostly none; std::unordered_map touches its neighbours too, and with thousands of
/// workers those are out of the caches.
///
/// An attempt is found by all of its id but the epoch. The address of an element stays until it is
/// erased. One owner.
template <class T>
class AttemptMap {
  public:
    /// An element: its id, and what is kept of it.
    class Element {
      public:
        explicit Element(const AttemptId& id) : first(id) {}
        const AttemptId first;
        T second;

      private:
        friend AttemptMap;
        std::unique_ptr<Element> next_;
    };

    AttemptMap() : chains_(chains_min) {}

    /// @return the element of this id, which is made where there is none.
    [[nodiscard]] Element& at(const AttemptId& id) {
        if (Element* const there = find(id)) {
            return *there;
        }
        if (size_ == chains_.size()) {
            grow();
        }
        ++size_;
        return put(std::make_unique<Element>(id));
    }
    /// @return nullptr where there is none.
    [[nodiscard]] Element* find(const AttemptId& id) const {
        Element* one = chains_[chain_of(id)].get();
        while (one != nullptr && !same(one->first, id)) {
            one = one->next_.get();
        }
        return one;
    }
    /// Nothing where there is none.
    void erase(const AttemptId& id) {
        std::unique_ptr<Element>* one = &chains_[chain_of(id)];
        while (*one && !same((*one)->first, id)) {
            one = &(*one)->next_;
        }
        if (*one) {
            *one = std::move((*one)->next_);
            --size_;
        }
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// @return whether the ids differ in the epoch at most.
    [[nodiscard]] static bool same(const AttemptId& a, const AttemptId& b) noexcept {
        return a.task == b.task && a.number == b.number && a.issuer == b.issuer;
    }

  private:
    static constexpr std::size_t chains_min = 16;  // a power of two, as all their numbers

    [[nodiscard]] std::size_t chain_of(const AttemptId& id) const noexcept {
        return std::hash<AttemptId>()(id) & (chains_.size() - 1);
    }
    Element& put(std::unique_ptr<Element> element) {
        std::unique_ptr<Element>& chain = chains_[chain_of(element->first)];
        element->next_ = std::move(chain);
        chain = std::move(element);
        return *chain;
    }
    void grow() {
        std::vector<std::unique_ptr<Element>> old(2 * chains_.size());
        old.swap(chains_);
        for (std::unique_ptr<Element>& chain : old) {
            while (chain) {
                std::unique_ptr<Element> element = std::move(chain);
                chain = std::move(element->next_);
                put(std::move(element));
            }
        }
    }

    std::vector<std::unique_ptr<Element>> chains_;
    std::size_t size_ = 0;
};

}  // namespace repartir::client
