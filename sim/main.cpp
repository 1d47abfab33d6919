// SPDX-License-Identifier: MIT
// Runs simulated clusters, one for each seed, and says which seeds broke an invariant.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cluster.hpp"

namespace {

constexpr std::string_view help =
    "usage: repartir-sim [--seeds N] [--first S] [--workers N] [--tasks N] [--trace]\n"
    "                    [--stop]\n"
    "\n"
    "Simulates a client and its workers with crashes, partitions and delays, once for each seed\n"
    "from S on (default 1), and checks what must always hold. A seed always runs the same.\n"
    "\n"
    "  --seeds N    how many (default 100)\n"
    "  --first S    the first one (default 1)\n"
    "  --workers N  0: 1 to 16, by the seed (default)\n"
    "  --tasks N    0: 1 to 300, by the seed (default)\n"
    "  --trace      print all that happened\n"
    "  --stop       end at the first seed that breaks an invariant\n"
    "\n"
    "exit codes: 0 all held, 1 some seed broke an invariant, 2 usage\n";

struct Settings {
    std::uint64_t seeds = 100;
    std::uint64_t first = 1;
    std::uint64_t workers = 0;
    std::uint64_t tasks = 0;
    bool trace = false;
    bool stop = false;
};

/// @return whether the words could be read.
bool read(const std::vector<std::string_view>& words, Settings& settings) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::uint64_t* number = words[i] == "--seeds"     ? &settings.seeds
                                : words[i] == "--first"   ? &settings.first
                                : words[i] == "--workers" ? &settings.workers
                                : words[i] == "--tasks"   ? &settings.tasks
                                                          : nullptr;
        if (words[i] == "--trace") {
            settings.trace = true;
        } else if (words[i] == "--stop") {
            settings.stop = true;
        } else if (number == nullptr || ++i == words.size()) {
            return false;
        } else {
            const std::string_view text = words[i];
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), *number);
            if (error != std::errc() || end != text.data() + text.size()) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> words(argv + 1, argv + argc);
    Settings settings;
    if (words.size() == 1 && words[0] == "--help") {
        std::fputs(help.data(), stdout);
        return 0;
    }
    if (!read(words, settings)) {
        std::fputs(help.data(), stderr);
        return 2;
    }
    std::uint64_t failed = 0;
    std::uint64_t messages = 0;
    double hours = 0;
    std::uint64_t seed = settings.first;
    for (; seed < settings.first + settings.seeds && (failed == 0 || !settings.stop); ++seed) {
        repartir::sim::Plan plan;
        repartir::base::Prng shape(seed ^ 0x5151);
        plan.seed = seed;
        plan.workers = static_cast<std::uint32_t>(settings.workers != 0 ? settings.workers
                                                                        : 1 + shape.below(16));
        plan.tasks =
            static_cast<std::uint32_t>(settings.tasks != 0 ? settings.tasks : 1 + shape.below(300));
        plan.trace = settings.trace;
        const repartir::sim::Report report = repartir::sim::Cluster(plan).run();
        for (const std::string& line : report.trace) {
            std::printf("%s\n", line.c_str());
        }
        messages += report.messages;
        hours += std::chrono::duration<double, std::ratio<3600>>(report.took).count();
        if (!report.broken.empty()) {
            ++failed;
            std::printf("seed %llu:\n", static_cast<unsigned long long>(seed));
            for (const std::string& sentence : report.broken) {
                std::printf("  %s\n", sentence.c_str());
            }
        }
    }
    std::printf("sim: %llu seeds, %.1f simulated hours, %llu messages, %llu seeds failed\n",
                static_cast<unsigned long long>(seed - settings.first), hours,
                static_cast<unsigned long long>(messages), static_cast<unsigned long long>(failed));
    return failed == 0 ? 0 : 1;
}
