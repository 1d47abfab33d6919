// SPDX-License-Identifier: MIT
#pragma once
/// @file slab.hpp Recycled storage for submitted functions and closures.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "repartir/detail/atomics.hpp"

namespace repartir::sched {

/// Hands out blocks of up to 512 bytes (larger ones go to the system's allocator), aligned to 64,
/// and takes them back from any thread without a lock; after a warm-up it asks the system for
/// nothing.
///
/// A block may outlive its slab: a Pending may outlive its Pool. abandon() hands the slab to the
/// blocks that are still out; the last one to come back takes it away.
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

    /// Throws std::bad_alloc.
    [[nodiscard]] static Owner create() { return Owner(new Slab); }
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    /// Owner: a block of at least `bytes`. @return nullptr when memory is short.
    [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
    /// Any thread: takes a block back. @param mine the caller's own slab, or nullptr: a block that
    /// comes home needs no atomic instruction.
    static void free(void* memory, Slab* mine) noexcept;

  private:
    struct Chunk;
    struct Block {
        Block* next;
    };
    static constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;
    static constexpr std::size_t granule = 64;
    static constexpr std::size_t classes = 8;

    Slab() = default;
    ~Slab();
    void abandon() noexcept;
    bool add_chunk(std::size_t size_class) noexcept;
    static Chunk& chunk_of(void* block) noexcept;
    /// What remote_ holds once the slab is abandoned.
    Block* closed() noexcept { return &closed_; }

    std::array<Block*, classes> free_{};  // owner's, by size
    Chunk* newest_ = nullptr;             // owns the list of chunks
    std::int64_t blocks_ = 0;             // in all chunks
    Block closed_{nullptr};
    // Came back from others, by size: taken over whole.
    alignas(detail::cache_line_bytes) std::array<std::atomic<Block*>, classes> remote_{};
    std::atomic<std::int64_t> orphans_{0};  // after abandon(): blocks still out
};

}  // namespace repartir::sched
