// SPDX-License-Identifier: MIT
// Unbalanced tree search by plain recursion.
#include "bench/uts/problem.hpp"

namespace {

void visit(const bench::uts::Node& node) {
    bench::tally(1);
    const std::uint32_t children = bench::uts::child_count(node);
    for (std::uint32_t i = 0; i < children; ++i) {
        visit(bench::uts::child(node, i));
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("uts", "serial", options);
    return report.finish(bench::uts::measure(report, [] { visit(bench::uts::root()); }));
}
