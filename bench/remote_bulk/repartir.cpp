// SPDX-License-Identifier: MIT
// Modes: `into` calls a function of a worker, which has the bytes in a buffer and returns that, and
// has them put into a buffer that was touched before; `buffer` calls the same, into fresh memory;
// `function` one that has them and returns a copy; `program`
// runs one on a worker that prints them, all of which its Outcome holds in memory; `stream` runs
// the same and copies the bytes, as they come, into memory that was touched before.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/own_pool.hpp"
#include "bench/remote_bulk/problem.hpp"
#include "repartir/pool.hpp"
#include "repartir/shared_buffer.hpp"
#include "repartir/worker.hpp"

namespace {

using bench::remote_bulk::result_bytes;

repartir::SharedBuffer buffer() {
    static const repartir::SharedBuffer all = [] {
        auto made = repartir::SharedBuffer::create(result_bytes);
        const std::string bytes = bench::remote_bulk::make_all();
        std::memcpy(made->writable().data(), bytes.data(), bytes.size());
        return *std::move(made);
    }();
    return all;
}

std::string_view bytes() {
    static const std::string all = bench::remote_bulk::make_all();
    return all;
}

void serve(const bench::Options& options, int told) {
    repartir::WorkerOptions how;
    how.listen = {bench::listen_address(options)};
    how.security = bench::security(options, "worker");
    how.slots = 1;
    auto worker = repartir::Worker::builder()
                      .options(std::move(how))
                      .function("buffer", buffer)
                      .function("function", bytes)
                      .build();
    if (worker) {
        bench::tell(told, worker->addresses().at(0));
        worker->run();
    }
}

int streamed(const bench::Options& options, repartir::Pool& pool, const repartir::Task& blob) {
    std::vector<char> all(result_bytes);
    std::size_t size = 0;
    auto task = blob;
    task.on_output([&](repartir::Stream /*stream*/, std::span<const char> piece) {
        const std::size_t room = std::min(piece.size(), all.size() - size);
        std::copy_n(piece.data(), room, all.data() + size);
        size += room;
    });
    return bench::remote_bulk::measure(
        options, "repartir",
        [&] {
            size = 0;
            auto pending = pool.submit(task);
            static_cast<void>(std::move(pending).get());
            return size;
        },
        [&](std::size_t bytes) { return std::string_view(all.data(), bytes); });
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server([&](int told) { serve(options, told); });
    repartir::RemoteOptions remote;
    remote.workers = {server.address()};
    remote.security = bench::security(options, "client");
    repartir::Pool pool = bench::own_pool(
        repartir::Pool::builder().cpu_workers(1).local_programs(false).remote(std::move(remote)));
    if (options.mode == "into") {
        const auto all = repartir::SharedBuffer::create(result_bytes);
        return bench::remote_bulk::measure(
            options, "repartir",
            [&] { return pool.submit_remote_into(*all, "buffer").get().value_or(0); },
            [&](std::size_t bytes) { return all->text().substr(0, bytes); });
    }
    if (options.mode == "buffer" || options.mode == "function") {
        return bench::remote_bulk::measure(
            options, "repartir",
            [&] {
                auto pending = pool.submit_remote<std::string>(options.mode);
                return std::move(pending).get();
            },
            [](const auto& result) {
                return result ? std::string_view(*result) : std::string_view();
            });
    }
    const auto blob = repartir::Task::binary(std::filesystem::read_symlink("/proc/self/exe")
                                                 .replace_filename("remote_bulk.blob")
                                                 .string());
    if (options.mode == "program") {
        return bench::remote_bulk::measure(
            options, "repartir",
            [&] {
                auto task = blob;
                auto pending = pool.submit(std::move(task.capture_limit(2 * result_bytes)));
                return std::move(pending).get();
            },
            [](const auto& outcome) {
                return outcome ? std::string_view(outcome->out.bytes()) : std::string_view();
            });
    }
    return streamed(options, pool, blob);
}
