// SPDX-License-Identifier: MIT
// The empty task called a million times through a pointer, for scale.
#include "bench/empty_tasks/problem.hpp"

namespace {

[[gnu::noinline]] void task() { bench::tally(1); }

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("empty_tasks", "serial", options);
    const bool correct = bench::empty_tasks::measure(options, report, [](std::uint64_t n) {
        void (*call)() = task;
        for (std::uint64_t i = 0; i < n; ++i) {
            bench::keep(call);
            call();
        }
    });
    return report.finish(correct);
}
