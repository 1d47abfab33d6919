// SPDX-License-Identifier: MIT
#include "cli/watched_executor.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <thread>
#include <vector>

namespace repartir::cli {
namespace {

bool readable(int fd) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
}

TEST(Bell, CostsASystemCallOnlyForASleeper) {
    Bell bell;
    bell.ring();
    EXPECT_FALSE(readable(bell.fd()));
    EXPECT_FALSE(bell.about_to_sleep(0));  // it has rung since
    ASSERT_TRUE(bell.about_to_sleep(1));
    EXPECT_FALSE(readable(bell.fd()));
    bell.ring();
    EXPECT_TRUE(readable(bell.fd()));
    bell.awake();
    EXPECT_FALSE(readable(bell.fd()));
    bell.ring();
    EXPECT_FALSE(readable(bell.fd()));
}

TEST(Bell, NoRingIsLost) {
    Bell bell;
    constexpr std::uint64_t rings = 100'000;
    std::thread ringer([&] {
        for (std::uint64_t i = 0; i < rings; ++i) {
            bell.ring();
        }
    });
    std::uint64_t seen = 0;
    while (seen < rings) {
        seen = bell.rings();
        if (seen < rings && bell.about_to_sleep(seen)) {
            pollfd ready{bell.fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&ready, 1, 10'000), 1);  // a lost ring would hang here
            bell.awake();
        }
    }
    ringer.join();
}

/// Holds attempts until the test ends them.
class ManualExecutor final : public Executor {
  public:
    struct Log {
        std::vector<AttemptId> started;
        std::vector<AttemptId> cancelled;
        AttemptSink* sink = nullptr;
        AttemptSink* observer = nullptr;
        Executor* executor = nullptr;
    };
    explicit ManualExecutor(Log& log) : log_(log) {}
    [[nodiscard]] Capabilities capabilities() const override {
        Capabilities can;
        can.backend = Backend::remote;
        can.slots = 5;
        can.running_slots = 2;
        return can;
    }
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override {
        (void)task;
        log_.started.push_back(id);
        log_.sink = &sink;
    }
    void cancel(const AttemptId& id, CancelReason reason, bool force) override {
        (void)reason;
        (void)force;
        log_.cancelled.push_back(id);
    }
    [[nodiscard]] Result<void> accepts(const Task& task) const override {
        if (task.stdin_kind() == Input::nothing) {
            return {};
        }
        return fail(Error(Domain::task, Code::unsupported, Fault::user, "it takes no input"));
    }
    void observe(AttemptSink& sink) override {
        log_.observer = &sink;
        log_.executor = this;
    }
    std::uint32_t give_back(std::uint32_t most) override { return most - 1; }
    [[nodiscard]] bool on_own_thread() const noexcept override { return true; }
    void shutdown() override {}

  private:
    Log& log_;
};

class CountingSink final : public AttemptSink {
  public:
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override {
        (void)result;
        ids.push_back(id);
    }
    void returned(const AttemptId& id) noexcept override { back.push_back(id); }
    void capacity_changed(Executor& executor, Capabilities now) noexcept override {
        changed = &executor;
        slots = now.slots;
    }
    std::vector<AttemptId> ids;
    std::vector<AttemptId> back;
    Executor* changed = nullptr;
    std::uint32_t slots = 0;
};

TEST(WatchedExecutor, KnowsHowManyRunThere) {
    ManualExecutor::Log log;
    WatchedExecutor watched(std::make_unique<ManualExecutor>(log));
    CountingSink sink;
    const Task task = Task::binary("p");
    const JobId job = JobId::random();
    const std::array<std::uint64_t, 4> running{0, 1, 2, 2};
    for (std::uint32_t i = 0; i < 4; ++i) {
        EXPECT_EQ(watched.busy().running, running.at(i));
        watched.start({TaskId{job, i}, 1, 2, 3}, task, sink);
    }
    for (std::uint32_t i = 4; i-- > 0;) {
        log.sink->finished({TaskId{job, i}, 1, 2, 3}, AttemptResult{});
        EXPECT_EQ(watched.busy().running, running.at(i));
    }
    EXPECT_EQ(watched.busy().backend, Backend::remote);
}

TEST(WatchedExecutor, PassesOn) {
    ManualExecutor::Log log;
    WatchedExecutor watched(std::make_unique<ManualExecutor>(log));
    CountingSink sink;
    const AttemptId one{TaskId{JobId::random(), 0}, 1, 2, 3};
    const AttemptId two{TaskId{JobId::random(), 1}, 1, 2, 3};
    const Task task = Task::binary("p");
    watched.start(one, task, sink);
    watched.start(two, task, sink);
    watched.cancel(one, CancelReason::cancelled, false);
    log.sink->finished(one, AttemptResult{});
    ASSERT_EQ(sink.ids.size(), 1U);
    EXPECT_EQ(sink.ids[0], one);
    EXPECT_EQ(log.cancelled, std::vector{one});
    log.sink->finished(two, AttemptResult{});
    log.sink->finished(two, AttemptResult{});  // told once only
    EXPECT_EQ(sink.ids.size(), 2U);
}

TEST(WatchedExecutor, PassesOnWhatAnElasticExecutorSays) {
    ManualExecutor::Log log;
    WatchedExecutor watched(std::make_unique<ManualExecutor>(log));
    CountingSink sink;
    EXPECT_TRUE(watched.accepts(Task::binary("p")));
    EXPECT_FALSE(watched.accepts(Task::binary("p").stdin_inherit()));
    EXPECT_TRUE(watched.on_own_thread());
    EXPECT_EQ(watched.give_back(3), 2U);
    watched.observe(sink);
    Capabilities now;
    now.slots = 7;
    log.observer->capacity_changed(*log.executor, now);
    EXPECT_EQ(sink.changed, &watched) << "in its own name";
    EXPECT_EQ(sink.slots, 7U);

    const AttemptId first{TaskId{JobId::random(), 0}, 1, 2, 3};
    AttemptId again = first;
    again.epoch = 4;
    watched.start(first, Task::binary("p"), sink);
    log.sink->returned(first);
    EXPECT_EQ(sink.back, std::vector{first});
    watched.start(again, Task::binary("p"), sink);
    log.sink->returned(first);
    log.sink->finished(first, AttemptResult{});  // of the old lease: takes nothing from the new one
    log.sink->finished(again, AttemptResult{});
    EXPECT_EQ(sink.ids, std::vector{again});
    EXPECT_EQ(sink.back, std::vector{first});
}

TEST(WatchedExecutor, ClosedItStartsRetriesOnly) {
    ManualExecutor::Log log;
    WatchedExecutor watched(std::make_unique<ManualExecutor>(log));
    CountingSink sink;
    const AttemptId fresh{TaskId{JobId::random(), 0}, 1, 2, 3};
    const AttemptId retry{TaskId{JobId::random(), 1}, 2, 2, 3};
    const Task task = Task::binary("p");
    watched.close();
    watched.start(fresh, task, sink);
    watched.start(retry, task, sink);
    EXPECT_EQ(sink.ids, std::vector{fresh});
    EXPECT_EQ(log.started, std::vector{retry});
    log.sink->finished(retry, AttemptResult{});
}

}  // namespace
}  // namespace repartir::cli
