// SPDX-License-Identifier: MIT
#include "memory.hpp"

namespace repartir::model {

namespace {

bool acquires(std::memory_order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_consume ||
           order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

}  // namespace

void Memory::reset(std::uint64_t execution) {
    execution_ = execution;
    self_ = main_thread;
    location_count_ = 0;
    threads_.fill(Thread{});
    seq_cst_ = View{};
    light_ = View{};
    heavy_ = View{};
}

void Memory::fork(std::size_t threads) {
    const View& view = threads_[main_thread].current;
    for (std::size_t thread = 0; thread < threads; ++thread) {
        threads_[thread] = Thread{view, view, view, {}};
    }
}

void Memory::join(std::size_t threads) {
    self_ = main_thread;
    View& mine = threads_[main_thread].current;
    ++mine.clock[main_thread];
    for (std::size_t thread = 0; thread < threads; ++thread) {
        mine.join(threads_[thread].current);
    }
}

std::size_t Memory::make_location(std::uint64_t value) {
    if (location_count_ == locations_max) {
        oracle_.fail("the model has too many atomics: raise locations_max");
        return 0;
    }
    Location& location = locations_[location_count_];
    location.creator = self_;
    location.created = ++threads_[self_].current.clock[self_];
    location.alive = true;
    location.messages.clear();
    location.messages.push_back({value, View{}});
    return location_count_++;
}

void Memory::destroy_location(std::size_t location) {
    if (location < location_count_) {
        locations_[location].alive = false;
    }
}

Memory::Location& Memory::touch(std::size_t location) {
    if (location >= location_count_ || !locations_[location].alive) {
        oracle_.fail("an atomic is used that does not live (any more)");
        return locations_[0];
    }
    Location& found = locations_[location];
    if (threads_[self_].current.clock[found.creator] < found.created) {
        oracle_.fail("an atomic is used before its construction is visible");
    }
    return found;
}

std::size_t Memory::oldest(std::size_t location, std::memory_order order) const {
    const std::size_t newest = locations_[location].messages.size() - 1;
    const Thread& thread = threads_[self_];
    std::size_t first = thread.current.seen[location];
    if (order == std::memory_order_seq_cst) {
        first = std::max<std::size_t>(first, seq_cst_.seen[location]);
    }
    if (first < newest && thread.stale[location] >= stale_reads_max) {
        ++first;
    }
    return first;
}

void Memory::read(std::size_t location, std::size_t message, std::memory_order order) {
    Thread& thread = threads_[self_];
    const std::vector<Message>& messages = locations_[location].messages;
    const auto stamp = static_cast<Stamp>(message);
    const bool again = thread.current.seen[location] == stamp && message + 1 < messages.size();
    thread.stale[location] =
        again ? static_cast<std::uint8_t>(thread.stale[location] + 1) : std::uint8_t{0};
    thread.current.seen[location] = std::max(thread.current.seen[location], stamp);
    thread.acquired.join(messages[message].view);
    if (acquires(order)) {
        thread.current.join(messages[message].view);
    }
    thread.acquired.join(thread.current);
}

void Memory::append(std::size_t location, std::uint64_t value, std::memory_order order,
                    const View* sequence) {
    Thread& thread = threads_[self_];
    std::vector<Message>& messages = locations_[location].messages;
    const auto stamp = static_cast<Stamp>(messages.size());
    ++thread.current.clock[self_];
    thread.current.seen[location] = stamp;
    thread.acquired.seen[location] = stamp;
    thread.stale[location] = 0;
    Message message{value, releases(order) ? thread.current : thread.released};
    message.view.seen[location] = stamp;
    if (sequence != nullptr) {
        message.view.join(*sequence);  // a read-modify-write continues the release sequence
    }
    messages.push_back(message);
    if (order == std::memory_order_seq_cst) {
        seq_cst_.seen[location] = stamp;
    }
}

std::uint64_t Memory::load(std::size_t location, std::memory_order order) {
    Location& from = touch(location);
    const std::size_t newest = from.messages.size() - 1;
    if (self_ == main_thread) {
        return from.messages[newest].value;
    }
    const std::size_t message = newest - oracle_.choose(newest - oldest(location, order) + 1);
    read(location, message, order);
    return from.messages[message].value;
}

void Memory::store(std::size_t location, std::uint64_t value, std::memory_order order) {
    touch(location);
    append(location, value, order, nullptr);
}

std::uint64_t Memory::exchange_read(std::size_t location, std::memory_order order) {
    Location& from = touch(location);
    read(location, from.messages.size() - 1, order);
    return from.messages.back().value;
}

void Memory::exchange_write(std::size_t location, std::uint64_t value, std::memory_order order) {
    const View sequence = locations_[location].messages.back().view;
    append(location, value, order, &sequence);
}

bool Memory::compare_exchange(std::size_t location, std::uint64_t& expected, std::uint64_t desired,
                              std::memory_order success, std::memory_order failure) {
    Location& from = touch(location);
    const std::size_t newest = from.messages.size() - 1;
    // It may read the newest message, or an outdated one that makes it fail.
    const std::size_t first = self_ == main_thread ? newest : oldest(location, failure);
    std::size_t readable = 1;
    for (std::size_t at = first; at < newest; ++at) {
        readable += from.messages[at].value != expected ? 1U : 0U;
    }
    std::size_t message = newest;
    for (std::size_t skip = oracle_.choose(readable); skip != 0;) {
        --message;
        skip -= from.messages[message].value != expected ? 1U : 0U;
    }
    if (message == newest && from.messages[newest].value == expected) {
        static_cast<void>(exchange_read(location, success));
        exchange_write(location, desired, success);
        return true;
    }
    read(location, message, failure);
    expected = from.messages[message].value;
    return false;
}

void Memory::fence(std::memory_order order) {
    Thread& thread = threads_[self_];
    if (acquires(order)) {
        thread.current.join(thread.acquired);
    }
    if (order == std::memory_order_seq_cst) {
        thread.current.join_seen(seq_cst_);
        seq_cst_.join_seen(thread.current);
    }
    if (releases(order)) {
        thread.released = thread.current;
    }
}

void Memory::light_fence() {
    View& mine = threads_[self_].current;
    mine.join_seen(heavy_);
    light_.join_seen(mine);
}

void Memory::heavy_fence() {
    fence(std::memory_order_seq_cst);
    View& mine = threads_[self_].current;
    mine.join_seen(light_);
    mine.join_seen(heavy_);
    heavy_.join_seen(mine);
}

std::uint64_t Memory::kernel_read(std::size_t location) {
    return exchange_read(location, std::memory_order_relaxed);
}

std::uint64_t Memory::peek(std::size_t location) const {
    return locations_[location].messages.back().value;
}

void Memory::plain_read(Plain& plain) {
    View& mine = threads_[self_].current;
    if (plain.written > mine.clock[plain.writer]) {
        oracle_.fail("data race: plain data is read while another thread writes it");
    }
    plain.read[self_] = ++mine.clock[self_];
}

void Memory::plain_write(Plain& plain) {
    View& mine = threads_[self_].current;
    if (plain.written > mine.clock[plain.writer]) {
        oracle_.fail("data race: plain data is written by two threads");
    }
    for (std::size_t reader = 0; reader < plain.read.size(); ++reader) {
        if (plain.read[reader] > mine.clock[reader]) {
            oracle_.fail("data race: plain data is written while another thread reads it");
        }
    }
    plain.written = ++mine.clock[self_];
    plain.writer = self_;
}

}  // namespace repartir::model
