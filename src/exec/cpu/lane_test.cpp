// SPDX-License-Identifier: MIT
#include "exec/cpu/lane.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using namespace std::chrono_literals;

class LaneTest : public ::testing::Test, protected ExecutorFixture {};

TEST_F(LaneTest, ATimeoutEndsAProgram) {
    const auto before = std::chrono::steady_clock::now();
    const AttemptResult result = run(Task::binary("sleep", "600").timeout(50ms));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_GE(result.attempt.wall, 50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 30s);
}

/// What a program says, as it says it; for tests that must know how far it has come.
class Listener {
  public:
    [[nodiscard]] OutputCallback callback() {
        return [this](Stream, std::span<const char> bytes) {
            const std::scoped_lock lock(mutex_);
            heard_.append(bytes.data(), bytes.size());
            changed_.notify_all();
        };
    }
    void wait_for(std::string_view word) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return heard_.find(word) != std::string::npos; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string heard_;
};

TEST_F(LaneTest, AProgramThatIgnoresSigtermIsKilledAfterItsGrace) {
    Listener listener;
    const Task task = shell("trap '' TERM; echo ready; while :; do sleep 600; done")
                          .on_output(listener.callback())
                          .kill_grace(100ms);
    const AttemptId id = start(task);
    listener.wait_for("ready");
    const auto before = std::chrono::steady_clock::now();
    executor_->cancel(id, CancelReason::timed_out, false);
    EXPECT_EQ(sink_.wait(id).attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_GE(std::chrono::steady_clock::now() - before, 100ms);
}

TEST_F(LaneTest, TheGraceLetsAProgramCleanUp) {
    Listener listener;
    const Task task =
        shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
            .on_output(listener.callback())
            .kill_grace(60s);
    const AttemptId id = start(task);
    listener.wait_for("ready");
    executor_->cancel(id, CancelReason::cancelled, false);
    EXPECT_EQ(sink_.wait(id).attempt.ending, (Ending{End::cancelled, 0}));
    listener.wait_for("bye");
}

TEST_F(LaneTest, ATimeoutEndsAllStages) {
    const AttemptResult result = run(
        Task::pipeline(Task::binary("sleep", "600"), Task::binary("sleep", "600")).timeout(50ms));
    EXPECT_EQ(result.attempt.ending.end, End::timed_out);
    EXPECT_EQ(result.attempt.stages.size(), 2U);
}

TEST_F(LaneTest, CancelEndsGentlyOrByForce) {
    const Task gentle = Task::binary("sleep", "600");
    const AttemptId first = start(gentle);
    executor_->cancel(first, CancelReason::cancelled, false);
    executor_->cancel(first, CancelReason::timed_out, false);
    EXPECT_EQ(sink_.wait(first).attempt.ending, (Ending{End::cancelled, 0}));
    const Task stubborn = shell("trap '' TERM; while :; do sleep 600; done").kill_grace(600s);
    const AttemptId second = start(stubborn);
    executor_->cancel(second, CancelReason::timed_out, false);
    executor_->cancel(second, CancelReason::cancelled, true);
    EXPECT_EQ(sink_.wait(second).attempt.ending, (Ending{End::timed_out, 0})) << "the first counts";
    executor_->cancel(second, CancelReason::cancelled, true);  // unknown by now: ignored
}

TEST_F(LaneTest, AProgramWhoseOutputIsHeldWaitsAndNoOtherDoes) {
    std::promise<AttemptId> known;
    const std::shared_future<AttemptId> id = known.get_future().share();
    std::atomic<std::uint64_t> bytes{0};
    const Task task = shell("head -c 1000000 /dev/zero; exit 3")
                          .on_output([&](Stream, std::span<const char> text) {
                              bytes += text.size();
                              executor_->hold_output(id.get());
                          });
    known.set_value(start(task));
    EXPECT_EQ(run(shell("sleep 0.2; exit 4")).attempt.ending, (Ending{End::exited, 4}));
    EXPECT_LE(bytes, 300'000U) << "a read, and no more";
    EXPECT_EQ(sink_.told(), 1U);
    while (sink_.told() == 1) {
        executor_->release_output(id.get());
        std::this_thread::yield();
    }
    EXPECT_EQ(sink_.wait(id.get()).attempt.ending, (Ending{End::exited, 3}));
    EXPECT_EQ(bytes, 1'000'000U);
    executor_->release_output(id.get());  // unknown by now: ignored
}

TEST_F(LaneTest, WhatIsHeldEndsAllTheSame) {
    std::promise<AttemptId> known;
    const std::shared_future<AttemptId> id = known.get_future().share();
    std::atomic<std::uint64_t> bytes{0};
    const auto hold = [&](Stream, std::span<const char> text) {
        bytes += text.size();
        executor_->hold_output(id.get());
    };
    const Task task = shell("echo 1; sleep 0.1; head -c 50000 /dev/zero").on_output(hold);
    const auto before = std::chrono::steady_clock::now();
    known.set_value(start(task));
    EXPECT_EQ(sink_.wait(id.get()).attempt.ending, exited_well);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 900ms) << "nobody has it open";
    EXPECT_EQ(bytes, 50'002U);
}

TEST_F(LaneTest, CancelRacesWithTheEnd) {
    const Task task = Task::binary("/bin/true");
    for (int i = 0; i < 200; ++i) {
        const AttemptId id = start(task);
        if (i % 2 == 0) {
            std::this_thread::yield();
        }
        executor_->cancel(id, CancelReason::cancelled, i % 3 == 0);
        const End end = sink_.wait(id).attempt.ending.end;
        EXPECT_TRUE(end == End::exited || end == End::cancelled);
    }
    EXPECT_EQ(sink_.told(), 200U);
}

TEST_F(LaneTest, ShutdownEndsWhatRunsAndTellsEverySink) {
    const Task task = shell("trap '' TERM; sleep 600");
    std::vector<AttemptId> ids;
    for (int i = 0; i < 6; ++i) {
        ids.push_back(start(task));
    }
    executor_->shutdown();
    EXPECT_EQ(sink_.told(), 6U);
    for (const AttemptId& id : ids) {
        EXPECT_EQ(sink_.wait(id).attempt.ending.end, End::cancelled);
    }
    executor_->shutdown();
    const AttemptResult late = run(task);
    EXPECT_EQ(late.attempt.ending.end, End::not_started);
    EXPECT_EQ(late.attempt.error->code(), Code::shut_down);
}

/// In a process of its own: becomes the leader of a session with a terminal as its stdin and runs a
/// program that reads from it. @return 0 when the program read, and the terminal came back.
int run_on_terminal(int terminal) {
    if (::setsid() < 0 || ::ioctl(terminal, TIOCSCTTY, 0) != 0 || ::dup2(terminal, 0) != 0) {
        return 10;
    }
    ExecutorFixture fixture;
    const AttemptResult result =
        fixture.run(shell("read line; echo got $line").stdin_inherit().timeout(20s));
    if (!result.attempt.ending.ok() || result.out.bytes() != "got it\n") {
        return 11;
    }
    return ::tcgetpgrp(0) == ::getpgrp() ? 0 : 12;
}

TEST(LaneTerminal, AProgramThatInheritsATerminalMayReadFromItAndGivesItBack) {
    const int ours = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ours < 0 || ::grantpt(ours) != 0 || ::unlockpt(ours) != 0) {
        GTEST_SKIP() << "no pseudoterminal can be made here (/dev/pts is not mounted)";
    }
    const int theirs = ::open(::ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(theirs, 0);
    ASSERT_EQ(::write(ours, "it\n", 3), 3);
    const ::pid_t child = ::fork();
    if (child == 0) {
        ::_exit(run_on_terminal(theirs));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << WEXITSTATUS(status);
    ::close(theirs);
    ::close(ours);
}

}  // namespace
}  // namespace repartir::exec
