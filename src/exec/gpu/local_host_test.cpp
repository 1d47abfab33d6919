// SPDX-License-Identifier: MIT
#include "exec/gpu/local_host.hpp"

#include <gtest/gtest.h>

#include "exec/gpu/host_fixture.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

class LocalHosts : public OnSwiftShader {
  protected:
    void open(LocalHostOptions options = {}) {
        options.discovery.allow_cpu = true;
        host_ = LocalHost::open(options, ends_).value();
    }

    Ends ends_;
    std::unique_ptr<LocalHost> host_;
};

TEST_F(LocalHosts, NobodyHasToWait) {
    open();
    for (std::uint64_t id = 1; id <= 20; ++id) {
        host_->start(
            twice(id, SharedBuffer::create(400).value(), SharedBuffer::create(400).value()));
        EXPECT_EQ(ends_.wait(id).how, Ended::How::done);
    }
}

TEST_F(LocalHosts, SharedBuffersAreUsedInPlace) {
    open();
    constexpr std::size_t bytes = 1U << 20U;
    {
        SharedBuffer from = SharedBuffer::create(bytes).value();
        SharedBuffer to = SharedBuffer::create(bytes).value();
        for (std::uint64_t id = 1; id <= 3; ++id) {
            const float value = static_cast<float>(id);
            std::ranges::fill(
                std::span(reinterpret_cast<float*>(from.writable().data()), bytes / 4),
                value);  // SAFETY: floats may be made of bytes
            host_->start(twice(id, from, to));
            const Ended ended = ends_.wait(id);
            ASSERT_EQ(ended.how, Ended::How::done);
            EXPECT_EQ(ended.buffers.at(0).as<float>().back(), 2 * value);
            EXPECT_EQ(ended.buffers.at(0).view().data(), to.bytes().data());
            EXPECT_EQ(host_->memory_use().imported, 2U);
        }
    }
    // What is gone is let go with the next that is new.
    host_->start(
        twice(9, SharedBuffer::create(bytes).value(), SharedBuffer::create(bytes).value()));
    EXPECT_EQ(ends_.wait(9).how, Ended::How::done);
    EXPECT_LE(host_->memory_use().imported, 2U);
}

TEST_F(LocalHosts, AllIsToldAtTheEnd) {
    open();
    const SharedBuffer from = SharedBuffer::create(400'000).value();
    for (std::uint64_t id = 1; id <= 50; ++id) {
        host_->start(twice(id, from, SharedBuffer::create(400'000).value()));
    }
    host_->close();
    for (std::uint64_t id = 1; id <= 50; ++id) {
        EXPECT_TRUE(ends_.has(id)) << id;
    }
    host_->start(twice(51, from, SharedBuffer::create(400'000).value()));
    EXPECT_EQ(ends_.wait(51).how, Ended::How::not_begun);
}

TEST_F(LocalHosts, ADeviceThatHangsIsGivenUp) {
    // In a process of its own, since the driver's threads go on.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            LocalHostOptions options;
            options.dispatch_time_max = 200ms;
            open(options);
            host_->start(endless(1));
            const Ended hung = ends_.wait(1);
            const SharedBuffer buffer = SharedBuffer::create(64).value();
            host_->start(twice(2, buffer, buffer));
            const Ended next = ends_.wait(2);
            host_->close();
            host_.reset();
            ::_exit(hung.how == Ended::How::hung && next.how == Ended::How::not_begun ? 7 : 1);
        },
        testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace repartir::gpu
