// SPDX-License-Identifier: MIT
#include "loop/loop.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace repartir::loop {
namespace {

using namespace std::chrono_literals;
using base::BootTime;

struct Ends {
    base::Fd reader;
    base::Fd writer;
};

Ends make_ends() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    return {base::Fd(ends[0]), base::Fd(ends[1])};
}

class Note final : public Handler {
  public:
    explicit Note(std::function<void(std::uint32_t)> then = {}) : then_(std::move(then)) {}
    void on_event(std::uint32_t events) noexcept override {
        ++calls;
        last = events;
        if (then_) {
            then_(events);
        }
    }
    int calls = 0;
    std::uint32_t last = 0;

  private:
    std::function<void(std::uint32_t)> then_;
};

class Alarm final : public Timer {
  public:
    void on_timer(BootTime now) noexcept override { fired = now; }
    BootTime fired{0};
};

class LoopTest : public ::testing::Test {
  protected:
    LoopTest() : made_(std::move(*Loop::create())), loop_(*made_) {}
    static void poke(const base::Fd& fd) { EXPECT_EQ(::write(fd.get(), "x", 1), 1); }

    std::unique_ptr<Loop> made_;
    Loop& loop_;
};

TEST_F(LoopTest, TellsWhatIsReadyUntilItIsRemoved) {
    const Ends ends = make_ends();
    Note note;
    ASSERT_TRUE(loop_.add(ends.reader.get(), EPOLLIN, note));
    EXPECT_EQ(note.watched(), ends.reader.get());
    EXPECT_EQ(loop_.run_once(BootTime(0)), 0U);
    poke(ends.writer);
    EXPECT_EQ(loop_.run_once(BootTime(0)), 1U);
    EXPECT_EQ(note.last & EPOLLIN, static_cast<std::uint32_t>(EPOLLIN));
    EXPECT_EQ(loop_.run_once(BootTime(0)), 1U) << "level-triggered: it has not been read";
    loop_.remove(note);
    loop_.remove(note);
    EXPECT_FALSE(note.watching());
    EXPECT_EQ(loop_.run_once(BootTime(0)), 0U);
}

TEST_F(LoopTest, ModifyChangesWhatIsWaitedFor) {
    const Ends ends = make_ends();
    Note note;
    ASSERT_TRUE(loop_.add(ends.writer.get(), EPOLLOUT, note));
    EXPECT_EQ(loop_.run_once(BootTime(0)), 1U);
    ASSERT_TRUE(loop_.modify(note, 0));
    EXPECT_EQ(loop_.run_once(BootTime(0)), 0U);
    loop_.remove(note);
}

// The kernel reports both at once; whoever is called first removes the other.
TEST_F(LoopTest, NoEventArrivesAfterRemove) {
    const Ends a = make_ends();
    const Ends b = make_ends();
    Note* other_of_a = nullptr;
    Note* other_of_b = nullptr;
    Note note_a([&](std::uint32_t) { loop_.remove(*other_of_a); });
    Note note_b([&](std::uint32_t) { loop_.remove(*other_of_b); });
    other_of_a = &note_b;
    other_of_b = &note_a;
    ASSERT_TRUE(loop_.add(a.reader.get(), EPOLLIN, note_a));
    ASSERT_TRUE(loop_.add(b.reader.get(), EPOLLIN, note_b));
    poke(a.writer);
    poke(b.writer);
    EXPECT_EQ(loop_.run_once(BootTime(0)), 1U);
    EXPECT_EQ(note_a.calls + note_b.calls, 1);
    loop_.remove(note_a);
    loop_.remove(note_b);
}

// A handler of another descriptor that has the removed one's number must not get its event.
TEST_F(LoopTest, AReusedHandlerAndNumberGetNoStaleEvent) {
    Ends a = make_ends();
    const Ends b = make_ends();
    Note victim;
    Ends fresh;
    const auto replace = [&](std::uint32_t) {
        if (victim.calls == 0 && !fresh.reader) {
            loop_.remove(victim);
            a.reader.reset();
            fresh = make_ends();
            ASSERT_TRUE(loop_.add(fresh.reader.get(), EPOLLIN, victim));
        }
    };
    Note first(replace);
    ASSERT_TRUE(loop_.add(b.reader.get(), EPOLLIN, first));
    ASSERT_TRUE(loop_.add(a.reader.get(), EPOLLIN, victim));
    poke(b.writer);
    poke(a.writer);
    loop_.run_once(BootTime(0));
    if (fresh.reader) {
        EXPECT_EQ(victim.calls, 0);
        loop_.remove(first);
        EXPECT_EQ(loop_.run_once(BootTime(0)), 0U);
    }
    loop_.remove(first);
    loop_.remove(victim);
}

class SelfDestroying final : public Handler {
  public:
    SelfDestroying(Loop& loop, std::unique_ptr<SelfDestroying>& self) : loop_(loop), self_(self) {}
    void on_event(std::uint32_t) noexcept override {
        loop_.remove(*this);
        self_.reset();
    }

  private:
    Loop& loop_;
    std::unique_ptr<SelfDestroying>& self_;
};

TEST_F(LoopTest, AHandlerMayDestroyItself) {
    const Ends ends = make_ends();
    std::unique_ptr<SelfDestroying> handler;
    handler = std::make_unique<SelfDestroying>(loop_, handler);
    ASSERT_TRUE(loop_.add(ends.reader.get(), EPOLLIN, *handler));
    poke(ends.writer);
    EXPECT_EQ(loop_.run_once(BootTime(0)), 1U);
    EXPECT_FALSE(handler);
    EXPECT_EQ(loop_.run_once(BootTime(0)), 0U);
}

TEST_F(LoopTest, MoreEventsThanABatch) {
    std::vector<Ends> ends;
    std::vector<std::unique_ptr<Note>> notes;
    for (int i = 0; i < 200; ++i) {
        ends.push_back(make_ends());
        notes.push_back(std::make_unique<Note>());
        ASSERT_TRUE(loop_.add(ends.back().reader.get(), EPOLLIN, *notes.back()));
        poke(ends.back().writer);
    }
    std::size_t calls = 0;
    for (int i = 0; i < 4; ++i) {
        calls += loop_.run_once(BootTime(0));
    }
    EXPECT_GE(calls, 200U);
    for (const auto& note : notes) {
        EXPECT_GE(note->calls, 1);
        loop_.remove(*note);
    }
}

TEST_F(LoopTest, TimersFireOnTimeAndNotBefore) {
    Alarm soon;
    Alarm never;
    const BootTime begin = base::now();
    loop_.set(soon, begin + 3ms);
    loop_.set(never, begin + 1h);
    while (soon.fired == BootTime(0)) {
        loop_.run_once(base::never);
    }
    EXPECT_GE(soon.fired - begin, 3ms);
    EXPECT_EQ(loop_.now(), soon.fired);
    EXPECT_TRUE(never.armed());
    loop_.cancel(never);
}

TEST_F(LoopTest, TimeoutEndsAWait) {
    const BootTime begin = base::now();
    EXPECT_EQ(loop_.run_once(2ms), 0U);
    EXPECT_GE(base::now() - begin, 2ms);
}

TEST_F(LoopTest, PostedFunctionsRunInOrderAndMayPost) {
    std::vector<int> order;
    loop_.post([&]() noexcept {
        order.push_back(1);
        loop_.post([&]() noexcept { order.push_back(3); });
    });
    loop_.post([&]() noexcept { order.push_back(2); });
    EXPECT_EQ(loop_.run_once(base::never), 2U) << "it must not sleep on work that is there";
    EXPECT_EQ(loop_.run_once(base::never), 1U);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// Each round the poster waits until the loop has seen the last post, so that the loop is about to
// sleep, or asleep, whenever the next arrives. A lost wake-up hangs here.
TEST_F(LoopTest, NoWakeUpIsLost) {
    constexpr int rounds = 20'000;
    std::atomic<int> seen = 0;
    std::thread poster([&] {
        for (int i = 0; i < rounds; ++i) {
            loop_.post([&]() noexcept { ++seen; });
            while (seen.load() <= i) {
                std::this_thread::yield();
            }
        }
        loop_.stop();
    });
    loop_.run();
    poster.join();
    EXPECT_EQ(seen, rounds);
}

TEST_F(LoopTest, ManyThreadsMayPost) {
    constexpr int posts = 5'000;
    int sum = 0;  // touched by the loop's thread only
    std::array<std::thread, 3> threads;
    for (std::thread& thread : threads) {
        thread = std::thread([&] {
            for (int i = 0; i < posts; ++i) {
                loop_.post([&]() noexcept {
                    if (++sum == 3 * posts) {
                        loop_.stop();
                    }
                });
            }
        });
    }
    loop_.run();
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(sum, 3 * posts);
}

TEST_F(LoopTest, StopBeforeRunIsNotLost) {
    loop_.stop();
    loop_.run();
    SUCCEED();
}

TEST_F(LoopTest, AnIdleLoopUsesNoCpu) {
    loop_.run_once(1ms);
    loop_.wake();
    loop_.run_once(base::never);  // takes the wake-up
    timespec before{}, after{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    const BootTime begin = base::now();
    while (base::now() - begin < 100ms) {
        loop_.run_once(100ms);
    }
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    const auto used = (after.tv_sec - before.tv_sec) * 1s + (after.tv_nsec - before.tv_nsec) * 1ns;
    EXPECT_LT(used, 10ms);
}

TEST_F(LoopTest, ATimerThatIsSetEarlierWakesEarlierAndOneThatIsSetLaterLater) {
    Alarm first;
    Alarm second;
    for (int round = 0; round < 20; ++round) {
        first.fired = second.fired = BootTime(0);
        const BootTime begin = base::now();
        loop_.set(first, begin + 1h);
        loop_.run_once(1ms);  // sleeps with that in mind
        loop_.set(second, begin + 3ms);
        while (second.fired == BootTime(0)) {
            loop_.run_once(base::never);
        }
        EXPECT_GE(second.fired - begin, 3ms);
        loop_.set(first, base::now() + 1ms);
        const BootTime again = base::now();
        while (first.fired == BootTime(0)) {
            loop_.run_once(base::never);
        }
        EXPECT_LT(first.fired - again, 1s);
    }
}

TEST_F(LoopTest, ATimerThatIsDueAlreadyFiresAtOnce) {
    Alarm alarm;
    for (const BootTime due : {BootTime(0), BootTime(-5), BootTime(1), base::now() - 1s}) {
        alarm.fired = BootTime(0);
        loop_.set(alarm, due);
        for (int rounds = 0; alarm.fired == BootTime(0); ++rounds) {
            ASSERT_LT(rounds, 3);
            loop_.run_once(base::never);
        }
    }
}

// Makes timerfd_create fail in this process from now on, as where no descriptor is left.
bool refuse_timers() {
    std::array<sock_filter, 4> program{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_create, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMFILE),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter{.len = program.size(), .filter = program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(LoopTest, WithoutADescriptorForItTimersAreLateButNotEarly) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        Alarm alarm;
        const BootTime begin = base::now();
        if (!refuse_timers()) {
            ::_exit(2);
        }
        loop_.set(alarm, begin + 3500us);
        int rounds = 0;
        while (alarm.fired == BootTime(0)) {
            loop_.run_once(base::never);
            ++rounds;
        }
        ::_exit(alarm.fired - begin >= 3500us && rounds <= 3 ? 0 : 1);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_F(LoopTest, WhoLooksSeesEventsTimersAndWakeUps) {
    Ends ends = make_ends();
    Note note;
    ASSERT_TRUE(loop_.add(ends.reader.get(), EPOLLIN, note));
    ASSERT_EQ(::write(ends.writer.get(), "x", 1), 1);
    EXPECT_EQ(loop_.run_once(base::never, 1h), 1U);
    loop_.remove(note);
    Alarm alarm;
    loop_.set(alarm, base::now() + 2ms);
    while (alarm.fired == BootTime(0)) {
        loop_.run_once(base::never, 50us);
    }
    std::thread other([&] { loop_.post([]() noexcept {}); });
    EXPECT_EQ(loop_.run_once(base::never, 1h), 1U);
    other.join();
}

// Else a process that was stopped takes all its peers for dead before it reads what they said.
TEST_F(LoopTest, WhoWasStoppedHearsWhatCameBeforeWhatIsDue) {
    const Ends ends = make_ends();
    const BootTime due = base::now() + 100ms;
    const pid_t child = ::fork();
    if (child == 0) {
        const std::unique_ptr<Loop> loop = std::move(*Loop::create());
        Note note;
        Alarm alarm;
        static_cast<void>(loop->add(ends.reader.get(), EPOLLIN, note));
        loop->set(alarm, due);
        loop->run_once(base::never);
        ::_exit(note.calls == 1 ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    const std::string path = "/proc/" + std::to_string(child) + "/wchan";
    const auto sleeps = [&] {
        std::string where;
        std::ifstream(path) >> where;
        return where.find("poll") != std::string::npos;
    };
    while (!sleeps() && base::now() < due - 50ms) {
        std::this_thread::yield();
    }
    int status = 0;
    ASSERT_EQ(::kill(child, SIGSTOP), 0);
    ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
    poke(ends.writer);
    std::this_thread::sleep_for(due - base::now() + 1ms);
    ASSERT_EQ(::kill(child, SIGCONT), 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(LoopTest, RegularFilesAreRefused) {
    const base::Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    Note note;
    const Result<void> added = loop_.add(file.get(), EPOLLIN, note);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code(), Code::unsupported);
    EXPECT_FALSE(note.watching());
    const Result<void> closed = loop_.add(9999, EPOLLIN, note);
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().sentence(), "cannot watch descriptor 9999: Bad file descriptor");
}

TEST_F(LoopTest, WithoutDescriptorsThereIsNoLoop) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    for (const rlim_t free : {rlim_t{0}, rlim_t{1}}) {
        const base::Fd next(::fcntl(0, F_DUPFD_CLOEXEC, 0));
        const auto number = static_cast<rlim_t>(next.get());
        rlimit low = before;
        low.rlim_cur = number + 1 + free;
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
        const auto refused = Loop::create();
        ::setrlimit(RLIMIT_NOFILE, &before);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Code::out_of_resources);
        EXPECT_TRUE(refused.error().retryable());
    }
}

}  // namespace
}  // namespace repartir::loop
