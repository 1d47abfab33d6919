// SPDX-License-Identifier: MIT
// Functions on another machine. The worker here is a thread of this program, and listens at a Unix
// socket; elsewhere it is a program of three lines on another host, behind TLS (docs/workers.md).
#include <unistd.h>

#include <cstdio>
#include <numeric>
#include <repartir/repartir.hpp>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

struct Summary {
    std::size_t count = 0;
    double mean = 0;
    static constexpr auto codec_fields = std::tuple(&Summary::count, &Summary::mean);
};

Summary summarize(const std::vector<double>& values) {
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    return {values.size(), sum / static_cast<double>(values.size())};
}

}  // namespace

int main() {
    const std::string address = "unix:/tmp/repartir-example-" + std::to_string(::getpid());

    auto worker =
        repartir::Worker::builder().listen(address).function("summarize", summarize).build();
    if (!worker) {
        std::printf("no worker: %s\n", worker.error().sentence().c_str());
        return 1;
    }
    std::thread serving([&] { worker->run(); });

    auto pool = repartir::Pool::builder().remote_workers(address).build();
    auto summary = pool->submit_remote<Summary>("summarize", std::vector{1.0, 2.0, 6.0});
    const auto result = std::move(summary).get();
    if (result) {
        std::printf("%zu values, mean %.1f\n", result->count, result->mean);
    } else {
        std::printf("no summary: %s\n", result.error().sentence().c_str());
    }
    auto nobody = pool->submit_remote<int>("median");
    std::printf("%s\n", std::move(nobody).get().error().describe().c_str());

    worker->stop();
    serving.join();
    return result ? 0 : 1;
}
