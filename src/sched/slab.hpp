// SPDX-License-Identifier: MIT
#pragma once
/// @file slab.hpp Recycled storage for submitted functions and closures.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "repartir/detail/atomics.hpp"
#include "sched/queue_room.hpp"

namespace repartir::sched {

/// Hands out blocks of up to 8 KiB (larger ones go to the system's allocator), aligned to 64,
/// and takes them back from any thread without a lock; after a warm-up it asks the system for
/// nothing.
///
/// A block may outlive its slab: a Pending may outlive its Pool. abandon() hands the slab to the
/// blocks that are still out; the last one to come back takes it away. Until then a block leads to
/// its slab's room.
///
/// Layout: chunks of 64 KiB at multiples of 64 KiB, so that a block's address leads to the chunk's
/// head and from there to its slab. A chunk holds blocks of one size.
///
/// Thread safety: allocate and free_own by one thread at a time (the owner); free by any.
class Slab {
  public:
    /// Destruction is abandon().
    struct Abandon {
        void operator()(Slab* slab) const noexcept { slab->abandon(); }
    };
    using Owner = std::unique_ptr<Slab, Abandon>;

    /// Throws std::bad_alloc. @param room what its blocks lead to; may be nullptr
    [[nodiscard]] static Owner create(std::shared_ptr<QueueRoom> room) {
        return Owner(new Slab(std::move(room)));
    }
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    /// Owner: a block of at least `bytes`. @return nullptr when memory is short.
    [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
    /// Any thread: takes a block back. @param mine the caller's own slab, or nullptr: a block that
    /// comes home needs no atomic instruction.
    static void free(void* memory, Slab* mine) noexcept;
    /// Any thread that holds the block: what its slab was made with, not nullptr.
    [[nodiscard]] static QueueRoom& room_of(void* block) noexcept;

  private:
    struct Chunk;
    struct Block {
        Block* next;
    };
    static constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;
    static constexpr std::size_t classes = 12;  // 64, 128, ... 512, 1024, ... 8192 bytes
    /// The part of a class's newest chunk that has not been used yet.
    struct Fresh {
        std::byte* first = nullptr;
        std::size_t bytes = 0;
    };

    explicit Slab(std::shared_ptr<QueueRoom> room) noexcept : room_(std::move(room)) {}
    ~Slab();
    void abandon() noexcept;
    /// A block is back that is in no list.
    void leave() noexcept;
    bool add_blocks(std::size_t size_class) noexcept;
    bool add_chunk(std::size_t size_class) noexcept;
    static Chunk& chunk_of(void* block) noexcept;
    /// What remote_ holds once the slab is abandoned.
    Block* closed() noexcept { return &closed_; }

    std::array<Block*, classes> free_{};  // owner's, by size
    std::array<Fresh, classes> fresh_{};
    Chunk* newest_ = nullptr;  // owns the list of chunks
    std::int64_t blocks_ = 0;  // ever in a list, and large ones ever made
    const std::shared_ptr<QueueRoom> room_;
    Block closed_{nullptr};
    // Came back from others, by size: taken over whole.
    alignas(detail::cache_line_bytes) std::array<std::atomic<Block*>, classes> remote_{};
    // After abandon(): blocks still out. Before it, less the large ones that came back.
    std::atomic<std::int64_t> orphans_{0};
};

}  // namespace repartir::sched
