// SPDX-License-Identifier: MIT
#include "bench/harness/harness.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace bench {
namespace {

[[noreturn]] void usage(std::string_view why) {
    std::fprintf(stderr,
                 "%.*s; usage: [--mode NAME] [--workers N] [--count N] [--ballast MiB] "
                 "[--pin 0|1] [--seconds N] [--at tcp|tls|unix] [--pki FOLDER]\n",
                 static_cast<int>(why.size()), why.data());
    std::exit(2);
}

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        usage("not a number: " + std::string(text));
    }
    return value;
}

/// Adds what the kernel counted for one thread (or the first thread of one process).
void add_activity(const std::filesystem::path& directory, Activity& total) {
    std::ifstream schedstat(directory / "schedstat");
    std::uint64_t on_cpu = 0;
    schedstat >> on_cpu;
    total.cpu_ns += on_cpu;
    std::ifstream status(directory / "status");
    for (std::string line; std::getline(status, line);) {
        const auto at = line.find("voluntary_ctxt_switches:");  // finds nonvoluntary_ too
        if (at != std::string::npos) {
            total.context_switches += std::strtoull(line.c_str() + at + 24, nullptr, 10);
        }
    }
}

struct alignas(128) Tally {
    std::uint64_t value = 0;
};
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): they outlive every thread
constinit std::array<Tally, 256> tallies;
constinit std::atomic<std::size_t> tallies_claimed = 0;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view key = argv[i];
        if (i + 1 >= argc) {
            usage(std::string(key) + " lacks a value");
        }
        const std::string_view value = argv[i + 1];
        if (key == "--mode") {
            options.mode = value;
        } else if (key == "--workers") {
            options.workers = static_cast<unsigned>(number(value));
        } else if (key == "--count") {
            options.count = number(value);
        } else if (key == "--ballast") {
            options.ballast_mib = number(value);
        } else if (key == "--pin") {
            options.pin = number(value) != 0;
        } else if (key == "--seconds") {
            options.seconds = number(value);
        } else if (key == "--at") {
            options.at = value;
        } else if (key == "--pki") {
            options.pki = value;
        } else {
            usage("unknown option " + std::string(key));
        }
    }
    return options;
}

std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::steady_clock::now().time_since_epoch())
                                          .count());
}

std::uint64_t thread_cpu_ns() noexcept {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(time.tv_nsec);
}

Report::Report(std::string_view problem, std::string_view implementation, const Options& options) {
    line_ = "{\"problem\": \"" + std::string(problem) + "\"";
    add("implementation", implementation);
    add("mode", options.mode);
    add("workers", options.workers);
}

Report& Report::add(std::string_view key, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    line_ += ", \"" + std::string(key) + "\": " + text;
    return *this;
}

Report& Report::add(std::string_view key, std::string_view value) {
    line_ += ", \"" + std::string(key) + "\": \"" + std::string(value) + "\"";
    return *this;
}

Report& Report::add_percentiles(std::string_view prefix, std::vector<std::uint64_t>& samples) {
    std::sort(samples.begin(), samples.end());
    const std::string name(prefix);
    add(name + "_p50_ns", static_cast<double>(quantile(samples, 0.50)));
    add(name + "_p90_ns", static_cast<double>(quantile(samples, 0.90)));
    add(name + "_p99_ns", static_cast<double>(quantile(samples, 0.99)));
    return add(name + "_max_ns", static_cast<double>(quantile(samples, 1.0)));
}

int Report::finish(bool correct) {
    line_ += correct ? ", \"correct\": true}" : ", \"correct\": false}";
    std::puts(line_.c_str());
    return correct ? 0 : 1;
}

std::uint64_t quantile(const std::vector<std::uint64_t>& sorted, double q) noexcept {
    if (sorted.empty()) {
        return 0;
    }
    const auto last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(std::lround(q * last))];
}

void pin_to(unsigned index) noexcept {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    auto left = index % static_cast<unsigned>(CPU_COUNT(&allowed));
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

Ballast::Ballast(std::uint64_t mib) : bytes_(mib << 20U) {
    if (bytes_ == 0) {
        return;
    }
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) {
        usage("no memory for --ballast");
    }
    madvise(memory_, bytes_, MADV_NOHUGEPAGE);  // many page-table entries: the hard case for a fork
    std::memset(memory_, 1, bytes_);
}

Ballast::~Ballast() {
    if (bytes_ != 0) {
        munmap(memory_, bytes_);
    }
}

Activity other_threads_activity() {
    Activity total;
    const std::string self = std::to_string(gettid());
    std::error_code ignored;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
        if (thread.path().filename() != self) {
            add_activity(thread.path(), total);
        }
        std::ifstream children(thread.path() / "children");
        for (std::string pid; children >> pid;) {
            add_activity(std::filesystem::path("/proc") / pid, total);
        }
    }
    return total;
}

std::uint64_t* claim_tally() noexcept {
    const std::size_t index = tallies_claimed.fetch_add(1);
    if (index >= tallies.size()) {
        std::fputs("more threads than a benchmark has counters for; lower --workers\n", stderr);
        std::abort();
    }
    return &tallies[index].value;
}

std::uint64_t take_tally() noexcept {
    std::uint64_t total = 0;
    for (Tally& each : tallies) {
        total += std::exchange(each.value, 0);
    }
    return total;
}

}  // namespace bench
