// SPDX-License-Identifier: MIT
#include "exec/gpu/child_discovery.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "base/in_words.hpp"
#include "base/os_error.hpp"
#include "proc/spawn.hpp"
#include "repartir/codec.hpp"

namespace repartir::gpu {
namespace {

constexpr std::size_t report_bytes_max = 4U << 20U;
constexpr std::string_view what_to_do =
    "; VK_DRIVER_FILES, set to the files of other drivers, leaves it out";

/// Why there is no device.
struct Refusal {
    Code code = Code::internal;
    Fault fault = Fault::node;
    std::string sentence;
    static constexpr auto codec_fields =
        std::tuple(&Refusal::code, &Refusal::fault, &Refusal::sentence);
};

/// What the child found.
struct Report {
    std::vector<DeviceInfo> devices;
    std::optional<Refusal> refusal;
    static constexpr auto codec_fields = std::tuple(&Report::devices, &Report::refusal);
};

Error driver_failed(const std::string& how) {
    return Error(Domain::gpu, Code::driver_failed, Fault::node, how + std::string(what_to_do));
}

Result<proc::Spawned> start(proc::Spawner& spawner, const DiscoveryChild& child, int report) {
    std::vector<const char*> arguments;
    for (const std::string& argument : child.arguments) {
        arguments.push_back(argument.c_str());
    }
    arguments.push_back(nullptr);
    const proc::FdMapping for_report{.child = report_descriptor, .parent = report};
    proc::SpawnPlan plan;
    plan.program = child.program.c_str();
    plan.argv = arguments.data();
    plan.envp = environ;
    plan.out = STDERR_FILENO;  // what drivers print is no part of an answer of ours
    plan.err = STDERR_FILENO;
    plan.extra_fds = {&for_report, 1};
    plan.group = proc::Group::session;  // not stopped when it writes to a terminal
    return spawner.spawn(plan);
}

/// @return whether the process ended within the time.
bool ended(const base::Fd& process, std::chrono::milliseconds limit) {
    const base::BootTime end = base::later(base::now(), limit);
    for (base::BootTime left = limit; left.count() > 0; left = end - base::now()) {
        pollfd ready{.fd = process.get(), .events = POLLIN, .revents = 0};
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        if (::poll(&ready, 1, static_cast<int>(wait)) > 0) {
            return true;
        }
    }
    return false;
}

/// Kills what is left of the child and those that it started. @return how it ended; nothing of one
/// that is stuck in the kernel, which is left to die when it can
siginfo_t end(const proc::Spawned& child) {
    constexpr std::chrono::milliseconds patience(1'000);
    ::kill(-child.pid, SIGKILL);  // its group is its own until it is waited for
    siginfo_t how{};
    if (ended(child.pidfd, patience)) {
        while (::waitid(P_PID, static_cast<id_t>(child.pid), &how, WEXITED) != 0 &&
               errno == EINTR) {}
    }
    return how;
}

/// @return why a child has no say that ended so; nothing when it has.
std::optional<Error> objection(const siginfo_t& how) {
    constexpr int too_little_memory = 6;  // as all of our program
    if (how.si_code == CLD_EXITED && how.si_status == 0) {
        return std::nullopt;
    }
    if (how.si_code == CLD_EXITED && how.si_status == too_little_memory) {
        return Error(Domain::gpu, Code::out_of_resources, Fault::system,
                     "there is too little memory to look for them");
    }
    if (how.si_code == CLD_EXITED) {
        return driver_failed("a Vulkan driver ended the process that asked it (exit code " +
                             std::to_string(how.si_status) + ")");
    }
    const char* name = ::sigabbrev_np(how.si_status);
    return driver_failed("a Vulkan driver crashed (signal " + std::to_string(how.si_status) +
                         (name == nullptr ? "" : ", SIG" + std::string(name)) + ")");
}

/// @return all of a file, up to the limit.
std::string content_of(const base::Fd& file) {
    std::string content;
    std::array<char, 4096> piece{};
    while (content.size() < report_bytes_max) {
        const ssize_t got =
            ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(content.size()));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            break;
        }
        content.append(piece.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return content;
}

Result<std::vector<DeviceInfo>> devices_in(const base::Fd& file) {
    Result<Report> report = codec::decode<Report>(content_of(file));
    if (!report) {
        return fail(driver_failed("a Vulkan driver ended the process that asked it"));
    }
    if (report->refusal) {
        return fail(Error(Domain::gpu, report->refusal->code, report->refusal->fault,
                          std::move(report->refusal->sentence)));
    }
    return std::move(report->devices);
}

bool write_whole(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno != EINTR) {
            return false;
        }
        bytes.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : 0);
    }
    return true;
}

}  // namespace

Result<std::vector<DeviceInfo>> devices_by_child(const DiscoveryChild& child) {
    if (Result<void> waits = proc::check_sigchld(); !waits) {
        return fail(waits.error());
    }
    const base::Fd report(::memfd_create("repartir-gpus", MFD_CLOEXEC));
    if (!report) {
        return fail(base::os_error(Domain::gpu, "no file for a report can be made", errno));
    }
    const Result<std::unique_ptr<proc::Spawner>> spawner = proc::Spawner::create();
    if (!spawner) {
        return fail(spawner.error());
    }
    const Result<proc::Spawned> started = start(**spawner, child, report.get());
    if (!started) {
        return fail(started.error());
    }
    const bool in_time = ended(started->pidfd, child.limit);
    const siginfo_t how = end(*started);
    if (!in_time) {
        return fail(
            driver_failed("a Vulkan driver did not answer within " + base::in_words(child.limit)));
    }
    if (std::optional<Error> why_not = objection(how)) {
        return fail(*std::move(why_not));
    }
    return devices_in(report);
}

int report_devices(const DiscoveryOptions& options) noexcept {
    try {
        ::fcntl(report_descriptor, F_SETFD, FD_CLOEXEC);  // not for what a driver may start
        Report report;
        if (Result<std::vector<DeviceInfo>> found = devices(options)) {
            report.devices = *std::move(found);
        } else {
            report.refusal = {found.error().code(), found.error().fault(),
                              found.error().describe()};
        }
        return write_whole(report_descriptor, codec::encode(report)) ? 0 : 1;
    } catch (const std::exception&) {
        return 1;  // dropped: the parent says that there was no report
    }
}

}  // namespace repartir::gpu
