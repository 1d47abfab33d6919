// SPDX-License-Identifier: MIT
#pragma once
/// @file host_fixture.hpp What tests of hosts share.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "exec/gpu/engine_fixture.hpp"
#include "exec/gpu/host.hpp"

namespace repartir::gpu {

/// Keeps how dispatches ended.
class Ends final : public HostSink {
  public:
    void ended(std::uint64_t id, Ended&& how) noexcept override {
        const std::lock_guard lock(mutex_);
        EXPECT_FALSE(ends_.contains(id)) << id;
        ends_[id] = std::move(how);
        came_.notify_all();
    }
    /// @return how it ended, and what came out: only once.
    Ended wait(std::uint64_t id) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(came_.wait_for(lock, std::chrono::seconds(60), [&] {
            return ends_.contains(id);
        })) << id;
        return std::move(ends_[id]);
    }
    bool has(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        return ends_.contains(id);
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::map<std::uint64_t, Ended> ends_;
};

/// to[i] = 2 from[i], of floats.
inline Work twice(std::uint64_t id, const SharedBuffer& from, const SharedBuffer& to) {
    static const KernelPtr kernel = kernel_of(twice_glsl);
    Work work;
    work.id = id;
    work.kernel = kernel;
    work.workgroups = {static_cast<std::uint32_t>(from.size() / 256 + 1), 1, 1};
    work.buffers = {{BufferUse::in, from.size(), Bytes(from), {}},
                    {BufferUse::out, to.size(), {}, to}};
    return work;
}

/// Never ends.
inline Work endless(std::uint64_t id) {
    static const KernelPtr kernel = kernel_of(endless_glsl);
    Work work;
    work.id = id;
    work.kernel = kernel;
    work.workgroups = {1, 1, 1};
    work.buffers = {{BufferUse::out, 64, {}, {}}};
    return work;
}

}  // namespace repartir::gpu
