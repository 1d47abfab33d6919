// SPDX-License-Identifier: MIT
#pragma once
/// @file spawn.hpp Starts programs without copying this process (docs/decisions/0003-spawn.md).
#include <sys/resource.h>
#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "repartir/result.hpp"

namespace repartir::proc {

struct ExecPlan;  // what the child reads between clone and exec (exec_child.hpp)
struct FdMove;

/// One more descriptor for the program: it finds our `parent` open as its `child`.
struct FdMapping {
    int child = -1;
    int parent = -1;
};

/// One rlimit of the program.
struct RlimitSetting {
    int resource = 0;  ///< RLIMIT_CPU, RLIMIT_AS, ...
    rlimit value{};    ///< soft and hard
};

/// Which process group the program is in.
enum class Group : std::uint8_t {
    own,      ///< leads a new one, whose id is its pid
    join,     ///< joins `SpawnPlan::group_id`, as the later stages of a pipeline do
    session,  ///< leads a new session and group, without a terminal
    inherit,  ///< ours
};

/// How to start one program. A value of views: all that it points to must live through the call of
/// spawn(), and no longer. The program gets an empty signal mask, default dispositions (a signal
/// that programs rarely ignore, and that this process began to ignore within the last 10 ms, may
/// stay ignored) and our umask; no descriptor but those named here.
struct SpawnPlan {
    const char* program = nullptr;  ///< a path when it has a '/', else looked up in envp's PATH
    const char* const* argv =
        nullptr;  ///< ends with nullptr; argv[0] is what the program sees as its name
    const char* const* envp = nullptr;  ///< "NAME=value", ends with nullptr
    const char* cwd = nullptr;          ///< directory to start in; nullptr: ours

    int in = -1;   ///< our descriptor that becomes its standard input; -1: /dev/null
    int out = -1;  ///< ... standard output
    int err = -1;  ///< ... standard error
    std::span<const FdMapping> extra_fds;  ///< more descriptors; 3 and above

    Group group = Group::own;
    pid_t group_id = 0;          ///< for Group::join
    int terminal = -1;           ///< make its group the foreground group of this terminal
    int death_signal = SIGKILL;  ///< sent to it when the *thread* that spawned it ends; 0: none

    std::span<const RlimitSetting> rlimits;
    int nice_increment = 0;
    std::span<const unsigned long> affinity;  ///< CPU mask, as in cpu_set_t; empty: SpawnerOptions'
    std::span<const unsigned long>
        memory_nodes;  ///< mask of NUMA nodes to bind memory to; empty: ours
    int cgroup = -1;   ///< directory descriptor of the v2 cgroup to be born in; -1: ours
    std::span<const int>
        cgroup_procs;  ///< open cgroup.procs (v1): it moves itself there before exec
    std::optional<std::uint64_t> memory_limit;  ///< bytes that its cgroup grants: to name the cause
    /// The slot of a Guardian's table that is to hold its group (guardian.hpp); nullptr: none.
    /// Filled before exec, so that there is no moment in which the group runs and the guardian does
    /// not know.
    std::uint64_t* guard = nullptr;
};

/// A started program. It is ours to reap.
struct Spawned {
    pid_t pid = -1;
    base::Fd pidfd;
};

/// How spawn() clones. Each is tried only at create(); a Spawner never changes its way.
enum class CloneWay : std::uint8_t {
    best,    ///< clone3 where the kernel grants it, else clone
    clone3,  ///< clone3(CLONE_VM|CLONE_VFORK|CLONE_PIDFD), or fail
    clone,   ///< the older call; the same, but cannot be born in a cgroup
};

/// How a Spawner is set up.
struct SpawnerOptions {
    SpawnerOptions() = default;
    CloneWay way = CloneWay::best;
    /// CPU mask that children get unless their plan says otherwise; empty: the spawning thread's.
    /// Give the process's original mask when the spawning thread is pinned.
    std::vector<unsigned long> children_affinity;
};

/// @return the calling thread's CPU mask, as words of a cpu_set_t. Call it before pinning.
[[nodiscard]] std::vector<unsigned long> current_affinity();

/// Checks that this process can wait for children: SIGCHLD ignored (or SA_NOCLDWAIT) would lose
/// their exit codes. Errors: invalid_argument.
[[nodiscard]] Result<void> check_sigchld();

/// Blocks every signal in the calling thread: what a spawner thread does first, so that no handler
/// of the host program runs on it and a closed pipe gives EPIPE instead of SIGPIPE.
void block_signals_in_this_thread() noexcept;

/// Starts programs. One thread at a time, which must outlive the children (SpawnPlan::death_signal)
/// unless stated; abort_spawn() from any thread.
class Spawner {
  public:
    /// Errors: unsupported (neither clone3 nor clone gives a pidfd), out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<Spawner>> create(SpawnerOptions options = {});
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;
    ~Spawner();

    /// Starts a program and returns when it runs, or with the reason why it does not; a program
    /// that did not start leaves no process. Blocks while the kernel opens the program.
    ///
    /// Errors (Domain::process), each with a sentence that names the thing: not_found (program, a
    /// script's interpreter, or working directory), permission_denied, not_executable (unknown
    /// format, directory, loop of links; a file that is being written is retryable), too_large
    /// (arguments and environment, or a name), out_of_resources (retryable: processes, descriptors,
    /// memory), unsupported (a cgroup where only clone exists), invalid_argument (a value that the
    /// kernel refused), cancelled (abort_spawn).
    [[nodiscard]] Result<Spawned> spawn(const SpawnPlan& plan);

    /// Ends the spawn() that is under way, which may be stuck before exec (a dead network file
    /// system), and refuses the next ones until allow_spawn(). What is under way then returns its
    /// child as a program that was killed, or fails with Code::cancelled when there was none yet.
    /// A child that executes its program already is left alone: spawn() returns it in a moment.
    /// A child that the kernel cannot kill just now (it waits for a disk) is killed when it can.
    /// Any thread.
    void abort_spawn() noexcept;
    /// Takes abort_spawn() back. Any thread.
    void allow_spawn() noexcept;

    /// @return whether SpawnPlan::cgroup can be used.
    [[nodiscard]] bool born_in_cgroup() const noexcept { return uses_clone3_; }

  private:
    struct Shared;
    Spawner(SpawnerOptions options, base::Fd null, void* region, bool uses_clone3);
    [[nodiscard]] Result<void> prepare(const SpawnPlan& plan, ExecPlan& exec);
    [[nodiscard]] std::uint64_t signals_to_reset() noexcept;
    [[nodiscard]] Result<void> prepare_fds(const SpawnPlan& plan, ExecPlan& exec);
    void prepare_candidates(const SpawnPlan& plan, ExecPlan& exec);
    [[nodiscard]] long clone_child(ExecPlan& exec, int cgroup) noexcept;

    SpawnerOptions options_;
    base::Fd null_;
    void* region_;  // guard page, then the child's stack; ours, unmapped by the destructor
    bool uses_clone3_;
    bool clears_handlers_ = false;  // clone3 resets handlers, so that only ignored signals are left
    std::uint64_t ignored_ = 0;     // signals that this process ignored when it was last asked
    base::BootTime ignored_asked_{-1};     // when that was; negative: never
    std::string paths_;                    // text of the candidates, each ended by NUL
    std::vector<const char*> candidates_;  // into paths_, or the plan's program
    std::vector<FdMove> fds_;              // by ascending target
    std::unique_ptr<Shared> shared_;       // what abort_spawn() looks at
};

}  // namespace repartir::proc
