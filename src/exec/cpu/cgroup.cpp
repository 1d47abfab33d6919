// SPDX-License-Identifier: MIT
#include "exec/cpu/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <ranges>
#include <system_error>
#include <utility>

#include "base/os_error.hpp"
#include "base/prng.hpp"
#include "exec/cpu/topology.hpp"

namespace repartir::exec {

namespace {

constexpr std::string_view name_prefix = "repartir-";

[[nodiscard]] bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// Writes a control file. @return 0 or errno.
[[nodiscard]] int write_control(const std::string& path, std::string_view text) {
    const base::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) {
        return errno;
    }
    return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

/// @return a group and those that its programs made inside it, each behind the one that it is in.
[[nodiscard]] std::vector<std::string> with_groups_inside(const std::string& folder) {
    std::vector<std::string> found{folder};
    for (std::size_t i = 0; i < found.size(); ++i) {
        constexpr ::nlink_t of_a_leaf = 2;
        struct ::stat status{};
        if (::stat(found[i].c_str(), &status) != 0 || status.st_nlink == of_a_leaf) {
            continue;  // the usual case, for one system call
        }
        std::error_code error;
        std::error_code unknown;
        for (std::filesystem::directory_iterator at(found[i], error), end; !error && at != end;
             at.increment(error)) {
            if (at->is_directory(unknown)) {
                found.push_back(at->path());
            }
        }
    }
    return found;
}

/// Removes a group with all inside it. @return false while a process is left in there.
bool remove_group(const std::string& folder) {
    if (::rmdir(folder.c_str()) == 0 || errno != EBUSY) {
        return true;
    }
    const std::vector<std::string> groups = with_groups_inside(folder);
    bool gone = true;
    for (const std::string& group : std::ranges::reverse_view(groups)) {
        gone = ::rmdir(group.c_str()) == 0 || errno != EBUSY;
    }
    return gone;
}

/// Kills the processes in a group itself. @return how many there were.
int kill_members(const std::string& folder) {
    const std::string members = read_small_file(folder + "/cgroup.procs").value_or("");
    int killed = 0;
    for (const char* at = members.data(); at < members.data() + members.size();) {
        int pid = 0;
        const auto [end, error] = std::from_chars(at, members.data() + members.size(), pid);
        if (error == std::errc() && pid > 1 && ::kill(pid, SIGKILL) == 0) {
            ++killed;
        }
        at = end + 1;
    }
    return killed;
}

/// Removes groups whose maker is gone: the guardian ended their processes, nobody removed the
/// folders.
void remove_abandoned(const std::string& parent) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
        const std::optional<int> maker = group_maker(entry.path().filename().native());
        if (maker && ::kill(*maker, 0) != 0 && errno == ESRCH) {
            (void)remove_group(entry.path());
        }
    }
}

/// @return whether a group that can be limited by `file` can be made below `parent`.
[[nodiscard]] bool can_make(const std::string& parent, const char* file) {
    const std::string child = parent + "/" + new_group_prefix() + "probe";
    if (::mkdir(child.c_str(), 0755) != 0 && errno != EEXIST) {
        return false;
    }
    const bool works = ::access((child + "/" + file).c_str(), W_OK) == 0;
    ::rmdir(child.c_str());
    return works;
}

/// @return whether systemd handed this folder to us (Delegate=yes): then siblings of our own group
/// may
///         be made in it, and its limits still hold for them.
[[nodiscard]] bool is_delegated(const std::string& folder) {
    for (const char* name : {"trusted.delegate", "user.delegate"}) {
        char value = 0;
        if (::getxattr(folder.c_str(), name, &value, 1) == 1 && value == '1') {
            return true;
        }
    }
    return false;
}

struct Hierarchies {
    std::vector<CgroupMount> mounts;
    std::vector<CgroupMembership> memberships;
    std::string root;

    [[nodiscard]] std::vector<std::string> ancestry(int version,
                                                    std::string_view controller) const {
        std::vector<std::string> folders =
            cgroup_ancestry(mounts, memberships, version, controller);
        for (std::string& folder : folders) {
            folder.insert(0, root);
        }
        return folders;
    }
};

/// @return the folder of the unified tree in which groups with these controllers can be made, or
/// "".
[[nodiscard]] std::string unified_folder(const Hierarchies& here) {
    const std::vector<std::string> folders = here.ancestry(2, "");
    for (std::size_t i = 0; i < folders.size() && i < 2; ++i) {
        if (i == 1 && !is_delegated(folders[1])) {
            break;  // a sibling would escape the limits of our own group
        }
        // Fails with EBUSY where processes sit in the group itself, ourselves for example.
        (void)write_control(folders[i] + "/cgroup.subtree_control", "+memory +pids");
        if (can_make(folders[i], "memory.max") && can_make(folders[i], "pids.max")) {
            return folders[i];
        }
    }
    return {};
}

}  // namespace

std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
            const std::string_view number = line.substr(key.size() + 1);
            std::uint64_t value = 0;
            const auto [end, error] =
                std::from_chars(number.data(), number.data() + number.size(), value);
            return error == std::errc() ? std::optional(value) : std::nullopt;
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return std::nullopt;
}

std::optional<int> group_maker(std::string_view name) {
    if (!name.starts_with(name_prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(name_prefix.size());
    int pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end == name.data() + name.size() || *end != '-' || pid <= 0) {
        return std::nullopt;
    }
    return pid;
}

CgroupSupport probe_cgroups(const std::string& root) {
    const Hierarchies here{
        parse_cgroup_mounts(read_small_file(root + "/proc/self/mountinfo").value_or("")),
        parse_cgroup_memberships(read_small_file(root + "/proc/self/cgroup").value_or("")), root};
    CgroupSupport support;
    const auto try_version_1 = [&](const char* controller, const char* file, int& version,
                                   std::string& folder) {
        const std::vector<std::string> folders = here.ancestry(1, controller);
        if (!folders.empty() && can_make(folders[0], file)) {
            version = 1;
            folder = folders[0];
            remove_abandoned(folder);
        }
    };
    try_version_1("memory", "memory.limit_in_bytes", support.memory_version, support.memory_folder);
    try_version_1("pids", "pids.max", support.pids_version, support.pids_folder);
    if (support.memory_version == 0 && support.pids_version == 0) {
        const std::string unified = unified_folder(here);
        if (!unified.empty()) {
            remove_abandoned(unified);
            support = {2, 2, unified, unified, {}};
        }
    }
    if (here.mounts.empty()) {
        support.why_not = "no cgroup file system is mounted";
    } else if (!support.complete()) {
        support.why_not =
            std::string("this process may not make a group with the ") +
            (support.memory_version == 0 ? "memory" : "pids") +
            " controller; delegate it a cgroup (systemd-run --user --scope -p Delegate=yes)";
    }
    return support;
}

std::string new_group_prefix() {
    // Process ids alone are not unique where containers share a tree.
    return std::string(name_prefix) + std::to_string(::getpid()) + "-" +
           std::to_string(base::random_seed() >> 32U) + "-";
}

Result<TaskCgroup> TaskCgroup::create(const CgroupSupport& support, const Limits& limits,
                                      const std::string& name) {
    if ((limits.resident_bytes && support.memory_version == 0) ||
        (limits.processes && support.pids_version == 0)) {
        return fail(Error(Domain::process, Code::unsupported, Fault::policy,
                          "cannot enforce the task's " +
                              std::string(limits.resident_bytes && support.memory_version == 0
                                              ? "resident memory"
                                              : "process count") +
                              " limit: " + support.why_not));
    }
    TaskCgroup made;
    if (support.memory_version != 0) {
        if (auto added = made.add_group(support.memory_version, support.memory_folder, name);
            !added) {
            return fail(added.error());
        }
    }
    if (support.pids_version == 1) {
        if (auto added = made.add_group(1, support.pids_folder, name); !added) {
            return fail(added.error());
        }
    }
    if (limits.resident_bytes) {
        if (auto set = made.limit_memory(*limits.resident_bytes); !set) {
            return fail(set.error());
        }
    }
    if (limits.processes) {
        if (auto set = made.limit_processes(*limits.processes); !set) {
            return fail(set.error());
        }
    }
    return made;
}

Result<void> TaskCgroup::add_group(int version, const std::string& parent,
                                   const std::string& name) {
    const std::string folder = parent + "/" + name;
    if (::mkdir(folder.c_str(), 0755) != 0) {
        return fail(base::os_error(Domain::process, "cannot make the cgroup " + folder, errno));
    }
    groups_.push_back({version, folder, base::Fd()});
    groups_.back().entrance =
        base::Fd(::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!groups_.back().entrance) {
        return fail(
            base::os_error(Domain::process, "cannot open " + folder + "/cgroup.procs", errno));
    }
    return {};
}

Result<void> TaskCgroup::limit_memory(std::uint64_t bytes) {
    const Group& group = groups_.front();
    const std::string text = std::to_string(bytes);
    const bool first = group.version == 1;
    const std::string file = group.folder + (first ? "/memory.limit_in_bytes" : "/memory.max");
    if (const int error = write_control(file, text); error != 0) {
        return fail(base::os_error(Domain::process, "cannot write " + text + " to " + file, error));
    }
    // Without this a task would move to swap instead of meeting its limit. Kernels without swap
    // accounting have no such file: then there is nothing to forbid.
    (void)write_control(
        group.folder + (first ? "/memory.memsw.limit_in_bytes" : "/memory.swap.max"),
        first ? text : "0");
    if (!first) {
        (void)write_control(group.folder + "/memory.oom.group", "1");
    }
    return {};
}

Result<void> TaskCgroup::limit_processes(std::uint64_t count) {
    const std::string file = groups_.back().folder + "/pids.max";
    if (const int error = write_control(file, std::to_string(count)); error != 0) {
        return fail(base::os_error(Domain::process,
                                   "cannot write " + std::to_string(count) + " to " + file, error));
    }
    return {};
}

TaskCgroup::~TaskCgroup() { discard(); }

void TaskCgroup::discard() noexcept {
    if (groups_.empty()) {
        return;
    }
    constexpr int tries = 200;
    for (int i = 0; i < tries; ++i) {
        bool left = false;
        for (Group& group : groups_) {
            group.entrance.reset();
            left = !remove_group(group.folder) || left;
        }
        if (!left) {
            break;
        }
        // Something is still inside, or has been killed and is not gone yet.
        kill_all();
        ::usleep(i < 10 ? 50 : 1000);
    }
    groups_.clear();
}

std::vector<int> TaskCgroup::entrances() const {
    std::vector<int> descriptors;
    for (const Group& group : groups_) {
        descriptors.push_back(group.entrance.get());
    }
    return descriptors;
}

void TaskCgroup::kill_all() noexcept {
    if (!refused_) {
        refused_ = refused_processes();
    }
    for (const Group& group : groups_) {
        if (write_control(group.folder + "/cgroup.kill", "1") == 0) {
            continue;
        }
        (void)write_control(group.folder + "/pids.max", "0");  // a fork must not outrun the loop
        constexpr int rounds =
            100;  // each round sees what the last one's victims had forked before
        for (int round = 0, killed = 1; round < rounds && killed > 0; ++round) {
            killed = 0;
            for (const std::string& folder : with_groups_inside(group.folder)) {
                killed += kill_members(folder);
            }
        }
    }
}

const TaskCgroup::Group* TaskCgroup::group_with(std::string_view file) const {
    const auto found = std::ranges::find_if(groups_, [&](const Group& group) {
        return exists(group.folder + "/" + std::string(file));
    });
    return found == groups_.end() ? nullptr : &*found;
}

std::uint64_t TaskCgroup::oom_kills() const {
    for (const char* file : {"memory.events", "memory.oom_control"}) {
        if (const Group* group = group_with(file); group != nullptr) {
            const auto text = read_small_file(group->folder + "/" + file);
            return parse_keyed(text.value_or(""), "oom_kill").value_or(0);
        }
    }
    return 0;
}

std::uint64_t TaskCgroup::refused_processes() const {
    if (refused_) {
        return *refused_;
    }
    const Group* group = group_with("pids.events");
    return group == nullptr
               ? 0
               : parse_keyed(read_small_file(group->folder + "/pids.events").value_or(""), "max")
                     .value_or(0);
}

std::optional<std::uint64_t> TaskCgroup::peak_memory() const {
    for (const char* file : {"memory.peak", "memory.max_usage_in_bytes"}) {
        if (const Group* group = group_with(file); group != nullptr) {
            return parse_memory_limit(read_small_file(group->folder + "/" + file).value_or(""));
        }
    }
    return std::nullopt;
}

}  // namespace repartir::exec
