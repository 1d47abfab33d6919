// SPDX-License-Identifier: MIT
// A function of a Worker, called with Pool::submit_remote. --at tls: each end shows its
// certificate.
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/harness/own_pool.hpp"
#include "bench/remote_call/problem.hpp"
#include "repartir/pool.hpp"
#include "repartir/worker.hpp"

namespace {

void serve(const bench::Options& options, int told) {
    repartir::WorkerOptions how;
    how.listen = {bench::listen_address(options)};
    how.security = bench::security(options, "worker");
    how.slots = 1;
    auto worker =
        repartir::Worker::builder().options(std::move(how)).function("nothing", [] {}).build();
    if (worker) {
        bench::tell(told, worker->addresses().at(0));
        worker->run();
    }
}

bool many(repartir::Pool& pool, std::uint64_t count) {
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
    const bench::Child server([&](int told) { serve(options, told); });
    repartir::RemoteOptions remote;
    remote.workers = {server.address()};
    remote.security = bench::security(options, "client");
    auto pool = bench::own_pool(repartir::Pool::builder().cpu_workers(1).remote(std::move(remote)));
    return bench::remote_call::measure(
        options, "repartir",
        [&] {
            auto pending = pool.submit_remote<void>("nothing");
            return std::move(pending).get().has_value();
        },
        [&](std::uint64_t count) { return many(pool, count); });
}
