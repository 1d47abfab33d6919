// SPDX-License-Identifier: MIT
#include "exec/cpu/launch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ranges>
#include <string_view>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::exec {

namespace {

constexpr std::size_t word_bits = sizeof(unsigned long) * CHAR_BIT;

void set_bit(std::vector<unsigned long>& mask, std::size_t bit) {
    if (mask.size() <= bit / word_bits) {
        mask.resize(bit / word_bits + 1, 0UL);
    }
    mask[bit / word_bits] |= 1UL << (bit % word_bits);
}

/// @return whether an "NAME=value" entry sets this name.
[[nodiscard]] bool sets(std::string_view entry, std::string_view name) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
}

[[nodiscard]] std::string usable(const Topology& topology) {
    std::string text;
    for (std::size_t i = 0; i < topology.cpus.size(); ++i) {
        std::size_t last = i;
        while (last + 1 < topology.cpus.size() &&
               topology.cpus[last + 1].number == topology.cpus[last].number + 1) {
            ++last;
        }
        text += (text.empty() ? "" : ",") + std::to_string(topology.cpus[i].number);
        if (last > i) {
            text += "-" + std::to_string(topology.cpus[last].number);
        }
        i = last;
    }
    return text;
}

/// An rlimit of ours can only be lowered: a ceiling above it is kept already.
[[nodiscard]] ::rlim_t at_most(int resource, ::rlim_t wanted) {
    ::rlimit now{};
    // SAFETY: RLIMIT_* are enumerators of the C library's own type in C++.
    const bool known = ::getrlimit(static_cast<::__rlimit_resource_t>(resource), &now) == 0;
    return known && now.rlim_max != RLIM_INFINITY ? std::min(wanted, now.rlim_max) : wanted;
}

}  // namespace

Environment::Environment() {
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        texts_.emplace_back(*entry);
    }
    entries_.reserve(texts_.size() + 1);
    for (const std::string& text : texts_) {
        entries_.push_back(text.c_str());
    }
    entries_.push_back(nullptr);
}

Result<void> Launch::prepare(const Task& task) {
    extras_ = &task.extras();
    prepare_environment(task);
    prepare_limits(extras_->limits);
    return prepare_placement(*extras_);
}

void Launch::prepare_environment(const Task& task) {
    buffers_.clear();
    const bool inherits = task.env_mode() == EnvMode::overlay;
    if (inherits && extras_->env.empty() && extras_->buffers.empty()) {
        envp_ = host_.environment.entries().data();
        return;
    }
    own_texts_.clear();
    own_envp_.clear();
    int fd = first_buffer_fd;
    for (const auto& [name, buffer] : extras_->buffers) {
        own_texts_.push_back(name + "=/proc/self/fd/" + std::to_string(fd));
        buffers_.push_back({fd++, buffer.fd()});
    }
    // Of two values for one name the last counts; a buffer's path comes first.
    for (const auto& entry : std::views::reverse(extras_->env)) {
        const bool overruled = std::ranges::any_of(
            own_texts_, [&](const std::string& text) { return sets(text, entry.first); });
        if (!overruled) {
            own_texts_.push_back(entry.first + "=" + entry.second);
        }
    }
    if (inherits) {
        for (const char* entry : host_.environment.entries()) {
            const auto replaces = [&](const std::string& text) {
                return sets(entry, std::string_view(text).substr(0, text.find('=')));
            };
            if (entry != nullptr && std::ranges::none_of(own_texts_, replaces)) {
                own_envp_.push_back(entry);
            }
        }
    }
    for (const std::string& text : own_texts_) {
        own_envp_.push_back(text.c_str());
    }
    own_envp_.push_back(nullptr);
    envp_ = own_envp_.data();
}

void Launch::prepare_limits(const Limits& limits) {
    rlimits_.clear();
    const auto add = [this](int resource, std::uint64_t soft, std::uint64_t hard) {
        const ::rlim_t ceiling = at_most(resource, hard);
        rlimits_.push_back({resource, {std::min<::rlim_t>(soft, ceiling), ceiling}});
    };
    if (limits.cpu_time) {
        const auto seconds = static_cast<std::uint64_t>(
            std::max<std::int64_t>(static_cast<std::int64_t>(limits.cpu_time->count()), 1));
        add(RLIMIT_CPU, seconds, seconds + 1);  // SIGXCPU, then SIGKILL
    }
    if (limits.address_space_bytes) {
        add(RLIMIT_AS, *limits.address_space_bytes, *limits.address_space_bytes);
    }
    if (limits.file_bytes) {
        add(RLIMIT_FSIZE, *limits.file_bytes, *limits.file_bytes);
    }
    if (limits.open_files) {
        add(RLIMIT_NOFILE, *limits.open_files, *limits.open_files);
    } else if (host_.open_files) {
        add(RLIMIT_NOFILE, *host_.open_files, RLIM_INFINITY);
    }
}

Result<void> Launch::prepare_placement(const TaskExtras& extras) {
    affinity_.clear();
    memory_nodes_.clear();
    const std::vector<Cpu>& cpus = host_.topology.cpus;
    for (const std::uint32_t number : extras.cores) {
        if (std::ranges::find(cpus, number, &Cpu::number) == cpus.end()) {
            return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                              "cannot bind the task to CPU " + std::to_string(number) +
                                  ": this process may use CPUs " + usable(host_.topology)));
        }
        set_bit(affinity_, number);
    }
    if (!extras.numa_node) {
        return {};
    }
    if (std::ranges::find(cpus, *extras.numa_node, &Cpu::numa_node) == cpus.end()) {
        return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                          "cannot bind the task to NUMA node " + std::to_string(*extras.numa_node) +
                              ": this process may use none of its CPUs"));
    }
    set_bit(memory_nodes_, *extras.numa_node);
    if (extras.cores.empty()) {
        for (const Cpu& cpu : cpus) {
            if (cpu.numa_node == *extras.numa_node) {
                set_bit(affinity_, cpu.number);
            }
        }
    }
    return {};
}

proc::SpawnPlan Launch::plan_for(const Program& program) {
    argv_.clear();
    const std::string& packed = program.packed();
    for (std::size_t at = 0; at < packed.size(); at = packed.find('\0', at) + 1) {
        argv_.push_back(packed.data() + at);
    }
    argv_.push_back(nullptr);
    proc::SpawnPlan plan;
    plan.program = argv_.front();
    plan.argv = argv_.data();
    plan.envp = envp_;
    plan.cwd = extras_->cwd.empty() ? nullptr : extras_->cwd.c_str();
    plan.extra_fds = buffers_;
    plan.rlimits = rlimits_;
    plan.nice_increment = extras_->nice.value_or(0);
    plan.affinity = affinity_;
    plan.memory_nodes = memory_nodes_;
    return plan;
}

Result<base::Fd> open_input(const std::string& path) {
    base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd || ::fcntl(fd.get(), F_SETFL, 0) != 0) {
        return fail(base::os_error(Domain::io, "cannot open " + path + " as stdin", errno));
    }
    return fd;
}

Result<base::Fd> open_output(const std::string& path, std::string_view stream) {
    constexpr ::mode_t mode = 0666;  // less our umask
    base::Fd fd(::open(path.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
    if (!fd || ::fcntl(fd.get(), F_SETFL, 0) != 0) {
        const std::string what = "cannot open " + path + " for " + std::string(stream);
        if (errno == ENXIO) {
            return fail(Error(Domain::io, Code::io_error, Fault::user,
                              what + ": it is a FIFO that nobody reads"));
        }
        return fail(base::os_error(Domain::io, what, errno));
    }
    return fd;
}

}  // namespace repartir::exec
