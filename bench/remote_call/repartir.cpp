// SPDX-License-Identifier: MIT
// A function of a Worker, called with Pool::submit_remote.
#include <cstdio>
#include <utility>
#include <vector>

#include "bench/remote_call/problem.hpp"
#include "repartir/pool.hpp"
#include "repartir/worker.hpp"

namespace {

void serve(int told) {
    repartir::WorkerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.security.plaintext = repartir::Plaintext::loopback;
    options.slots = 1;
    auto worker =
        repartir::Worker::builder().options(std::move(options)).function("nothing", [] {}).build();
    if (worker) {
        bench::remote_call::tell(told, worker->addresses().at(0));
        static_cast<void>(worker->run());
    }
}

bool latency(repartir::Pool& pool, std::uint64_t count, std::vector<std::uint64_t>& times) {
    bool correct = true;
    for (std::uint64_t i = 0; i < bench::remote_call::warm_up + count; ++i) {
        const std::uint64_t begin = bench::now_ns();
        auto pending = pool.submit_remote<void>("nothing");
        correct = std::move(pending).get().has_value() && correct;
        if (i >= bench::remote_call::warm_up) {
            times.push_back(bench::now_ns() - begin);
        }
    }
    return correct;
}

bool throughput(repartir::Pool& pool, std::uint64_t count) {
    std::vector<repartir::Pending<void>> all;
    all.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        all.push_back(pool.submit_remote<void>("nothing"));
    }
    bool correct = true;
    for (auto& one : all) {
        correct = std::move(one).get().has_value() && correct;
    }
    return correct;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::remote_call::Server server(serve);
    repartir::RemoteOptions remote;
    remote.workers = {server.address()};
    remote.security.plaintext = repartir::Plaintext::loopback;
    auto pool = repartir::Pool::builder().cpu_workers(1).remote(std::move(remote)).build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    const std::uint64_t count = bench::remote_call::count_for(options);
    bench::Report report("remote_call", "repartir", options);
    std::vector<std::uint64_t> times;
    static_cast<void>(latency(*pool, 0, times));
    const std::uint64_t begin = bench::now_ns();
    const bool correct =
        options.mode == "latency" ? latency(*pool, count, times) : throughput(*pool, count);
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item",
               static_cast<double>(bench::now_ns() - begin) / static_cast<double>(count));
    if (!times.empty()) {
        report.add_percentiles("call", times);
    }
    return report.finish(correct);
}
