// SPDX-License-Identifier: MIT
// Taskflow's for_each_index, its default partitioner.
#include <taskflow/algorithm/for_each.hpp>
#include <taskflow/taskflow.hpp>

#include "bench/parallel_for/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    tf::Executor executor(options.workers);
    bench::Report report("parallel_for", "taskflow", options);
    const bool correct =
        bench::parallel_for::measure(options, report, [&](std::size_t n, const auto& body) {
            tf::Taskflow flow;
            flow.for_each_index(std::size_t{0}, n, std::size_t{1}, body);
            executor.run(flow).wait();
        });
    return report.finish(correct);
}
