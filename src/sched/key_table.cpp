// SPDX-License-Identifier: MIT
#include "sched/key_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace repartir::detail {
namespace {

std::uint64_t kept_bytes(const Outcome& outcome) noexcept {
    std::uint64_t bytes = outcome.out.bytes().size() + outcome.err.bytes().size();
    for (const gpu::Bytes& buffer : outcome.buffers) {
        bytes += buffer.size();
    }
    return bytes;
}

bool same_buffer(const gpu::BufferArgument& left, const gpu::BufferArgument& right) {
    const auto place = [](const gpu::BufferArgument& one) {
        return one.into ? one.into->bytes().data() : nullptr;
    };
    return left.use == right.use && left.bytes == right.bytes && place(left) == place(right) &&
           std::ranges::equal(left.from.view(), right.from.view());
}

bool same_dispatch(const gpu::Dispatch& left, const gpu::Dispatch& right) {
    return left.shader == right.shader && left.entry == right.entry &&
           left.workgroups == right.workgroups && left.push == right.push &&
           left.constants == right.constants &&
           std::ranges::equal(left.buffers, right.buffers, same_buffer);
}

}  // namespace

KeyEntry* KeyTable::find(const std::string& key) noexcept {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
}

KeyEntry* KeyTable::to_join(const std::string& key) noexcept {
    const auto found = key.empty() ? entries_.end() : entries_.find(key);
    if (found == entries_.end()) {
        return nullptr;
    }
    if (TaskRecord* const live = found->second.live; live != nullptr && live->cancel_requested) {
        live->keyed = false;
        entries_.erase(found);
        return nullptr;
    }
    return &found->second;
}

void KeyTable::insert(TaskRecord& record) {
    Task kept = record.task;
    kept.on_output(nullptr);  // user code is not destroyed under the plane's mutex
    entries_.emplace(record.task.extras().idempotency_key,
                     KeyEntry{std::move(kept), &record, {}, 1, {}});
}

void KeyTable::finish(const std::string& key, const Outcome& outcome) {
    if (outcome.ending.end == End::cancelled) {
        entries_.erase(entries_.find(key));
        return;
    }
    KeyEntry& entry = entries_.at(key);
    entry.live = nullptr;
    entry.followers.clear();
    entry.outcome = outcome;
    finished_.push_back(key);
    finished_bytes_ += kept_bytes(outcome);
    evict();
}

void KeyTable::evict() noexcept {
    while (finished_.size() > finished_max ||
           (finished_bytes_ > finished_bytes_max && !finished_.empty())) {
        const auto oldest = entries_.find(finished_.front());
        finished_bytes_ -= kept_bytes(oldest->second.outcome);
        entries_.erase(oldest);
        finished_.pop_front();
    }
}

bool same_work(const Task& left, const Task& right) {
    const std::optional<gpu::Dispatch>& a_shader = left.extras().dispatch;
    const std::optional<gpu::Dispatch>& b_shader = right.extras().dispatch;
    if (a_shader || b_shader) {
        return a_shader && b_shader && same_dispatch(*a_shader, *b_shader);
    }
    if (left.stage_count() != right.stage_count() || left.env_mode() != right.env_mode() ||
        left.stdin_kind() != right.stdin_kind()) {
        return false;
    }
    for (std::size_t i = 0; i < left.stage_count(); ++i) {
        if (left.stage(i).packed() != right.stage(i).packed()) {
            return false;
        }
    }
    const TaskExtras& a = left.extras();
    const TaskExtras& b = right.extras();
    return a.env == b.env && a.cwd == b.cwd && a.input == b.input;
}

}  // namespace repartir::detail
