// SPDX-License-Identifier: MIT
// Runs simulated clusters, one for each seed, and says which seeds broke an invariant.
#include <algorithm>
#include <array>
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
    "from S on (default 1), and checks what must always hold. A seed always runs the same:\n"
    "the first one is run twice to see that.\n"
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

/// One option with a number, and what the number may be.
struct Option {
    std::string_view name;
    std::uint64_t* value;
    std::uint64_t least;
    std::uint64_t most;
};

/// @return what is wrong with the words, as a sentence; empty when they could be read.
std::string read(const std::vector<std::string_view>& words, Settings& settings) {
    const std::array options{Option{"--seeds", &settings.seeds, 1, 1'000'000'000},
                             Option{"--first", &settings.first, 0, 1'000'000'000'000},
                             Option{"--workers", &settings.workers, 0, 10'000},
                             Option{"--tasks", &settings.tasks, 0, 10'000'000}};
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--trace" || words[i] == "--stop") {
            (words[i] == "--trace" ? settings.trace : settings.stop) = true;
            continue;
        }
        const auto option = std::ranges::find(options, words[i], &Option::name);
        if (option == options.end()) {
            return "'" + std::string(words[i]) + "' is no option: --help names them";
        }
        const std::string_view text = ++i < words.size() ? words[i] : std::string_view();
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), *option->value);
        if (error != std::errc() || end != text.data() + text.size() ||
            *option->value < option->least || *option->value > option->most) {
            return std::string(option->name) + " takes a number from " +
                   std::to_string(option->least) + " to " + std::to_string(option->most) +
                   ", not '" + std::string(text) + "'";
        }
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> words(argv + 1, argv + argc);
    Settings settings;
    if (words.size() == 1 && words[0] == "--help") {
        std::fputs(help.data(), stdout);
        return 0;
    }
    if (const std::string wrong = read(words, settings); !wrong.empty()) {
        std::fprintf(stderr, "repartir-sim: %s\n", wrong.c_str());
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
        repartir::sim::Report report = repartir::sim::Cluster(plan).run();
        if (seed == settings.first && repartir::sim::Cluster(plan).run().hash != report.hash) {
            report.broken.emplace_back("the same seed ran otherwise when it was run again");
        }
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
