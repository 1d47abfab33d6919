// SPDX-License-Identifier: MIT
// Programs that go wrong in every way: what the Outcome says, and what limits, timeouts and retries
// do.
#include <cstdio>
#include <filesystem>
#include <repartir/repartir.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using repartir::Task;

Task shell(const char* script) { return Task::binary("sh", "-c", script); }

/// Tasks, each named after what it shows.
std::vector<Task> tasks(const std::string& marker) {
    repartir::Limits frugal;
    frugal.cpu_time = 1s;
    frugal.file_bytes = 1 << 20;
    repartir::RetryPolicy patient;
    patient.max_retries = 3;
    patient.backoff.initial = 1ms;
    return {
        Task::binary("true").name("goes well"),
        shell("exit 3").name("fails"),
        shell("kill -SEGV $$").name("crashes"),
        Task::binary("sleep", "60").timeout(100ms).name("takes too long"),
        Task::binary("head", "-c", "2M", "/dev/zero")
            .stdout_file(marker + ".big")
            .limits(frugal)
            .name("writes too much"),
        // The first try leaves a marker and fails; the second finds it.
        shell("test -e \"$0\" || { : >\"$0\"; exit 9; }")
            .arg(marker)
            .retry(patient)
            .name("recovers"),
        Task::binary("/no/such/program").name("does not exist"),
    };
}

}  // namespace

int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    std::string folder =
        (std::filesystem::temp_directory_path() / "repartir-example-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) {
        std::perror("mkdtemp");
        return 1;
    }
    std::vector<repartir::Pending<repartir::Outcome>> pending;
    for (Task& task : tasks(folder + "/marker")) {
        pending.push_back(pool->submit(std::move(task)));
    }
    for (auto& one : pending) {
        const auto outcome = std::move(one).get();
        if (!outcome) {
            std::printf("refused: %s\n", outcome.error().describe().c_str());
            continue;
        }
        std::printf("%-16s %-30s attempts: %zu  exit code: %d\n", outcome->name.c_str(),
                    outcome->ending.describe().c_str(), outcome->attempts.size(),
                    outcome->exit_code());
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return 0;
}
