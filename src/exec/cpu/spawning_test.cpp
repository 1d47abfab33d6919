// SPDX-License-Identifier: MIT
#include "exec/cpu/spawning.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using namespace std::chrono_literals;

/// A file system that never answers, as a network one whose server is gone: FUSE, and nobody reads
/// its requests. In a mount namespace of the test's own.
class DeadFileSystem {
  public:
    explicit DeadFileSystem(const std::string& folder) : folder_(folder) {
        ::mkdir(folder_.c_str(), 0755);
        server_ = base::Fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
        if (!server_ || ::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            why_not_ = std::strerror(errno);
            return;
        }
        const std::string options =
            "fd=" + std::to_string(server_.get()) + ",rootmode=40000,user_id=0,group_id=0";
        if (::mount("dead", folder_.c_str(), "fuse", MS_NODEV, options.c_str()) != 0) {
            why_not_ = std::strerror(errno);
        }
    }
    DeadFileSystem(const DeadFileSystem&) = delete;
    DeadFileSystem& operator=(const DeadFileSystem&) = delete;
    ~DeadFileSystem() {
        if (why_not_.empty()) {
            ::umount2(folder_.c_str(), MNT_DETACH);
        }
    }
    [[nodiscard]] const std::string& why_not() const { return why_not_; }

  private:
    const std::string folder_;
    std::string why_not_;
    base::Fd server_;  // closing it wakes all who wait
};

class SpawningTest : public ::testing::Test, protected ExecutorFixture {
  protected:
    void SetUp() override {
        if (!dead_.why_not().empty()) {
            GTEST_SKIP() << "no file system that hangs can be made: " << dead_.why_not();
        }
        CpuExecutorOptions options;
        options.slots = 1;
        make(std::move(options));
    }
    [[nodiscard]] Task stuck() const { return Task::binary(in_folder("dead/program")); }
    /// Waits until the one lane is in the kernel, waiting for a child that does not execute.
    static void wait_until_stuck() {
        const auto is_waiting = [] {
            for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
                if (content(task.path() / "comm") == "repartir-cpu0\n") {
                    return content(task.path() / "stat").find(") D ") != std::string::npos ||
                           content(task.path() / "wchan").find("vfork") != std::string::npos;
                }
            }
            return false;
        };
        for (int i = 0; i < 5000 && !is_waiting(); ++i) {
            std::this_thread::sleep_for(1ms);
        }
    }
    void expect_free() {
        EXPECT_EQ(run(Task::binary("/bin/true")).attempt.ending, exited_well) << "the lane is free";
    }

    DeadFileSystem dead_{in_folder("dead")};
};

TEST_F(SpawningTest, ATimeoutFreesTheLane) {
    const auto before = std::chrono::steady_clock::now();
    const AttemptResult result = run(stuck().timeout(100ms));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_GE(std::chrono::steady_clock::now() - before, 100ms);
    expect_free();
}

TEST_F(SpawningTest, ACancellationFreesTheLane) {
    for (const bool force : {false, true}) {
        const Task task = stuck();
        const AttemptId id = start(task);
        wait_until_stuck();
        executor_->cancel(id, CancelReason::cancelled, force);
        EXPECT_EQ(sink_.wait(id).attempt.ending, (Ending{End::cancelled, 0}));
        expect_free();
    }
}

TEST_F(SpawningTest, ACancellationAtAnyMomentFreesTheLane) {
    for (int i = 0; i < 200; ++i) {
        const Task task = stuck();
        const AttemptId id = start(task);
        for (int j = 0; j < i * 10; ++j) {
            (void)base::now();
        }
        executor_->cancel(id, CancelReason::cancelled, false);
        ASSERT_EQ(sink_.wait(id).attempt.ending, (Ending{End::cancelled, 0}));
    }
}

TEST_F(SpawningTest, AShutdownDoesNotWaitForIt) {
    const Task task = stuck();
    const AttemptId id = start(task);
    wait_until_stuck();
    executor_->shutdown();
    EXPECT_EQ(sink_.wait(id).attempt.ending, (Ending{End::cancelled, 0}));
}

TEST_F(SpawningTest, AWorkingDirectoryThatHangsIsTheSame) {
    EXPECT_EQ(run(Task::binary("/bin/true").cwd(in_folder("dead/x")).timeout(50ms)).attempt.ending,
              (Ending{End::timed_out, 0}));
    expect_free();
}

TEST_F(SpawningTest, WhatRunsOfAPipelineGetsItsGrace) {
    const AttemptResult result =
        run(Task::pipeline(shell("trap 'echo bye >&2; exit' TERM; while :; do sleep 0.01; done"),
                           stuck())
                .timeout(300ms)
                .kill_grace(60s));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_NE(result.err.bytes().find("bye\n"), std::string::npos);
    expect_free();
}

TEST_F(SpawningTest, AnEarlierDeadlineIsNotMissed) {
    EXPECT_EQ(run(Task::binary("/bin/true").timeout(1h)).attempt.ending, exited_well);
    EXPECT_EQ(run(stuck().timeout(50ms)).attempt.ending.end, End::timed_out);
    EXPECT_EQ(run(stuck().timeout(50ms)).attempt.ending.end, End::timed_out);
}

}  // namespace
}  // namespace repartir::exec
