// SPDX-License-Identifier: MIT
#include "proc/child.hpp"

#include <gmock/gmock.h>
#include <pthread.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <optional>
#include <thread>

#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds linger = 300ms;

// One task with its readers, as an executor would keep it.
class Job final : public ChildGroup::Observer, public PipeReader::Sink {
  public:
    Job(loop::Loop& loop, Spawner& spawner)
        : loop_(loop), spawner_(spawner), group(loop, *this, linger) {}

    // Adds a stage of a pipeline. @return whether it started
    bool start(std::vector<std::string> argv, bool last = true) {
        const std::string program = argv.front();
        const Strings arguments(std::move(argv));
        const Strings environment({"PATH=/usr/bin:/bin", "LC_ALL=C"});
        Pipe pipe = std::move(*make_pipe(last ? OurEnd::reader : OurEnd::neither));
        SpawnPlan plan;
        plan.program = program.c_str();
        plan.argv = arguments.data();
        plan.envp = environment.data();
        plan.in = upstream_.get();
        plan.out = pipe.writer.get();
        plan.group = group.running() ? Group::join : Group::own;
        plan.group_id = group.group_id();
        auto child = spawner_.spawn(plan);
        EXPECT_TRUE(child) << child.error().sentence();
        if (!child || !group.adopt(std::move(*child))) {
            return false;
        }
        exits.emplace_back();
        if (last) {
            EXPECT_TRUE(reader_.open(loop_, std::move(pipe.reader), buffer_, *this));
            group.attach(reader_);
        } else {
            upstream_ = std::move(pipe.reader);
        }
        return true;
    }
    bool shell(const std::string& script) { return start({"/bin/sh", "-c", script}); }
    void wait() {
        while (!ended) {
            loop_.run_once(base::never);
        }
    }
    void wait_for_output(std::string_view text) {
        while (!output.contains(text)) {
            loop_.run_once(base::never);
        }
    }

    void on_exit(ChildGroup&, std::size_t index, const Exit& exit) noexcept override {
        EXPECT_FALSE(exits.at(index));
        exits.at(index) = exit;
    }
    void on_ended(ChildGroup& which) noexcept override {
        EXPECT_EQ(&which, &group);
        EXPECT_FALSE(reader_.is_open());
        EXPECT_FALSE(group.running());
        ended = true;
    }
    void on_bytes(PipeReader&, std::span<const std::byte> bytes) noexcept override {
        for (const std::byte byte : bytes) {
            output += static_cast<char>(byte);
        }
    }
    void on_end(PipeReader& reader, int os_error) noexcept override {
        EXPECT_EQ(os_error, 0);
        group.reader_ended(reader);
    }

  private:
    loop::Loop& loop_;
    Spawner& spawner_;
    PipeReader reader_;
    base::Fd upstream_;
    std::array<std::byte, 4096> buffer_{};

  public:
    ChildGroup group;
    std::vector<std::optional<Exit>> exits;
    std::string output;
    bool ended = false;
};

class ChildTest : public ::testing::Test {
  protected:
    ChildTest()
        : loop_(std::move(*loop::Loop::create())), spawner_(std::move(*Spawner::create())) {}

    std::unique_ptr<loop::Loop> loop_;
    std::unique_ptr<Spawner> spawner_;
};

// Whether a process of this id still does something. A zombie does not.
bool alive(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t at = text.rfind(')');
    return at != std::string::npos && text[at + 2] != 'Z' && text[at + 2] != 'X';
}

// Waits until it does not. Only for processes that have been killed.
void await_death(pid_t pid) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (alive(pid) && std::chrono::steady_clock::now() < limit) {
        std::this_thread::yield();
    }
    EXPECT_FALSE(alive(pid));
}

TEST_F(ChildTest, TellsExitCodeOutputAndUsage) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.shell("echo hi; exit 5"));
    EXPECT_TRUE(job.group.running());
    job.wait();
    EXPECT_EQ(job.output, "hi\n");
    ASSERT_TRUE(job.exits[0]);
    EXPECT_EQ(job.exits[0]->code, 5);
    EXPECT_FALSE(job.exits[0]->signaled);
    EXPECT_FALSE(job.exits[0]->lost);
    EXPECT_GT(job.exits[0]->max_rss_bytes, 100'000U);
    EXPECT_GT(job.exits[0]->user + job.exits[0]->system, 0us);
    EXPECT_GT(job.exits[0]->at, base::BootTime(0));
}

TEST_F(ChildTest, ABackgroundChildThatHoldsThePipeDoesNotHoldTheTask) {
    Job job(*loop_, *spawner_);
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(job.shell("sleep 100 & echo $!"));
    job.wait();
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, linger);
    EXPECT_LT(took, 50s);
    EXPECT_EQ(job.exits[0]->code, 0);
    await_death(std::atoi(job.output.c_str()));
}

TEST_F(ChildTest, ABackgroundChildThatHoldsNoPipeIsKilledAtOnce) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.shell("sleep 100 >/dev/null 2>&1 & echo $!"));
    job.wait();
    await_death(std::atoi(job.output.c_str()));
}

TEST_F(ChildTest, WhatABackgroundChildWritesWhileItLingersArrives) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.shell("(sleep 0.05; echo late) & echo early"));
    job.wait();
    EXPECT_EQ(job.output, "early\nlate\n");
}

TEST_F(ChildTest, AnEscapedProcessDoesNotHoldTheTask) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.shell("setsid sleep 100 & echo $!; sleep 0.05"));
    job.wait();
    const pid_t escaped = std::atoi(job.output.c_str());
    EXPECT_TRUE(alive(escaped)) << "a process group does not hold what calls setsid";
    ::kill(escaped, SIGKILL);
    await_death(escaped);
}

TEST_F(ChildTest, TerminateIsGentleThenKills) {
    Job gentle(*loop_, *spawner_);
    ASSERT_TRUE(
        gentle.shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"));
    gentle.wait_for_output("up");
    gentle.group.terminate(100s);
    gentle.wait();
    EXPECT_EQ(gentle.output, "up\nbye\n");
    EXPECT_EQ(gentle.exits[0]->code, 3);

    Job stubborn(*loop_, *spawner_);
    ASSERT_TRUE(stubborn.shell("trap '' TERM; echo up; while :; do sleep 0.01; done"));
    stubborn.wait_for_output("up");
    stubborn.group.terminate(100s);
    stubborn.group.terminate(20ms);
    stubborn.group.terminate(100s);  // a longer grace does not extend the shorter one
    stubborn.wait();
    EXPECT_TRUE(stubborn.exits[0]->signaled);
    EXPECT_EQ(stubborn.exits[0]->code, SIGKILL);
}

TEST_F(ChildTest, ASecondTerminateSendsNoSecondSignal) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(
        job.shell("trap 'echo bye' TERM; trap 'echo end; exit' URG; echo up; "
                  "while :; do sleep 0.01; done"));
    job.wait_for_output("up");
    job.group.terminate(100s);
    job.wait_for_output("bye");
    job.group.terminate(100s);
    job.group.signal(SIGURG);  // of a higher number: its trap runs after that of SIGTERM
    job.wait();
    EXPECT_EQ(job.output, "up\nbye\nend\n");
}

TEST_F(ChildTest, AStoppedProgramCanBeTerminated) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.start({"/bin/sleep", "100"}));
    EXPECT_FALSE(job.group.stopped());
    job.group.signal(SIGSTOP);
    while (!job.group.stopped()) {
        std::this_thread::yield();
    }
    job.group.terminate(100s);
    job.wait();
    EXPECT_EQ(job.exits[0]->code, SIGTERM);
}

TEST_F(ChildTest, KillReachesTheWholeGroup) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.shell("sleep 100 & echo $!; wait"));
    job.wait_for_output("\n");
    job.group.kill();
    job.wait();
    EXPECT_EQ(job.exits[0]->code, SIGKILL);
    await_death(std::atoi(job.output.c_str()));
}

TEST_F(ChildTest, PipelineTellsEveryStage) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.start({"/bin/sh", "-c", "printf 'b\\na\\n'; exit 4"}, false));
    ASSERT_TRUE(job.start({"/usr/bin/sort"}));
    job.wait();
    EXPECT_EQ(job.output, "a\nb\n");
    EXPECT_EQ(job.exits[0]->code, 4);
    EXPECT_EQ(job.exits[1]->code, 0);
}

TEST_F(ChildTest, LateStagesHaveTheLeadersGroupEvenWhenItHasEnded) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.start({"/bin/true"}, false));
    const pid_t leader = job.group.group_id();
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(leader), &info, WEXITED | WNOWAIT), 0);
    ASSERT_TRUE(job.shell("read -r p c s pp g rest < /proc/self/stat; echo $g"));
    job.wait();
    EXPECT_EQ(job.output, std::to_string(leader) + "\n");
}

TEST_F(ChildTest, AGroupCanBeUsedAgain) {
    Job job(*loop_, *spawner_);
    for (int i = 0; i < 3; ++i) {
        job.ended = false;
        job.output.clear();
        job.exits.clear();
        ASSERT_TRUE(job.shell("echo " + std::to_string(i)));
        job.wait();
        EXPECT_EQ(job.output, std::to_string(i) + "\n");
    }
}

TEST_F(ChildTest, DestroyingAGroupKillsIt) {
    pid_t pid = 0;
    {
        Job job(*loop_, *spawner_);
        ASSERT_TRUE(job.start({"/bin/sleep", "100"}));
        pid = job.group.group_id();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH) << "it is reaped";
}

TEST_F(ChildTest, AStolenChildIsToldAsLost) {
    Job job(*loop_, *spawner_);
    ASSERT_TRUE(job.start({"/bin/true"}));
    ::waitpid(job.group.group_id(), nullptr, 0);
    job.wait();
    EXPECT_TRUE(job.exits[0]->lost);
}

TEST_F(ChildTest, FiveThousandChildrenLeakNothing) {
    const std::set<int> before = open_descriptors();
    constexpr std::size_t at_once = 8;
    constexpr int total = 5000;
    int started = 0;
    int finished = 0;
    std::deque<Job> jobs;
    for (std::size_t i = 0; i < at_once; ++i) {
        jobs.emplace_back(*loop_, *spawner_);
    }
    while (finished < total) {
        for (Job& job : jobs) {
            if (job.ended) {
                ++finished;
                ASSERT_EQ(job.exits[0]->code, 0);
                job.exits.clear();
                job.ended = false;
            }
            if (!job.group.running() && started < total) {
                ASSERT_TRUE(job.start({"/bin/true"}));
                ++started;
            }
        }
        loop_->run_once(finished < total ? base::never : base::BootTime(0));
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace repartir::proc
