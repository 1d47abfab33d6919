// SPDX-License-Identifier: MIT
// Many children, and what must not be left of them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "exec/cpu/executor_fixture.hpp"

#ifndef REPARTIR_TINY_PROGRAM
#error "the build names the tiny program"
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPARTIR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPARTIR_SANITIZED 1
#endif
#endif

namespace repartir::exec {
namespace {

#ifdef REPARTIR_SANITIZED
constexpr int children = 2'000;
#else
constexpr int children = 20'000;
#endif

[[nodiscard]] std::set<std::string> open_descriptors() {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
        if (!gone && target.find("/proc/") == std::string::npos) {
            all.insert(entry.path().filename().string() + " -> " + target);
        }
    }
    return all;
}

/// @return whether this process has a child, dead or alive.
[[nodiscard]] bool has_children() {
    ::siginfo_t ignored{};
    return ::waitid(P_ALL, 0, &ignored, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// Starts the next attempt from where the last one ended, as the scheduler does.
class Relay final : public AttemptSink {
  public:
    Relay(CpuExecutor& executor, const Task& task, int count)
        : executor_(executor), task_(task), left_(count), open_(count) {}
    void start_one() {
        if (left_.fetch_sub(1) > 0) {
            const auto element = static_cast<std::uint32_t>(started_.fetch_add(1));
            executor_.start({{job_, element}, 1, 1, 1}, task_, *this);
        }
    }
    void finished(const AttemptId&, AttemptResult&& result) noexcept override {
        well_ += result.attempt.ending.ok() ? 1 : 0;
        start_one();
        if (open_.fetch_sub(1) == 1) {
            open_.notify_all();
        }
    }
    [[nodiscard]] int wait() {
        for (int open = open_.load(); open > 0; open = open_.load()) {
            open_.wait(open);
        }
        return well_.load();
    }

  private:
    CpuExecutor& executor_;
    const Task& task_;
    const JobId job_ = JobId::random();
    std::atomic<int> left_;
    std::atomic<int> open_;
    std::atomic<int> started_{0};
    std::atomic<int> well_{0};
};

TEST(CpuExecutorLoad, ThousandsOfTinyChildrenLeaveNothing) {
    ASSERT_FALSE(has_children());
    const std::set<std::string> before = open_descriptors();
    {
        auto executor = CpuExecutor::create({});
        ASSERT_TRUE(executor.has_value());
        const Task task = Task::binary(REPARTIR_TINY_PROGRAM);
        Relay relay(**executor, task, children);
        for (std::uint32_t i = 0; i < (*executor)->capabilities().slots; ++i) {
            relay.start_one();
        }
        EXPECT_EQ(relay.wait(), children);
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_FALSE(has_children());
}

TEST(CpuExecutorLoad, EveryKindOfTaskAndEndLeavesNothing) {
    const std::set<std::string> before = open_descriptors();
    {
        CpuExecutorOptions options;
        options.slots = 4;
        options.capture_bytes = 1000;
        auto executor = CpuExecutor::create(std::move(options));
        ASSERT_TRUE(executor.has_value());
        RecordingSink sink;
        const std::vector<Task> kinds{
            shell("head -c 5000 /dev/zero"),
            shell("exit 3"),
            Task::binary("/nonexistent"),
            Task::pipeline(Task::binary("yes"), Task::binary("head", "-1")),
            Task::pipeline(Task::binary("yes"), Task::binary("/nonexistent"), Task::binary("cat")),
            Task::binary("cat").stdin_bytes(std::string(200'000, 'x')),
            Task::binary("true").stdin_bytes(std::string(200'000, 'x')),
            Task::binary("cat").stdin_file("/nonexistent"),
            Task::binary("sleep", "600").timeout(std::chrono::milliseconds(10)),
            shell("setsid sleep 0.1 > /dev/null 2>&1 &"),
        };
        std::vector<AttemptId> ids;
        const JobId job = JobId::random();
        constexpr std::uint32_t rounds = 5;
        for (std::uint32_t i = 0; i < rounds * kinds.size(); ++i) {
            ids.push_back({{job, i}, 1, 1, 1});
            (*executor)->start(ids.back(), kinds[i % kinds.size()], sink);
        }
        for (const AttemptId& id : ids) {
            (void)sink.wait(id);
        }
        EXPECT_EQ(sink.told(), rounds * kinds.size());
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_FALSE(has_children());
}

TEST(CpuExecutorLoad, StartingAndCancellingFromManyThreadsTellsEachSinkOnce) {
    RecordingSink sink;
    constexpr std::uint32_t each = 40;
    constexpr std::uint32_t threads = 4;
    {
        CpuExecutorOptions options;
        options.slots = 4;
        auto executor = CpuExecutor::create(std::move(options));
        ASSERT_TRUE(executor.has_value());
        const Task quick = Task::binary(REPARTIR_TINY_PROGRAM);
        const Task slow = Task::binary("sleep", "600");
        std::vector<std::thread> crowd;
        for (std::uint32_t t = 0; t < threads; ++t) {
            crowd.emplace_back([&] {
                const JobId job = JobId::random();
                for (std::uint32_t i = 0; i < each; ++i) {
                    const AttemptId id{{job, i}, 1, 1, 1};
                    (*executor)->start(id, i % 2 == 0 ? quick : slow, sink);
                    if (i % 2 == 1) {
                        (*executor)->cancel(id, CancelReason::cancelled, i % 4 == 1);
                    }
                    const AttemptResult result = sink.wait(id);
                    EXPECT_EQ(result.attempt.ending.end, i % 2 == 0 ? End::exited : End::cancelled);
                }
            });
        }
        for (std::thread& thread : crowd) {
            thread.join();
        }
    }
    EXPECT_EQ(sink.told(), std::size_t{each} * threads);
    EXPECT_FALSE(has_children());
}

/// @return whether a descriptor has bytes or its end within a generous time.
[[nodiscard]] bool readable(int fd) {
    constexpr int patience_ms = 30'000;
    ::pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, patience_ms) == 1;
}

TEST(CpuExecutorLoad, NothingSurvivesAKillOfThisProcess) {
    char folder[] = "/tmp/repartir-kill-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string fifo = std::string(folder) + "/alive";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const ::pid_t victim = ::fork();
    if (victim == 0) {
        auto executor = CpuExecutor::create({});
        RecordingSink sink;
        const Task task =
            shell("exec 3> " + fifo + "; trap '' TERM HUP; sleep 600 & echo up >&3; sleep 600");
        (*executor)->start({}, task, sink);
        (void)sink.wait({});
        ::_exit(0);
    }
    // Opened for reading and writing it would never end: the programs must be its only writers.
    const int alive = ::open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
    char text[16] = {};
    ASSERT_TRUE(readable(alive));
    ASSERT_EQ(::read(alive, text, sizeof text), 3);
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    ASSERT_EQ(::waitpid(victim, nullptr, 0), victim);
    EXPECT_TRUE(readable(alive));
    EXPECT_EQ(::read(alive, text, sizeof text), 0) << "the last program that held it is gone";
    ::close(alive);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace repartir::exec
