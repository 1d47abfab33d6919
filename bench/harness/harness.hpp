// SPDX-License-Identifier: MIT
#pragma once
/// @file harness.hpp What every benchmark program shares: options, clocks, statistics, one line of
/// JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Command line of a benchmark program: `--key value` pairs. Unknown keys end the program with 2.
struct Options {
    std::string mode;         ///< --mode: which case of the problem; each program names its own
    unsigned workers = 1;     ///< --workers: threads (or programs) at once
    std::uint64_t count = 0;  ///< --count: size of the problem; 0: the problem's own
    std::uint64_t ballast_mib = 0;  ///< --ballast: MiB of touched memory that the process holds
    bool pin = false;               ///< --pin 1: bind thread i to the i-th allowed CPU
    std::uint64_t seconds = 10;     ///< --seconds: how long an idle measurement lasts
    std::string at = "tcp";         ///< --at: where the other end is: local, tcp, tls or unix
    std::string pki;                ///< --pki: folder of `repartir pki`, for --at tls
};

/// Parses the command line; ends the program with 2 and a sentence when it cannot.
[[nodiscard]] Options parse(int argc, char** argv);

/// @return nanoseconds of the monotonic clock.
[[nodiscard]] std::uint64_t now_ns() noexcept;
/// @return nanoseconds of CPU time that this thread has used: what others run here does not count.
[[nodiscard]] std::uint64_t thread_cpu_ns() noexcept;

/// One line of JSON, built in order and printed when it goes: `{"problem": "uts", ...}`.
class Report {
  public:
    Report(std::string_view problem, std::string_view implementation, const Options& options);
    Report& add(std::string_view key, double value);
    Report& add(std::string_view key, std::string_view value);
    /// Adds p50, p90, p99 and max of `samples` (which it sorts) as `<prefix>_p50_ns` and so on.
    Report& add_percentiles(std::string_view prefix, std::vector<std::uint64_t>& samples);
    /// Records whether the work was done right, prints the line and @return the exit status.
    [[nodiscard]] int finish(bool correct);

  private:
    std::string line_;
};

/// @return the value at quantile `q` (0 to 1) of sorted samples; 0 when there are none.
[[nodiscard]] std::uint64_t quantile(const std::vector<std::uint64_t>& sorted, double q) noexcept;

/// Binds the calling thread to the `index`-th CPU that this process may use, modulo their number.
void pin_to(unsigned index) noexcept;

/// Keeps `mib` MiB of touched, unshared, small-page memory for as long as it lives.
class Ballast {
  public:
    explicit Ballast(std::uint64_t mib);
    Ballast(const Ballast&) = delete;
    Ballast& operator=(const Ballast&) = delete;
    ~Ballast();

  private:
    void* memory_ = nullptr;
    std::size_t bytes_ = 0;
};

/// What the kernel counted so far for this process's threads and its child processes.
struct Activity {
    std::uint64_t cpu_ns = 0;            ///< time on a CPU (schedstat)
    std::uint64_t context_switches = 0;  ///< voluntary and not
};
/// Reads it. The calling thread, which measures, is left out.
[[nodiscard]] Activity other_threads_activity();

/// @return a counter of its own cache lines for the calling thread; it lives as long as the
/// program.
[[nodiscard]] std::uint64_t* claim_tally() noexcept;

/// The calling thread's counter; nullptr until it first counts.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): each thread counts for itself
inline constinit thread_local std::uint64_t* own_tally = nullptr;

/// Adds to the calling thread's counter: how a problem proves that each task ran, sharing no line.
inline void tally(std::uint64_t amount) noexcept {
    if (own_tally == nullptr) {
        own_tally = claim_tally();
    }
    *own_tally += amount;
}

/// @return what all threads have counted since the last call; only while none counts.
[[nodiscard]] std::uint64_t take_tally() noexcept;

/// Tells the optimiser that `value` is used.
template <class T>
inline void keep(const T& value) noexcept {
    asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace bench
