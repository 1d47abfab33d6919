// SPDX-License-Identifier: MIT
#include "cli/commands/worker.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/logfmt.hpp"
#include "base/os_error.hpp"
#include "cli/commands/gpu.hpp"
#include "cli/config_file.hpp"
#include "cli/exit_code.hpp"
#include "cli/line_log.hpp"
#include "cli/options.hpp"
#include "cli/plain_output.hpp"
#include "cli/service_manager.hpp"
#include "cli/signals.hpp"
#include "cli/supervisor.hpp"
#include "cli/text.hpp"
#include "cli/worker_config.hpp"
#include "repartir/worker.hpp"

namespace repartir::cli {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Where a worker cannot start. Those that a person must mend are never tried again.
int refuse(const Error& error) {
    complain(error.describe());
    return error.code() == Code::unreachable ? exit_unreachable
           : error.fault() == Fault::system  ? exit_cannot_schedule
                                             : exit_usage;
}

/// Connections, and descriptors of tasks, need as many as the kernel grants. @return the limit from
/// before, for what we start; nothing when it stayed
std::optional<std::uint64_t> raise_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) {
        return std::nullopt;
    }
    const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::optional<std::uint64_t>(before)
                                                   : std::nullopt;
}

/// Turns the signals that come into the end of a worker, on a thread of its own.
class SignalWatch {
  public:
    /// Watches until it is destroyed. All but `ended` must outlive this.
    SignalWatch(Signals& signals, Worker& worker, const ServiceManager& manager, LineLog& log,
                milliseconds drain_timeout, base::Fd ended)
        : signals_(signals),
          worker_(worker),
          manager_(manager),
          log_(log),
          drain_timeout_(drain_timeout),
          ended_(std::move(ended)),
          thread_([this](const std::stop_token& stop) { watch(stop); }) {}
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;
    ~SignalWatch() {
        thread_.request_stop();
        ::eventfd_write(ended_.get(), 1);
    }
    /// @return whether a second signal stopped it at once.
    [[nodiscard]] bool stopped() const noexcept { return stopped_.load(); }

  private:
    void watch(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::array<pollfd, 2> ready{{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                         {.fd = ended_.get(), .events = POLLIN, .revents = 0}}};
            ::poll(ready.data(), ready.size(), -1);
            if (const std::vector<int> numbers = signals_.take(); !numbers.empty()) {
                heard(numbers);
            }
        }
    }
    /// The first signal ever begins the drain; of two that come together the second counts.
    void heard(const std::vector<int>& numbers) {
        const int number = numbers.back();
        const std::string name = number == SIGINT   ? "SIGINT"
                                 : number == SIGHUP ? "SIGHUP"
                                                    : "SIGTERM";
        if (std::exchange(draining_, true) || numbers.size() > 1) {
            log_.write(LogLevel::warning, base::Logfmt("stopping").add("reason", name).take());
            stopped_.store(true);
            worker_.stop();
            return;
        }
        // Longer than the unit's TimeoutStopSec, where --drain-timeout is.
        const auto longest = drain_timeout_ + std::chrono::seconds(15);
        manager_.tell(cat(
            {"STOPPING=1\nEXTEND_TIMEOUT_USEC=", std::to_string(microseconds(longest).count())}));
        worker_.drain(drain_timeout_, name);
    }

    Signals& signals_;
    Worker& worker_;
    const ServiceManager& manager_;
    LineLog& log_;
    const milliseconds drain_timeout_;
    const base::Fd ended_;
    bool draining_ = false;  // of the thread
    std::atomic<bool> stopped_{false};
    std::jthread thread_;  // last: it uses the rest
};

/// Tells that it works: to the service manager, and where it listens on standard output.
bool announce(const Worker& worker, const WorkerConfig& config, const ServiceManager& manager,
              LineLog& log) {
    std::string lines;
    for (const std::string& address : worker.addresses()) {
        lines += cat({address, "\n"});
    }
    if (config.print_address && !print(lines)) {
        return false;
    }
    if (!manager.tell("READY=1")) {
        log.write(LogLevel::warning,
                  base::Logfmt("not-told")
                      .add("why", "the service manager's socket ($NOTIFY_SOCKET) takes nothing")
                      .take());
    }
    return true;
}

/// @return the GPUs that it offers. That there is none is no news; that a driver failed is, but no
/// reason not to serve. Errors: out_of_resources
Result<std::vector<GpuOptions>> gpus_of(const WorkerConfig& config, LineLog& log) {
    std::vector<GpuOptions> chosen;
    if (config.gpus.front() == "none") {
        return chosen;
    }
    if (config.gpus.front() != "all") {
        for (const std::string& word : config.gpus) {
            chosen.push_back(gpu_named(word, config.gpu_allow_cpu));
        }
        return chosen;
    }
    const Gpus found = find_gpus(config.gpu_allow_cpu);
    if (!found) {
        if (found.error().code() == Code::out_of_resources) {
            return fail(found.error());
        }
        if (found.error().code() != Code::unsupported) {
            log.write(LogLevel::warning,
                      base::Logfmt("no-gpus").add("why", found.error().sentence()).take());
        }
        return chosen;
    }
    for (std::size_t i = 0; i < found->size(); ++i) {
        const gpu::DeviceInfo& device = (*found)[i];
        if (device.usable() && device.faults.empty()) {
            chosen.push_back(gpu_named(device.uuid.empty() ? std::to_string(i) : device.uuid,
                                       config.gpu_allow_cpu));
            chosen.back().required = false;
        }
    }
    return chosen;
}

/// Runs one worker to its end.
int serve(const WorkerConfig& config, const EnvLookup& env, Signals& signals, LineLog& log,
          pid_t supervisor) {
    const ServiceManager manager(env, supervisor);
    ServiceManager::clear_environment();  // the tasks' copy is made when the worker is
    WorkerOptions options = config.options;
    Result<std::vector<GpuOptions>> gpus = gpus_of(config, log);
    if (!gpus) {
        return refuse(gpus.error());
    }
    options.gpus = *std::move(gpus);
    options.open_files = raise_open_files();
    options.log = [&log](LogLevel level, std::string_view line) { log.write(level, line); };
    if (manager.watchdog().count() > 0) {
        options.on_tick = [&manager] { manager.tell("WATCHDOG=1"); };
        options.tick_interval =
            std::max(std::chrono::floor<milliseconds>(manager.watchdog() / 2), milliseconds(1));
    }
    Result<Worker> worker = Worker::builder().options(std::move(options)).build();
    if (!worker) {
        return refuse(worker.error());
    }
    base::Fd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ended) {
        return refuse(
            base::os_error(Domain::io, "no descriptor for an event could be made", errno));
    }
    SignalWatch watch(signals, *worker, manager, log, config.drain_timeout, std::move(ended));
    if (!announce(*worker, config, manager, log)) {
        return exit_failed;
    }
    worker->run();
    return watch.stopped() ? exit_cancelled : exit_ok;
}

}  // namespace

int worker_command(Parsed parsed, const EnvLookup& env) {
    if (const Result<std::string> file = add_config_file(*find_command("worker"), env, parsed);
        !file) {
        return refuse(file.error());
    }
    const Result<WorkerConfig> config = read_worker_config(parsed);
    if (!config) {
        return refuse(config.error());
    }
    Result<Signals> signals = Signals::create(false);  // before any thread
    if (!signals) {
        return refuse(signals.error());
    }
    LineLog log(STDERR_FILENO);
    const auto work = [&](pid_t supervisor) {
        return serve(*config, env, *signals, log, supervisor);
    };
    return config->supervise ? supervise(*signals, log, work) : work(0);
}

}  // namespace repartir::cli
