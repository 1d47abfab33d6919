// SPDX-License-Identifier: MIT
// Fork-join without a fork: the plain recursion, for scale.
#include "bench/fork_join/problem.hpp"

namespace {

[[gnu::noinline]] std::uint64_t fib(std::uint64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

[[gnu::noinline]] void walk(std::uint64_t n) {
    if (n < 2) {
        bench::tally(1);
        return;
    }
    walk(n - 1);
    walk(n - 2);
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("fork_join", "serial", options);
    return report.finish(bench::fork_join::measure(options, report, fib, walk));
}
