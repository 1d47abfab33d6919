// SPDX-License-Identifier: MIT
// Spawning where the system around us is special: cgroups, terminals, seccomp filters.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstddef>
#include <sstream>

#include "proc/spawn.hpp"
#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

// Runs `body` in a copy of this process. @return what it returned; empty when it died.
std::string in_a_copy(const std::function<std::string()>& body) {
    auto pipe = make_pipe(OurEnd::neither);
    EXPECT_TRUE(pipe);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const std::string told = body();
        ::_exit(::write(pipe->writer.get(), told.data(), told.size()) >= 0 ? 0 : 1);
    }
    pipe->writer.reset();
    std::string told = read_all(pipe->reader.get());
    ::waitpid(pid, nullptr, 0);
    return told;
}

// Makes these system calls fail in this process from now on, as a container's filter does.
bool refuse(std::vector<int> calls, int os_error) {
    std::vector<sock_filter> program{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const int call : calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
        program.push_back(
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(os_error)));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                            .filter = program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Starts a shell and tells what it wrote, or why it did not.
std::string shell_output(Spawner& spawner, const char* script,
                         const std::function<void(SpawnPlan&)>& adjust = {}) {
    auto pipe = make_pipe(OurEnd::neither);
    const Strings argv({"/bin/sh", "-c", script});
    const Strings environment({"PATH=/usr/bin:/bin"});
    SpawnPlan plan;
    plan.program = "/bin/sh";
    plan.argv = argv.data();
    plan.envp = environment.data();
    plan.out = pipe->writer.get();
    if (adjust) {
        adjust(plan);
    }
    auto child = spawner.spawn(plan);
    if (!child) {
        return child.error().sentence();
    }
    pipe->writer.reset();
    std::string output = read_all(pipe->reader.get());
    reap_child(*child);
    return output;
}

class Filtered : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, Filtered, ::testing::Values(ENOSYS, EPERM));

TEST_P(Filtered, Clone3FallsBackOnClone) {
    const std::string told = in_a_copy([] {
        if (!refuse({SYS_clone3}, GetParam())) {
            return std::string("no filter");
        }
        auto spawner = Spawner::create();
        return !spawner                       ? spawner.error().sentence()
               : (*spawner)->born_in_cgroup() ? std::string("the filter did not work")
                                              : shell_output(**spawner, "echo works");
    });
    EXPECT_EQ(told, "works\n");
}

TEST_P(Filtered, WithoutEitherThereIsASentence) {
    const std::string told = in_a_copy([] {
        refuse({SYS_clone3, SYS_clone}, GetParam());
        auto spawner = Spawner::create();
        return spawner ? std::string("it was made") : spawner.error().sentence();
    });
    EXPECT_NE(told.find("refuses clone with CLONE_PIDFD"), std::string::npos) << told;
}

TEST_P(Filtered, Clone3ThatIsInsistedOnIsNotReplaced) {
    const std::string told = in_a_copy([] {
        refuse({SYS_clone3}, GetParam());
        SpawnerOptions options;
        options.way = CloneWay::clone3;
        auto spawner = Spawner::create(options);
        return spawner ? std::string("it was made")
                       : std::string(to_string(spawner.error().code()));
    });
    EXPECT_EQ(told, "unsupported");
}

TEST_P(Filtered, NothingLeaksWithoutCloseRange) {
    const std::string told = in_a_copy([] {
        refuse({SYS_close_range}, GetParam());
        const base::Fd leaky(::open("/dev/null", O_RDONLY));
        const base::Fd far(::fcntl(leaky.get(), F_DUPFD, 300));
        auto spawner = Spawner::create();
        return shell_output(**spawner, "exec ls /proc/self/fd");
    });
    EXPECT_EQ(told, "0\n1\n2\n3\n");
}

// Where a v2 cgroup can be made, or nothing.
std::string writable_cgroup() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream fields(line);
        std::string device, place, type;
        fields >> device >> place >> type;
        if (type == "cgroup2" && ::access(place.c_str(), W_OK) == 0) {
            const std::string made = place + "/repartir-test-" + std::to_string(::getpid());
            if (::mkdir(made.c_str(), 0755) == 0) {
                return made;
            }
        }
    }
    return {};
}

TEST(SpawnSystem, IsBornInACgroup) {
    auto spawner = Spawner::create();
    ASSERT_TRUE(spawner);
    const std::string directory = writable_cgroup();
    if (directory.empty() || !(*spawner)->born_in_cgroup()) {
        GTEST_SKIP() << "no writable cgroup v2 tree, or no clone3";
    }
    base::Fd cgroup(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string output = shell_output(**spawner, "grep ^0:: /proc/self/cgroup",
                                            [&](SpawnPlan& plan) { plan.cgroup = cgroup.get(); });
    cgroup.reset();
    EXPECT_EQ(::rmdir(directory.c_str()), 0);
    EXPECT_NE(output.find("/repartir-test-"), std::string::npos) << output;
}

TEST(SpawnSystem, ADirectoryThatIsNoCgroupIsRefused) {
    auto spawner = Spawner::create();
    ASSERT_TRUE(spawner);
    const base::Fd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string told =
        shell_output(**spawner, "exit", [&](SpawnPlan& plan) { plan.cgroup = directory.get(); });
    EXPECT_EQ(told, "cannot start '/bin/sh' in its cgroup: Bad file descriptor");
}

// A session of its own with a pseudoterminal, in which the program is put into the foreground.
TEST(SpawnSystem, TakesTheForegroundOfItsTerminal) {
    const std::string told = in_a_copy([] {
        const base::Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) {
            return std::string("no pseudoterminal");
        }
        ::setsid();
        ::signal(SIGHUP, SIG_IGN);  // which closing the master sends to the session's leader, us
        const base::Fd terminal(::open(::ptsname(master.get()), O_RDWR | O_CLOEXEC));
        ::ioctl(terminal.get(), TIOCSCTTY, 0);
        auto spawner = Spawner::create();
        return shell_output(**spawner,
                            "read -r p c s pp group sid tty foreground rest < /proc/self/stat; "
                            "echo $((group == p)) $((foreground == p))",
                            [&](SpawnPlan& plan) {
                                plan.in = terminal.get();
                                plan.terminal = terminal.get();
                            });
    });
    if (told == "no pseudoterminal") {
        GTEST_SKIP() << "none can be made here (/dev/pts is not mounted)";
    }
    EXPECT_EQ(told, "1 1\n");
}

}  // namespace
}  // namespace repartir::proc
