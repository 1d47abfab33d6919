// SPDX-License-Identifier: MIT
#include "proc/guardian.hpp"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

using namespace std::chrono_literals;

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The state letter of a process and the fields after it; empty when there is none.
std::string stat_of(pid_t pid) {
    const std::string text = content_of("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t at = text.rfind(')');
    return at == std::string::npos ? std::string() : text.substr(at + 2);
}

bool gone(pid_t pid) {
    const std::string stat = stat_of(pid);
    return stat.empty() || stat[0] == 'Z' || stat[0] == 'X';
}

bool goes_within(pid_t pid, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!gone(pid)) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

// A process of the test's that builds what a pool would build: a guardian and one guarded task, a
// shell with a child of its own. It tells their ids and waits to be killed.
class Victim {
  public:
    enum class Guarded : bool { no, yes };

    explicit Victim(Guarded guarded) {
        auto pipe = make_pipe(OurEnd::neither);
        EXPECT_TRUE(pipe);
        pid_ = ::fork();
        if (pid_ == 0) {
            live(pipe->writer.get(), guarded);
        }
        pipe->writer.reset();
        std::istringstream(read_all(pipe->reader.get())) >> guardian >> leader >> grandchild;
    }
    ~Victim() {
        kill();
        if (leader > 0) {
            ::kill(-leader, SIGKILL);
        }
    }
    Victim(const Victim&) = delete;
    Victim& operator=(const Victim&) = delete;
    void kill() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

    pid_t guardian = -1;
    pid_t leader = -1;
    pid_t grandchild = -1;

  private:
    [[noreturn]] static void live(int report, Guarded guarded) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        auto made = Guardian::create(8);
        auto spawner = Spawner::create();
        if (!made || !spawner) {
            ::_exit(1);
        }
        auto slot = (*made)->acquire();
        auto ids = make_pipe(OurEnd::neither);
        const Strings argv({"/bin/sh", "-c", "sleep 100 & echo $!; exec 1>&-; wait"});
        const Strings environment({"PATH=/usr/bin:/bin"});
        SpawnPlan plan;
        plan.program = "/bin/sh";
        plan.argv = argv.data();
        plan.envp = environment.data();
        plan.out = ids->writer.get();
        plan.guard = guarded == Guarded::yes ? slot->entry() : nullptr;
        auto child = (*spawner)->spawn(plan);
        std::string line;
        for (char byte = 0; ::read(ids->reader.get(), &byte, 1) == 1 && byte != '\n';) {
            line += byte;
        }
        line = std::to_string((*made)->pid()) + " " + std::to_string(child->pid) + " " + line;
        if (::write(report, line.data(), line.size()) < 0) {
            ::_exit(1);
        }
        ::close(report);
        for (;;) {
            ::pause();
        }
    }

    pid_t pid_ = -1;
};

TEST(Guardian, KillsTheGrandchildrenOfAParentThatIsKilled) {
    Victim victim(Victim::Guarded::yes);
    ASSERT_GT(victim.grandchild, 1);
    ASSERT_FALSE(gone(victim.grandchild));
    victim.kill();
    EXPECT_TRUE(goes_within(victim.leader, 20s));
    EXPECT_TRUE(goes_within(victim.grandchild, 20s));
    EXPECT_TRUE(goes_within(victim.guardian, 20s));
}

// Shows that the test above tests the guardian, and not the death signal.
TEST(Guardian, WithoutItGrandchildrenSurvive) {
    Victim victim(Victim::Guarded::no);
    ASSERT_GT(victim.grandchild, 1);
    victim.kill();
    EXPECT_TRUE(goes_within(victim.guardian, 20s));
    EXPECT_TRUE(goes_within(victim.leader, 20s)) << "the death signal";
    EXPECT_FALSE(gone(victim.grandchild));
}

// A parent that ends in order, or becomes another program, without taking its pool down.
TEST(Guardian, EndsWithAParentThatLeavesItBehind) {
    for (const bool exec : {false, true}) {
        auto pipe = make_pipe(OurEnd::neither);
        ASSERT_TRUE(pipe);
        const pid_t parent = ::fork();
        if (parent == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            auto guardian = Guardian::create(1);
            const std::string line = std::to_string((*guardian)->pid()) + "\n";
            const bool told = ::write(pipe->writer.get(), line.data(), line.size()) > 0;
            if (told && exec) {
                ::execl("/bin/sleep", "sleep", "100", nullptr);
            }
            ::_exit(told ? 0 : 1);
        }
        pipe->writer.reset();
        const pid_t guardian = std::atoi(read_all(pipe->reader.get()).c_str());
        ASSERT_GT(guardian, 1);
        EXPECT_TRUE(goes_within(guardian, 20s));
        if (exec) {
            EXPECT_FALSE(gone(parent));
            ::kill(parent, SIGKILL);
        }
        ::waitpid(parent, nullptr, 0);
    }
}

TEST(Guardian, HoldsLittleAndIsInAGroupOfItsOwn) {
    const base::Fd held(::open("/dev/null", O_RDONLY));
    constexpr std::size_t big_bytes = 64UL << 20U;
    const std::vector<char> big(big_bytes, 'x');  // what it must let go of
    const auto guardian = Guardian::create(100);
    ASSERT_TRUE(guardian) << guardian.error().sentence();
    const pid_t pid = (*guardian)->pid();
    const std::string base = "/proc/" + std::to_string(pid);
    // It lets go of everything before it first sleeps.
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (stat_of(pid)[0] != 'S' && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    std::set<std::string> descriptors;
    for (const auto& entry : std::filesystem::directory_iterator(base + "/fd")) {
        descriptors.insert(std::filesystem::read_symlink(entry).string().substr(0, 5));
    }
    EXPECT_EQ(descriptors, (std::set<std::string>{"anon_", "pipe:"}));
    std::istringstream stat(stat_of(pid));
    std::string state, parent, group, session;
    stat >> state >> parent >> group >> session;
    EXPECT_EQ(group, std::to_string(pid)) << "Ctrl-C does not reach it";
    EXPECT_EQ(session, std::to_string(::getsid(0))) << "it can restore our terminal";
    EXPECT_EQ(parent, std::to_string(::getpid()));
    EXPECT_EQ(content_of(base + "/comm"), "repartir-guard\n");
    long pages = 0, resident = 0;
    std::istringstream(content_of(base + "/statm")) >> pages >> resident;
    EXPECT_LT(resident * ::sysconf(_SC_PAGESIZE), static_cast<long>(big_bytes / 4));
    EXPECT_TRUE((*guardian)->alive());
}

TEST(Guardian, SurvivesEverySignalButKill) {
    const auto guardian = Guardian::create(1);
    ASSERT_TRUE(guardian);
    for (int number = 1; number < SIGRTMAX; ++number) {
        if (number != SIGKILL && number != SIGSTOP) {
            ::kill((*guardian)->pid(), number);
        }
    }
    EXPECT_TRUE((*guardian)->alive());
    ::kill((*guardian)->pid(), SIGKILL);
    EXPECT_TRUE(goes_within((*guardian)->pid(), 20s));
    EXPECT_FALSE((*guardian)->alive());
}

TEST(Guardian, EndsWithItsOwnerAndLeavesNothing) {
    const std::set<int> before = open_descriptors();
    pid_t pid = 0;
    {
        const auto guardian = Guardian::create(1);
        ASSERT_TRUE(guardian);
        pid = (*guardian)->pid();
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "wait() of the host program sees it not";
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(Guardian, ACopyMadeByForkDoesNotEndIt) {
    auto guardian = Guardian::create(1);
    ASSERT_TRUE(guardian);
    const pid_t pid = ::fork();
    if (pid == 0) {
        guardian->reset();
        ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE((*guardian)->alive());
}

TEST(Guardian, SlotsAreBoundedAndComeBack) {
    const auto guardian = Guardian::create(2);
    ASSERT_TRUE(guardian);
    auto first = (*guardian)->acquire();
    auto second = (*guardian)->acquire();
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->entry(), second->entry());
    const auto third = (*guardian)->acquire();
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), Code::out_of_resources);
    *first->entry() = 42;
    std::uint64_t* const entry = first->entry();
    *first = GuardSlot();
    EXPECT_EQ(*entry, 0U) << "what gives its slot back is not guarded any more";
    EXPECT_TRUE((*guardian)->acquire());
}

// A folder that looks as a cgroup of version 1 does: the guardian reads who is in it. While it has
// a real file it cannot be removed as a cgroup can.
TEST(Guardian, KillsWhatIsInOurCgroupsThoughItLeftItsGroup) {
    const TemporaryDirectory tree;
    auto spawner = Spawner::create();
    ASSERT_TRUE(spawner);
    const Strings argv({"/bin/sleep", "100"});
    const Strings environment({"PATH=/bin"});
    const auto start = [&](const std::string& group) {
        SpawnPlan plan;
        plan.program = "/bin/sleep";
        plan.argv = argv.data();
        plan.envp = environment.data();
        plan.group = Group::session;
        Spawned child = std::move(*(*spawner)->spawn(plan));
        std::filesystem::create_directories(tree.path() + "/" + group);
        std::ofstream(tree.path() + "/" + group + "/cgroup.procs") << child.pid << "\n";
        return child;
    };
    Spawned ours = start("repartir-7-8-1");
    Spawned inside = start("repartir-7-8-1/made by/.the task");
    Spawned others = start("repartir-7-9-1");
    std::filesystem::create_directories(tree.path() + "/repartir-7-8-2/a/b");
    std::filesystem::create_directories(tree.path() + "/repartir-7-8-2/c");
    const pid_t victim = ::fork();
    if (victim == 0) {
        CgroupsOfOurs cgroups;
        cgroups.folders = {tree.path(), "/nonexistent/folder"};
        cgroups.prefix = "repartir-7-8-";
        const auto guardian = Guardian::create(1, cgroups);
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(victim, nullptr, 0);
    EXPECT_TRUE(goes_within(ours.pid, 20s));
    EXPECT_TRUE(goes_within(inside.pid, 20s));
    const auto goes = [&](const std::string& group) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (std::filesystem::exists(tree.path() + group)) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    };
    EXPECT_TRUE(goes("/repartir-7-8-2")) << "the empty one, with what is inside";
    for (const char* group : {"/repartir-7-8-1", "/repartir-7-8-1/made by/.the task"}) {
        std::filesystem::remove(tree.path() + group + "/cgroup.procs");
    }
    EXPECT_TRUE(goes("/repartir-7-8-1"));
    EXPECT_FALSE(gone(others.pid)) << "another's";
    ::kill(others.pid, SIGKILL);
    reap_child(ours);
    reap_child(inside);
    reap_child(others);
}

TEST(Guardian, ACgroupPathThatIsTooLongIsRefused) {
    CgroupsOfOurs cgroups;
    cgroups.folders = {std::string(5000, 'x')};
    cgroups.prefix = "p";
    const auto guardian = Guardian::create(1, cgroups);
    ASSERT_FALSE(guardian);
    EXPECT_EQ(guardian.error().code(), Code::too_large);
}

// When a process started, in ticks: the 22nd field, of which the first two are cut off.
std::uint32_t start_ticks_of(pid_t pid) {
    std::istringstream fields(stat_of(pid));
    std::string field;
    for (int i = 3; i <= 22; ++i) {
        fields >> field;
    }
    return static_cast<std::uint32_t>(std::stoull(field));
}

// An id in the table that now belongs to a process that started later.
TEST(Guardian, DoesNotKillAGroupThatGotARecycledId) {
    auto spawner = Spawner::create();
    ASSERT_TRUE(spawner);
    const Strings argv({"/bin/sleep", "100"});
    const Strings environment({"PATH=/bin"});
    std::uint64_t made_by_spawn = 0;
    const auto start = [&] {
        SpawnPlan plan;
        plan.program = "/bin/sleep";
        plan.argv = argv.data();
        plan.envp = environment.data();
        plan.guard = &made_by_spawn;
        return std::move(*(*spawner)->spawn(plan));
    };
    Spawned recycled = start();
    Spawned ours = start();
    const std::uint32_t started = start_ticks_of(ours.pid);
    EXPECT_GE(static_cast<std::uint32_t>(made_by_spawn), started) << "an entry is never older";
    const auto entry = [](pid_t group, std::uint32_t ticks) {
        return static_cast<std::uint64_t>(group) << 32U | ticks;
    };
    const pid_t victim = ::fork();
    if (victim == 0) {
        auto guardian = Guardian::create(2);
        auto first = (*guardian)->acquire();
        auto second = (*guardian)->acquire();
        *first->entry() = entry(recycled.pid, start_ticks_of(recycled.pid) - 1);
        *second->entry() = entry(ours.pid, started);
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(victim, nullptr, 0);
    EXPECT_TRUE(goes_within(ours.pid, 20s));
    EXPECT_FALSE(gone(recycled.pid)) << "entries are visited in order: it was seen before ours";
    ::kill(recycled.pid, SIGKILL);
    reap_child(recycled);
    reap_child(ours);
}

}  // namespace
}  // namespace repartir::proc
