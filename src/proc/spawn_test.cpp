// SPDX-License-Identifier: MIT
#include "proc/spawn.hpp"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

using ::testing::HasSubstr;

class Spawn : public WithSpawner {};
INSTANTIATE_TEST_SUITE_P(Ways, Spawn, ::testing::Values(CloneWay::clone3, CloneWay::clone),
                         name_of_way);

TEST_P(Spawn, GivesExitCodeAndOutput) {
    const Ran ran = shell("echo hello; exit 7");
    EXPECT_EQ(ran.output, "hello\n");
    EXPECT_EQ(ran.code, 7);
    EXPECT_FALSE(ran.signaled);
}

TEST_P(Spawn, GivesTheSignalThatEndedIt) {
    const Ran ran = shell("kill -USR1 $$");
    EXPECT_TRUE(ran.signaled);
    EXPECT_EQ(ran.code, SIGUSR1);
}

TEST_P(Spawn, LooksUpTheProgramInThePathOfTheChild) {
    const TemporaryDirectory directory;
    directory.write("only-here", "#!/bin/sh\necho found\n", 0755);
    const Strings own({"PATH=/nonexistent:" + directory.path() + ":/bin"});
    const Ran ran = run({"only-here"}, [&](SpawnPlan& plan) { plan.envp = own.data(); });
    EXPECT_EQ(ran.output, "found\n");
}

TEST_P(Spawn, EmptyElementOfPathIsTheWorkingDirectoryOfTheChild) {
    const TemporaryDirectory directory;
    directory.write("only-here", "#!/bin/sh\necho found\n", 0755);
    const Strings own({"PATH=/nonexistent:"});
    const Ran ran = run({"only-here"}, [&](SpawnPlan& plan) {
        plan.envp = own.data();
        plan.cwd = directory.path().c_str();
    });
    EXPECT_EQ(ran.output, "found\n");
}

TEST_P(Spawn, WithoutPathTheSystemDirectoriesAreSearched) {
    const Strings own({"HOME=/"});
    EXPECT_EQ(run({"true"}, [&](SpawnPlan& plan) { plan.envp = own.data(); }).code, 0);
}

TEST_P(Spawn, PathLookUpGoesOnAfterAFileThatMayNotBeExecuted) {
    const TemporaryDirectory directory;
    directory.write("true", "#!/bin/sh\nexit 9\n", 0644);
    const Strings own({"PATH=" + directory.path() + ":/bin"});
    EXPECT_EQ(run({"true"}, [&](SpawnPlan& plan) { plan.envp = own.data(); }).code, 0);
}

TEST_P(Spawn, EnvironmentAndDirectoryAreAsAsked) {
    const Strings own({"ANSWER=42", "PATH=/bin"});
    const Ran ran = shell("echo $ANSWER; pwd", [&](SpawnPlan& plan) {
        plan.envp = own.data();
        plan.cwd = "/usr";
    });
    EXPECT_EQ(ran.output, "42\n/usr\n");
}

TEST_P(Spawn, NothingLeaksAndTheStandardStreamsAreThere) {
    const base::Fd leaky(::open("/dev/null", O_RDONLY));  // not close-on-exec
    const base::Fd far(::fcntl(leaky.get(), F_DUPFD, 900));
    const Ran ran = run({"/bin/ls", "/proc/self/fd"});
    EXPECT_EQ(ran.output, "0\n1\n2\n3\n") << "3 is ls's own";
}

TEST_P(Spawn, UnnamedStreamsAreDevNull) {
    const Ran ran =
        shell("readlink /proc/self/fd/0 /proc/self/fd/2", [](SpawnPlan& plan) { plan.err = -1; });
    EXPECT_EQ(ran.output, "/dev/null\n/dev/null\n");
}

TEST_P(Spawn, ExtraDescriptorsArriveWhereAsked) {
    const TemporaryDirectory directory;
    const base::Fd five(::open(directory.write("five", "5\n", 0600).c_str(), O_RDONLY | O_CLOEXEC));
    const base::Fd nine(::open(directory.write("nine", "9\n", 0600).c_str(), O_RDONLY | O_CLOEXEC));
    // Each is where the other is to be, or already in its place: an order that cannot be done
    // naively.
    const std::array<FdMapping, 3> extra{FdMapping{.child = nine.get(), .parent = five.get()},
                                         FdMapping{.child = five.get(), .parent = nine.get()},
                                         FdMapping{.child = 40, .parent = five.get()}};
    const Ran ran = shell("cat <&" + std::to_string(nine.get()) + "; cat <&" +
                              std::to_string(five.get()) + "; ls /proc/self/fd | wc -l",
                          [&](SpawnPlan& plan) { plan.extra_fds = extra; });
    EXPECT_EQ(ran.output, "5\n9\n7\n") << "0, 1, 2, three extra, and the one of ls";
}

TEST_P(Spawn, StreamsMayBeSwapped) {
    auto pipe = make_pipe(OurEnd::neither);
    ASSERT_TRUE(pipe);
    auto child = start({"/bin/sh", "-c", "echo out; echo err >&2"}, [&](SpawnPlan& plan) {
        plan.out = STDERR_FILENO;  // the test's standard error
        plan.err = pipe->writer.get();
        plan.in = STDOUT_FILENO;
    });
    ASSERT_TRUE(child);
    pipe->writer.reset();
    EXPECT_EQ(read_all(pipe->reader.get()), "err\n");
    EXPECT_EQ(reap_child(*child).code, 0);
}

TEST_P(Spawn, ADescriptorGivenTwiceIsRefused) {
    const std::array<FdMapping, 1> extra{FdMapping{.child = 1, .parent = 2}};
    const Error error = error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.extra_fds = extra; });
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_THAT(error.sentence(), HasSubstr("descriptor 1 is given to it twice"));
}

TEST_P(Spawn, SignalsAreAllDefaultAndNoneIsBlocked) {
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    struct sigaction before_pipe{}, before_rt{};
    ASSERT_EQ(::sigaction(SIGPIPE, &ignore, &before_pipe), 0);
    ASSERT_EQ(::sigaction(SIGRTMAX, &ignore, &before_rt), 0);
    sigset_t some, before;
    ::sigemptyset(&some);
    ::sigaddset(&some, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &some, &before);
    const Ran ran = run({"/bin/cat", "/proc/self/status"});
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, &before, &after);
    ::sigaction(SIGPIPE, &before_pipe, nullptr);
    ::sigaction(SIGRTMAX, &before_rt, nullptr);
    EXPECT_THAT(ran.output, HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                                      "SigCgt:\t0000000000000000\n"));
    EXPECT_EQ(::sigismember(&after, SIGTERM), 1) << "the parent's mask must come back";
    EXPECT_EQ(::sigismember(&after, SIGUSR1), 0);
}

TEST_P(Spawn, LeadsItsOwnGroupOrJoinsOrStays) {
    const std::string show = "read -r p c s pp g rest < /proc/self/stat; echo $((g == p))";
    EXPECT_EQ(shell(show).output, "1\n");
    const std::string group = "read -r p c s pp g rest < /proc/self/stat; echo $g";
    EXPECT_EQ(shell(group, [](SpawnPlan& plan) { plan.group = Group::inherit; }).output,
              std::to_string(::getpgrp()) + "\n");
    auto leader = start({"/bin/sleep", "100"});
    ASSERT_TRUE(leader);
    EXPECT_EQ(shell(group,
                    [&](SpawnPlan& plan) {
                        plan.group = Group::join;
                        plan.group_id = leader->pid;
                    })
                  .output,
              std::to_string(leader->pid) + "\n");
    ::kill(leader->pid, SIGKILL);
    reap_child(*leader);
    const std::string session = "read -r p c s pp g sid rest < /proc/self/stat; echo $((sid == p))";
    EXPECT_EQ(shell(session, [](SpawnPlan& plan) { plan.group = Group::session; }).output, "1\n");
}

TEST_P(Spawn, LimitsAreInForce) {
    const std::array<RlimitSetting, 3> limits{
        RlimitSetting{.resource = RLIMIT_NOFILE, .value = {.rlim_cur = 17, .rlim_max = 19}},
        RlimitSetting{.resource = RLIMIT_FSIZE, .value = {.rlim_cur = 1024, .rlim_max = 1024}},
        RlimitSetting{.resource = RLIMIT_CPU, .value = {.rlim_cur = 33, .rlim_max = 34}}};
    const Ran ran = shell("ulimit -n; ulimit -Hn; ulimit -t; ulimit -f",
                          [&](SpawnPlan& plan) { plan.rlimits = limits; });
    EXPECT_EQ(ran.output, "17\n19\n33\n2\n");
}

TEST_P(Spawn, NiceIsAnIncrement) {
    const int ours = ::getpriority(PRIO_PROCESS, 0);
    EXPECT_EQ(run({"/usr/bin/nice"}, [](SpawnPlan& plan) { plan.nice_increment = 3; }).output,
              std::to_string(ours + 3) + "\n");
}

TEST_P(Spawn, AffinityIsAsAskedOrThePools) {
    cpu_set_t original;
    ASSERT_EQ(::sched_getaffinity(0, sizeof(original), &original), 0);
    if (CPU_COUNT(&original) < 2) {
        GTEST_SKIP() << "needs two CPUs";
    }
    const std::string show = "grep ^Cpus_allowed: /proc/self/status | tr -d ,0 | cut -f2";
    std::vector<unsigned long> one(current_affinity().size());
    one[0] = 1;
    EXPECT_EQ(shell(show, [&](SpawnPlan& plan) { plan.affinity = one; }).output, "1\n");
    const std::string all = shell(show).output;
    std::string pinned;
    std::thread([&] {
        SpawnerOptions options;
        options.way = GetParam();
        options.children_affinity = current_affinity();
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(0, &first);
        ASSERT_EQ(::sched_setaffinity(0, sizeof(first), &first), 0);
        spawner_ = std::move(*Spawner::create(std::move(options)));
        pinned = shell(show).output;
    }).join();
    EXPECT_EQ(pinned, all);
}

TEST_P(Spawn, MemoryIsBoundToTheNodesAskedFor) {
    const std::array<unsigned long, 1> node_zero{1};
    auto ran = shell("grep -c bind:0 /proc/self/numa_maps",
                     [&](SpawnPlan& plan) { plan.memory_nodes = node_zero; });
    if (!std::filesystem::exists("/proc/self/numa_maps")) {
        GTEST_SKIP() << "this kernel has no NUMA";
    }
    EXPECT_GT(std::atoi(ran.output.c_str()), 0);
    const std::array<unsigned long, 1> no_such_node{1UL << 60U};
    const Error error =
        error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.memory_nodes = no_such_node; });
    EXPECT_THAT(error.sentence(), HasSubstr("bind its memory to the NUMA nodes asked for"));
}

TEST_P(Spawn, DiesWithTheThreadThatSpawnedIt) {
    Spawned child;
    std::thread([&] { child = std::move(*start({"/bin/sleep", "100"})); }).join();
    const Ran ran = reap_child(child);
    EXPECT_TRUE(ran.signaled);
    EXPECT_EQ(ran.code, SIGKILL);
}

TEST_P(Spawn, EntersACgroupByItsProcsFileBeforeItRuns) {
    const TemporaryDirectory directory;
    const base::Fd procs(
        ::open(directory.write("cgroup.procs", "", 0600).c_str(), O_WRONLY | O_CLOEXEC));
    const std::array<int, 1> fds{procs.get()};
    const Ran ran = run({"/bin/cat", directory / "cgroup.procs"},
                        [&](SpawnPlan& plan) { plan.cgroup_procs = fds; });
    EXPECT_EQ(ran.output, "0");
}

TEST_P(Spawn, WritesTheGuardEntryBeforeItRuns) {
    std::uint64_t entry = 0;
    auto child = start({"/bin/true"}, [&](SpawnPlan& plan) { plan.guard = &entry; });
    ASSERT_TRUE(child);
    EXPECT_EQ(static_cast<pid_t>(entry >> 32U), child->pid);
    reap_child(*child);
    error_of({"/nonexistent"}, [&](SpawnPlan& plan) { plan.guard = &entry; });
    EXPECT_EQ(entry, 0U) << "what did not start must not be guarded";
}

TEST_P(Spawn, ManyChildrenLeakNeitherDescriptorsNorZombies) {
    const std::set<int> before = open_descriptors();
    for (int i = 0; i < 300; ++i) {
        auto child = start({"/bin/true"});
        ASSERT_TRUE(child);
        ASSERT_EQ(reap_child(*child).code, 0);
        error_of({"/nonexistent"});
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST_P(Spawn, AbortEndsAChildThatIsStuckBeforeExec) {
    spawner_->abort_spawn();
    EXPECT_EQ(error_of({"/bin/true"}).code(), Code::cancelled) << "also what begins after it";
    spawner_->allow_spawn();
    EXPECT_EQ(shell("exit 3").code, 3);
    // The child blocks where it would enter a cgroup: the "cgroup.procs" is a full pipe.
    auto pipe = make_pipe(OurEnd::neither);
    ASSERT_TRUE(pipe);
    const std::string capacity(static_cast<std::size_t>(::fcntl(pipe->writer.get(), F_GETPIPE_SZ)),
                               'x');
    ASSERT_EQ(::write(pipe->writer.get(), capacity.data(), capacity.size()),
              static_cast<ssize_t>(capacity.size()));
    const std::array<int, 1> stuck{pipe->writer.get()};
    for (int i = 0; i < 50; ++i) {  // one call is enough, whenever it comes
        spawner_->allow_spawn();
        std::thread other([&] {
            if (i % 2 == 0) {
                std::this_thread::yield();
            }
            spawner_->abort_spawn();
        });
        auto child = start({"/bin/true"}, [&](SpawnPlan& plan) { plan.cgroup_procs = stuck; });
        other.join();
        if (child) {
            const Ran ran = reap_child(*child);
            EXPECT_TRUE(ran.signaled);
            EXPECT_EQ(ran.code, SIGKILL);
        } else {
            EXPECT_EQ(child.error().code(), Code::cancelled);
        }
    }
}

/// Keeps a processor busy, so that a thread of the lowest priority hardly runs there.
class BusyCpu {
  public:
    explicit BusyCpu(int cpu)
        : thread_([cpu, this] {
              set_affinity(cpu);
              while (!ending_.load()) {}
          }) {}
    ~BusyCpu() {
        ending_.store(true);
        thread_.join();
    }
    BusyCpu(const BusyCpu&) = delete;
    BusyCpu& operator=(const BusyCpu&) = delete;

    static void set_affinity(int cpu) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        EXPECT_EQ(::sched_setaffinity(0, sizeof(set), &set), 0);
    }

  private:
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

TEST_P(Spawn, AbortLeavesAProgramAloneThatRunsBeforeSpawnHasReturned) {
    cpu_set_t usable;
    ASSERT_EQ(::sched_getaffinity(0, sizeof(usable), &usable), 0);
    if (CPU_COUNT(&usable) < 2) {
        GTEST_SKIP() << "takes two processors";
    }
    int first = 0;
    while (!CPU_ISSET(first, &usable)) {
        ++first;
    }
    cpu_set_t others = usable;
    CPU_CLR(first, &others);
    std::array<unsigned long, sizeof(others) / sizeof(unsigned long)> elsewhere{};
    std::memcpy(elsewhere.data(), &others, sizeof(others));
    const TemporaryDirectory directory;
    const BusyCpu busy(first);
    std::atomic<bool> returned = false;
    int early = 0;
    for (int i = 0; i < 10; ++i) {
        const std::string mark = directory / std::to_string(i);
        returned.store(false);
        std::thread spawning([&] {
            BusyCpu::set_affinity(first);
            const sched_param none{};
            EXPECT_EQ(::sched_setscheduler(0, SCHED_IDLE, &none), 0);
            auto child = start(
                {"/bin/sh", "-c", "trap 'exit 7' TERM; : > " + mark + "; sleep 0.02; kill $$"},
                [&](SpawnPlan& plan) { plan.affinity = elsewhere; });
            returned.store(true);
            ASSERT_TRUE(child) << child.error().sentence();
            const Ran ran = reap_child(*child);
            EXPECT_FALSE(ran.signaled);
            EXPECT_EQ(ran.code, 7);
        });
        while (!std::filesystem::exists(mark) && !returned.load()) {
            std::this_thread::yield();
        }
        early += returned.load() ? 0 : 1;
        spawner_->abort_spawn();
        spawning.join();
        spawner_->allow_spawn();
    }
    RecordProperty("aborted_before_return", early);
}

TEST(SpawnWays, IgnoredSigchldIsRefused) {
    struct sigaction ignore{}, before{};
    ignore.sa_handler = SIG_IGN;
    ASSERT_EQ(::sigaction(SIGCHLD, &ignore, &before), 0);
    const Result<void> refused = check_sigchld();
    ::sigaction(SIGCHLD, &before, nullptr);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("SIGCHLD is ignored"));
    EXPECT_TRUE(check_sigchld());
}

TEST(SpawnWays, CgroupNeedsClone3) {
    SpawnerOptions options;
    options.way = CloneWay::clone;
    auto spawner = Spawner::create(options);
    ASSERT_TRUE(spawner);
    EXPECT_FALSE((*spawner)->born_in_cgroup());
    const Strings argv({"/bin/true"});
    SpawnPlan plan;
    plan.program = "/bin/true";
    plan.argv = plan.envp = argv.data();
    plan.cgroup = 0;
    const auto child = (*spawner)->spawn(plan);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code(), Code::unsupported);
}

}  // namespace
}  // namespace repartir::proc
