// SPDX-License-Identifier: MIT
#include "repartir/cpu_executor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/anonymous_file.hpp"
#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "exec/cpu/cgroup.hpp"
#include "exec/cpu/host.hpp"
#include "exec/cpu/lane.hpp"
#include "exec/cpu/topology.hpp"
#include "proc/guardian.hpp"
#include "proc/spawn.hpp"

namespace repartir {

namespace {

[[nodiscard]] std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return "localhost";
    }
    return name.data();
}

/// @return the CPUs in the order in which spawners take them: one per core first, then the cores'
///         other hardware threads.
[[nodiscard]] std::vector<std::uint32_t> pinning_order(const Topology& topology) {
    std::map<std::uint32_t, std::uint32_t> taken_of_core;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranked;
    for (const Cpu& cpu : topology.cpus) {
        ranked.emplace_back(taken_of_core[cpu.core]++, cpu.number);
    }
    std::ranges::sort(ranked);
    std::vector<std::uint32_t> order;
    for (const auto& [rank, number] : ranked) {
        order.push_back(number);
    }
    return order;
}

[[nodiscard]] std::string describe_cpus(std::size_t count, std::uint32_t slots) {
    std::string text = std::to_string(count) + (count == 1 ? " CPU" : " CPUs") + " of this machine";
    if (slots != count) {
        text += ", " + std::to_string(slots) + " slots";
    }
    return text;
}

/// What one task may take while it starts: a pipe for each of its streams, its process, its cgroup.
constexpr std::size_t task_descriptors = 8;
constexpr std::size_t starts_at_once = 8;  // of tasks that have to find room: more lanes share it

/// @return so many open files: who holds them leaves room for as many.
[[nodiscard]] Result<std::vector<base::Fd>> reserve_descriptors(std::size_t count) {
    std::vector<base::Fd> held;
    while (held.size() < count) {
        held.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!held.back()) {
            return fail(base::os_error(
                Domain::process, "there is no room for the files that a task needs open", errno));
        }
    }
    return held;
}

/// Ends up as not_started when the executor is gone.
[[nodiscard]] AttemptResult refusal(const std::string& where) {
    AttemptResult result;
    result.attempt.ending = {End::not_started, 0};
    result.attempt.error = Error(Domain::process, Code::shut_down, Fault::policy,
                                 "cannot start the task: its executor has been shut down");
    result.attempt.where = where;
    return result;
}

}  // namespace

struct CpuExecutor::Impl {
    exec::Host host;
    std::uint32_t slots = 1;
    std::vector<std::unique_ptr<exec::Lane>> lanes;  // fixed once created
    std::once_flag shut_down;
    std::mutex mutex;                    // guards refusals
    std::vector<std::jthread> refusals;  // of what was started after the shutdown

    [[nodiscard]] exec::Lane& choose_lane() const;
    [[nodiscard]] Result<void> start_lanes(bool pin);
    [[nodiscard]] Result<void> start_lanes(bool pin, std::uint32_t count);
};

/// A lane's own thread keeps the task unless it is full: no wake-up. Else the lane with most room.
exec::Lane& CpuExecutor::Impl::choose_lane() const {
    exec::Lane* best = nullptr;
    std::int64_t most = 0;
    for (const auto& lane : lanes) {
        const std::int64_t free = lane->free_slots();
        if (free > 0 && lane->on_this_thread()) {
            return *lane;
        }
        if (best == nullptr || free > most) {
            best = lane.get();
            most = free;
        }
    }
    assert(best != nullptr);  // start_lanes() makes at least one
    return *best;
}

/// Where descriptors or threads are short, fewer lanes do it: what they cannot start waits.
Result<void> CpuExecutor::Impl::start_lanes(bool pin) {
    const auto cpus = static_cast<std::uint32_t>(host.topology.cpus.size());
    std::uint32_t count = std::clamp(cpus, 1U, slots);
    Result<void> started = start_lanes(pin, count);
    while (!started && started.error().code() == Code::out_of_resources && count > 1) {
        lanes.clear();
        count /= 2;
        started = start_lanes(pin, count);
    }
    if (!started && started.error().code() == Code::out_of_resources) {
        return fail(Error(Domain::process, Code::out_of_resources, Fault::system,
                          "not even one program can run: " + started.error().sentence()));
    }
    return started;
}

Result<void> CpuExecutor::Impl::start_lanes(bool pin, std::uint32_t count) {
    const auto room =
        reserve_descriptors(std::min<std::size_t>(count, starts_at_once) * task_descriptors);
    if (!room) {
        return fail(room.error());
    }
    const std::vector<unsigned long> affinity = proc::current_affinity();
    const std::vector<std::uint32_t> order = pinning_order(host.topology);
    for (std::uint32_t i = 0; i < count; ++i) {
        exec::LaneOptions options;
        options.index = i;
        options.slots = slots / count + (i < slots % count ? 1 : 0);
        if (pin && i < order.size()) {
            options.cpu = order[i];
        }
        options.children_affinity = affinity;
        auto lane = exec::Lane::create(host, std::move(options));
        if (!lane) {
            return fail(lane.error());
        }
        lanes.push_back(std::move(*lane));
    }
    return {};
}

Result<std::unique_ptr<CpuExecutor>> CpuExecutor::create(CpuExecutorOptions options) {
    if (auto checked = proc::check_sigchld(); !checked) {
        return fail(
            Error(Domain::process, Code::unsupported, Fault::user, checked.error().sentence()));
    }
    auto impl = std::make_unique<Impl>();
    exec::Host& host = impl->host;
    host.topology = options.topology.cpus.empty() ? this_machine() : std::move(options.topology);
    impl->slots = options.slots != 0 ? options.slots : host.topology.default_workers();
    constexpr std::uint32_t slots_max = 65536;
    if (impl->slots > slots_max) {
        return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                          "a CPU executor runs at most " + std::to_string(slots_max) +
                              " programs at once; ask for fewer slots"));
    }
    host.cgroups = exec::probe_cgroups();
    host.cgroup_prefix = exec::new_group_prefix();
    host.where = host_name() + "/cpu";
    host.spill_dir = base::temporary_folder();
    host.capture_bytes = options.capture_bytes;
    host.output_bytes = options.output_bytes;
    host.open_files = options.open_files;
    constexpr std::size_t spare_guards = 64;  // runs that linger while their slot is given away
    proc::CgroupsOfOurs groups;
    for (const std::string& folder : {host.cgroups.memory_folder, host.cgroups.pids_folder}) {
        if (!folder.empty()) {
            groups.folders.push_back(folder);
            groups.prefix = host.cgroup_prefix;
        }
    }
    auto guardian = proc::Guardian::create(std::size_t{impl->slots} + spare_guards, groups);
    if (!guardian) {
        return fail(guardian.error());
    }
    host.guardian = std::move(*guardian);
    if (auto started = impl->start_lanes(options.pin_spawners); !started) {
        return fail(started.error());
    }
    return std::unique_ptr<CpuExecutor>(new CpuExecutor(std::move(impl)));
}

CpuExecutor::CpuExecutor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CpuExecutor::~CpuExecutor() { CpuExecutor::shutdown(); }

Capabilities CpuExecutor::capabilities() const {
    Capabilities result;
    result.backend = Backend::cpu;
    result.slots = impl_->slots;
    result.memory_bytes = exec::machine_memory();
    result.cgroup_limits = impl_->host.cgroups.complete();
    result.description = describe_cpus(impl_->host.topology.cpus.size(), impl_->slots);
    return result;
}

void CpuExecutor::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    if (impl_->choose_lane().start(id, task, sink)) {
        return;
    }
    // No lane is left, and finished() must not be called from inside start().
    const std::scoped_lock lock(impl_->mutex);
    impl_->refusals.emplace_back(
        [id, &sink, where = impl_->host.where] { sink.finished(id, refusal(where)); });
}

void CpuExecutor::cancel(const AttemptId& id, CancelReason reason, bool force) {
    for (const auto& lane : impl_->lanes) {
        if (lane->cancel(id, reason, force)) {
            return;
        }
    }
}

void CpuExecutor::hold_output(const AttemptId& id) {
    for (const auto& lane : impl_->lanes) {
        if (lane->on_this_thread()) {
            lane->hold_output(id);
        }
    }
}

void CpuExecutor::release_output(const AttemptId& id) {
    for (const auto& lane : impl_->lanes) {
        lane->release_output(id);
    }
}

void CpuExecutor::shutdown() {
    std::call_once(impl_->shut_down, [this] {
        for (const auto& lane : impl_->lanes) {
            lane->stop();
        }
        for (const auto& lane : impl_->lanes) {
            lane->join();
        }
    });
}

bool CpuExecutor::on_own_thread() const noexcept {
    return std::ranges::any_of(impl_->lanes,
                               [](const auto& lane) { return lane->on_this_thread(); });
}

Topology CpuExecutor::this_machine() {
    Topology topology = exec::usable_cpus();
    topology.quota_centi_cpus = exec::cgroup_grant().quota_centi_cpus;
    return topology;
}

}  // namespace repartir
