// SPDX-License-Identifier: MIT
// Runs simulated clusters, one for each seed, and says which seeds broke an invariant.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster.hpp"

namespace {

constexpr std::string_view help =
    "usage: repartir-sim [--seeds N] [--first S] [--clients N] [--workers N] [--tasks N]\n"
    "                    [--trace] [--hash] [--stop] [--terse]\n"
    "\n"
    "Simulates clients and workers with crashes, partitions, slow links, clocks that drift and\n"
    "jump, full disks, cancels and drains, once for each seed from S on (default 1), and checks\n"
    "what must always hold. A seed always runs the same: the first one is run twice to see that.\n"
    "\n"
    "  --seeds N    how many (default 100)\n"
    "  --first S    the first one (default 1)\n"
    "  --clients N  0: 1 to 4, by the seed (default)\n"
    "  --workers N  0: 1 to 16, by the seed (default)\n"
    "  --tasks N    0: 1 to 300, by the seed (default)\n"
    "  --trace      print all that happened\n"
    "  --hash       print each seed's hash of what happened, the same from every compiler\n"
    "  --terse      of a seed that fails, print only what was wrong, and no trace\n"
    "  --stop       end at the first seed that breaks an invariant\n"
    "\n"
    "exit codes: 0 all held, 1 some seed broke an invariant, 2 usage\n";

struct Settings {
    std::uint64_t seeds = 100;
    std::uint64_t first = 1;
    std::uint64_t clients = 0;
    std::uint64_t workers = 0;
    std::uint64_t tasks = 0;
    bool trace = false;
    bool hash = false;
    bool stop = false;
    bool terse = false;
};

/// One option with a number, and what the number may be.
struct Option {
    std::string_view name;
    std::uint64_t* value;
    std::uint64_t least;
    std::uint64_t most;
};

/// One option without.
struct Flag {
    std::string_view name;
    bool* value;
};

/// @return what is wrong with the words, as a sentence; empty when they could be read.
std::string read(const std::vector<std::string_view>& words, Settings& settings) {
    const std::array options{Option{"--seeds", &settings.seeds, 1, 1'000'000'000},
                             Option{"--first", &settings.first, 0, 1'000'000'000'000},
                             Option{"--clients", &settings.clients, 0, 100},
                             Option{"--workers", &settings.workers, 0, 10'000},
                             Option{"--tasks", &settings.tasks, 0, 10'000'000}};
    const std::array flags{Flag{"--trace", &settings.trace}, Flag{"--stop", &settings.stop},
                           Flag{"--hash", &settings.hash}, Flag{"--terse", &settings.terse}};
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (const auto flag = std::ranges::find(flags, words[i], &Flag::name);
            flag != flags.end()) {
            *flag->value = true;
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

/// @return what this seed runs.
repartir::sim::Plan plan_of(std::uint64_t seed, const Settings& settings) {
    repartir::sim::Plan plan;
    repartir::base::Prng shape(seed ^ 0x5151);
    const auto pick = [&](std::uint64_t asked, std::uint64_t most) {
        const std::uint64_t drawn = 1 + shape.below(most);
        return static_cast<std::uint32_t>(asked != 0 ? asked : drawn);
    };
    plan.seed = seed;
    plan.workers = pick(settings.workers, 16);
    plan.tasks = pick(settings.tasks, 300);
    plan.clients = pick(settings.clients, 4);
    plan.faults = shape.below(6) != 0;
    plan.twins = shape.below(6) == 0 ? 1 + plan.workers / 4 : 0;
    plan.first_fails = shape.below(3) == 0;
    plan.varied = shape.below(3) == 0;
    plan.heavy = shape.below(8) == 0;
    plan.gives = shape.below(6) == 0;
    plan.first_dies = plan.twins != 0 && !plan.first_fails && shape.below(2) == 0;
    plan.broken = shape.below(8) == 0;
    plan.urgent = shape.below(8) == 0;
    plan.lengthy = shape.below(4) == 0;
    plan.tasks = plan.urgent && settings.tasks == 0 ? 500 : plan.tasks;
    plan.trace = settings.trace;
    return plan;
}

/// Runs a seed again and prints what came before the first invariant that it broke.
void replay(repartir::sim::Plan plan) {
    constexpr std::ptrdiff_t lines_max = 30;
    plan.trace = true;
    const repartir::sim::Report report = repartir::sim::Cluster(plan).run();
    auto end = std::ranges::find_if(
        report.trace, [](const std::string& line) { return line.contains("VIOLATED"); });
    const auto begin = end - std::min(end - report.trace.begin(), lines_max);
    std::printf("  before that (all of it: --first %llu --seeds 1 --trace):\n",
                static_cast<unsigned long long>(plan.seed));
    for (auto line = begin; line != end; ++line) {
        std::printf("    %s\n", line->c_str());
    }
}

void print(const repartir::sim::Plan& plan, const repartir::sim::Report& report,
           const Settings& settings) {
    for (const std::string& line : report.trace) {
        std::printf("%s\n", line.c_str());
    }
    if (settings.hash) {
        std::printf("%llu %016llx\n", static_cast<unsigned long long>(plan.seed),
                    static_cast<unsigned long long>(report.hash));
    }
    if (!report.broken.empty()) {
        std::printf("seed %llu:\n", static_cast<unsigned long long>(plan.seed));
        for (const std::string& sentence : report.broken) {
            std::printf("  %s\n", sentence.c_str());
        }
        if (!plan.trace && !settings.terse) {
            replay(plan);
        }
    }
}

/// Sums up what was simulated.
struct Sum {
    std::uint64_t failed = 0;
    std::uint64_t messages = 0;
    double hours = 0;
    std::map<std::string, std::uint64_t, std::less<>> troubles;

    void add(const repartir::sim::Report& report) {
        failed += report.broken.empty() ? 0 : 1;
        messages += report.messages;
        hours += std::chrono::duration<double, std::ratio<3600>>(report.took).count();
        for (const auto& [name, times] : report.troubles) {
            troubles[name] += times;
        }
    }
};

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
    Sum sum;
    std::uint64_t seed = settings.first;
    for (; seed < settings.first + settings.seeds && (sum.failed == 0 || !settings.stop); ++seed) {
        const repartir::sim::Plan plan = plan_of(seed, settings);
        repartir::sim::Report report = repartir::sim::Cluster(plan).run();
        if (seed == settings.first && repartir::sim::Cluster(plan).run().hash != report.hash) {
            report.broken.emplace_back("the same seed ran otherwise when it was run again");
        }
        print(plan, report, settings);
        sum.add(report);
    }
    for (const auto& [name, times] : sum.troubles) {
        std::printf("%s: %llu, ", name.c_str(), static_cast<unsigned long long>(times));
    }
    std::printf("sim: %llu seeds, %.1f simulated hours, %llu messages, %llu seeds failed\n",
                static_cast<unsigned long long>(seed - settings.first), sum.hours,
                static_cast<unsigned long long>(sum.messages),
                static_cast<unsigned long long>(sum.failed));
    return sum.failed == 0 ? 0 : 1;
}
