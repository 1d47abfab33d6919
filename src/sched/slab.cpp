// SPDX-License-Identifier: MIT
#include "sched/slab.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace repartir::sched {

struct alignas(64) Slab::Chunk {
    Slab* home;
    Chunk* older;
    std::size_t size_class;  // `classes`: one large block
};

namespace {
constexpr std::size_t granule = 64;
constexpr std::size_t fine_classes = 8;  // by granules; the others double
constexpr std::size_t lot_bytes = 4096;  // made ready for use at once

std::size_t class_of(std::size_t bytes) noexcept {
    const std::size_t last = bytes == 0 ? 0 : bytes - 1;
    return last < fine_classes * granule
               ? last / granule
               : fine_classes - 1 +
                     static_cast<std::size_t>(std::bit_width(last / (fine_classes * granule)));
}

std::size_t bytes_of(std::size_t size_class) noexcept {
    return size_class < fine_classes ? (size_class + 1) * granule
                                     : (fine_classes * granule) << (size_class - fine_classes + 1);
}
}  // namespace

Slab::~Slab() {
    while (newest_ != nullptr) {
        Chunk* const chunk = newest_;
        newest_ = chunk->older;
        std::free(chunk);  // NOLINT: pairs with aligned_alloc in add_chunk
    }
}

Slab::Chunk& Slab::chunk_of(void* block) noexcept {
    // SAFETY: blocks lie in chunks that begin at multiples of chunk_bytes with their Chunk.
    return *reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(block) & ~(chunk_bytes - 1));
}

void* Slab::allocate(std::size_t bytes) noexcept {
    const std::size_t size_class = class_of(bytes);
    if (size_class >= classes) {
        const std::size_t whole = (bytes + sizeof(Chunk) + chunk_bytes - 1) & ~(chunk_bytes - 1);
        void* const memory = std::aligned_alloc(chunk_bytes, whole);
        if (memory == nullptr) {
            return nullptr;
        }
        ++blocks_;
        return new (memory) Chunk{this, nullptr, classes} + 1;
    }
    Block*& list = free_[size_class];
    if (list == nullptr) {
        // ORDER: acquire pairs with the release in free
        list = remote_[size_class].exchange(nullptr, std::memory_order_acquire);
        if (list == nullptr && !add_blocks(size_class)) {
            return nullptr;
        }
    }
    Block* const block = list;
    list =
        block->next;  // NOLINT(clang-analyzer-core.NullDereference): add_blocks has put one there
    return block;
}

void Slab::free(void* memory, Slab* mine) noexcept {
    Chunk& chunk = chunk_of(memory);
    Slab* const home = chunk.home;
    if (chunk.size_class == classes) {
        std::free(&chunk);  // NOLINT: pairs with aligned_alloc in allocate
        home->leave();
        return;
    }
    auto* const block = new (memory) Block{nullptr};
    if (home == mine) {
        block->next = home->free_[chunk.size_class];
        home->free_[chunk.size_class] = block;
        return;
    }
    // ORDER: relaxed guess; the exchange releases the block's link to allocate
    std::atomic<Block*>& remote = home->remote_[chunk.size_class];
    Block* head = remote.load(std::memory_order_relaxed);
    do {
        if (head == home->closed()) {
            home->leave();
            return;
        }
        block->next = head;
        // ORDER: acq_rel: releases the link to allocate; relaxed on failure, which only looks again
    } while (!remote.compare_exchange_weak(head, block, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
}

void Slab::leave() noexcept {
    // ORDER: acq_rel: the last to leave sees the others' uses before it deletes
    if (orphans_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete this;
    }
}

QueueRoom& Slab::room_of(void* block) noexcept { return *chunk_of(block).home->room_; }

bool Slab::add_blocks(std::size_t size_class) noexcept {
    const std::size_t step = bytes_of(size_class);
    Fresh& fresh = fresh_[size_class];
    if (fresh.bytes < step && !add_chunk(size_class)) {
        return false;
    }
    const std::size_t count = std::max<std::size_t>(std::min(fresh.bytes, lot_bytes) / step, 1);
    blocks_ += static_cast<std::int64_t>(count);
    for (std::size_t i = count; i > 0; --i) {  // the lowest address comes out first
        free_[size_class] = new (fresh.first + (i - 1) * step) Block{free_[size_class]};
    }
    fresh.first += count * step;
    fresh.bytes -= count * step;
    return true;
}

bool Slab::add_chunk(std::size_t size_class) noexcept {
    void* const memory = std::aligned_alloc(chunk_bytes, chunk_bytes);
    if (memory == nullptr) {
        return false;
    }
    Fresh& fresh = fresh_[size_class];
#if defined(MADV_POPULATE_WRITE)
    if (fresh.first != nullptr) {
        // Who has filled one chunk is about to write every page of the next: one system call
        // instead of a fault for each. Where the kernel does not know it, the faults come.
        static_cast<void>(::madvise(memory, chunk_bytes, MADV_POPULATE_WRITE));
    }
#endif
    newest_ = new (memory) Chunk{this, newest_, size_class};
    fresh = {static_cast<std::byte*>(memory) + sizeof(Chunk), chunk_bytes - sizeof(Chunk)};
    return true;
}

void Slab::abandon() noexcept {
    std::int64_t out = blocks_;
    for (std::size_t i = 0; i < classes; ++i) {
        for (const Block* block = free_[i]; block != nullptr; block = block->next) {
            --out;
        }
        // ORDER: acquire pairs with the releases in free; from here on they count in orphans_
        const Block* block = remote_[i].exchange(closed(), std::memory_order_acq_rel);
        for (; block != nullptr; block = block->next) {
            --out;
        }
    }
    // ORDER: as in free. Blocks that came back meanwhile have made orphans_ negative.
    if (orphans_.fetch_add(out, std::memory_order_acq_rel) + out == 0) {
        delete this;
    }
}

}  // namespace repartir::sched
