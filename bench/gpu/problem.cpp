// SPDX-License-Identifier: MIT
#include "bench/gpu/problem.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace bench::gpu {
namespace {

constexpr std::uint64_t warm_up_ns = 30'000'000;
constexpr std::uint64_t measure_ns = 150'000'000;
constexpr std::uint64_t rounds_min = 5;
constexpr std::uint64_t rounds_max = 5000;
constexpr std::uint64_t first_bytes = 1024;
constexpr std::uint64_t upload_result_bytes = 4096;  // a page, of which one number counts

constexpr std::array<std::pair<std::string_view, Kind>, 7> names{{{"empty", Kind::empty},
                                                                  {"many", Kind::many},
                                                                  {"trip", Kind::trip},
                                                                  {"upload", Kind::upload},
                                                                  {"product", Kind::product},
                                                                  {"kernel", Kind::kernel},
                                                                  {"fresh", Kind::fresh}}};

Job job_of(const Options& options) {
    const std::size_t colon = std::min(options.mode.find(':'), options.mode.size());
    const std::string_view name = std::string_view(options.mode).substr(0, colon);
    const auto* const found = std::find_if(names.begin(), names.end(),
                                           [&](const auto& one) { return one.first == name; });
    if (found == names.end()) {
        give_up("there is no mode " + options.mode);
    }
    const std::size_t rest = std::min(colon + 1, options.mode.size());
    return {found->second, options.mode.substr(rest), options.count};
}

/// Small whole numbers, so that every sum of their products is exact.
void fill(Side& side, const Job& job) {
    for (std::size_t which = 0; which < (is_product(job) ? 2U : 1U); ++which) {
        std::uint32_t state = 1 + static_cast<std::uint32_t>(which);
        for (float& each : side.input(which)) {
            state = state * 1664525U + 1013904223U;
            each = static_cast<float>(static_cast<int>(state >> 28U) - 8);
        }
    }
}

/// Whether c = a * b, by c * v = a * (b * v): each number of c counts. Whole numbers, exact.
bool is_product_of(std::span<const float> c, std::span<const float> a, std::span<const float> b,
                   std::size_t n) {
    const auto times = [n](std::span<const float> m, const std::vector<std::int64_t>& v) {
        std::vector<std::int64_t> result(n, 0);
        for (std::size_t row = 0; row < n; ++row) {
            for (std::size_t column = 0; column < n; ++column) {
                result[row] += static_cast<std::int64_t>(m[row * n + column]) * v[column];
            }
        }
        return result;
    };
    std::vector<std::int64_t> v(n);
    for (std::size_t i = 0; i < n; ++i) {
        v[i] = static_cast<std::int64_t>(i * 2654435761U >> 7U & 1023U) - 512;
    }
    return times(c, v) == times(a, times(b, v));
}

bool is_twice(std::span<const float> out, std::span<const float> in) {
    return out.size() == in.size() && std::equal(out.begin(), out.end(), in.begin(),
                                                 [](float o, float i) { return o == 2 * i; });
}

/// Changes the input a little, so that no result of an earlier round is taken for one of this.
void mark(Side& side, const Job& job, std::uint32_t number) {
    if (job.kind == Kind::trip || job.kind == Kind::upload) {
        const std::span<float> in = side.input(0);
        in.front() = static_cast<float>(number % 4096);
        in.back() = static_cast<float>(number % 4096 + 1);
    }
}

/// What can be told at once of one round's result.
bool came_out(Side& side, const Job& job, std::uint32_t number) {
    const auto first = static_cast<float>(number % 4096);
    if (job.kind == Kind::trip) {
        const std::span<const float> out = side.output();
        return out.front() == 2 * first && out.back() == 2 * (first + 1);
    }
    if (job.kind == Kind::upload) {
        return side.output().front() == first + first + 1;
    }
    return job.kind != Kind::fresh || std::bit_cast<std::uint32_t>(side.output().front()) == number;
}

/// All of the last result.
bool all_right(Side& side, const Job& job) {
    if (is_product(job)) {
        return is_product_of(side.output(), side.input(0), side.input(1), job.count);
    }
    return job.kind != Kind::trip || is_twice(side.output(), side.input(0));
}

bool one_trip(Side& side, const Job& job) {
    side.prepare(job);
    fill(side, job);
    mark(side, job, 1);
    side.round(1);
    return came_out(side, job, 1) && all_right(side, job);
}

/// Rounds for as long as `ns`, and at least as many as `least`; their times.
std::vector<std::uint64_t> rounds(Side& side, const Job& job, std::uint64_t ns, std::uint64_t least,
                                  bool& correct) {
    // Never the same in two processes: a driver may keep what it compiled on disk.
    auto number = static_cast<std::uint32_t>(now_ns() >> 10U) | 1U;
    std::vector<std::uint64_t> times;
    const std::uint64_t begin = now_ns();
    while (correct && times.size() < rounds_max &&
           (times.size() < least || now_ns() - begin < ns)) {
        number += 2;
        mark(side, job, number);
        const std::uint64_t called = now_ns();
        side.round(number);
        times.push_back(now_ns() - called);
        correct = came_out(side, job, number);
    }
    return times;
}

void add_rates(Report& report, const Job& job, double ns) {
    const auto count = static_cast<double>(job.count);
    if (job.kind == Kind::many) {
        report.add("ns_per_item", ns / count);
    } else if (job.kind == Kind::upload || job.kind == Kind::trip) {
        report.add("gb_per_s", count * (job.kind == Kind::trip ? 2 : 1) / ns);
    } else if (is_product(job)) {
        const double times = job.kind == Kind::kernel ? products_of_a_kernel_round : 1;
        report.add("gflops", times * 2 * count * count * count / ns);
    }
}

int measure(Side& side, const Options& options, std::string_view implementation) {
    const Job job = job_of(options);
    bool correct = one_trip(side, {Kind::trip, {}, first_bytes});
    side.prepare(job);
    if (job.kind != Kind::empty && job.kind != Kind::many && job.kind != Kind::fresh) {
        fill(side, job);
    }
    side.load();
    rounds(side, job, warm_up_ns, 2, correct);
    std::vector<std::uint64_t> times = rounds(side, job, measure_ns, rounds_min, correct);
    side.unload();
    Report report("gpu", implementation, options);
    report.add("items", static_cast<double>(times.size()));
    report.add_percentiles("round", times);
    add_rates(report, job, static_cast<double>(quantile(times, 0.5)));
    return report.finish(correct && all_right(side, job));
}

/// Becomes this program anew, which is told when it began.
[[noreturn]] void begin_again(char** argv) {
    std::string mode = "--mode";
    std::string timed = "first_timed";
    std::string count = "--count";
    std::string at = "--at";
    std::string where;
    for (char** word = argv; *word != nullptr; ++word) {
        if (*word == at && word[1] != nullptr) {
            where = word[1];
        }
    }
    std::string began = std::to_string(now_ns());
    std::array<char*, 8> words{argv[0], mode.data(), timed.data(), count.data(), began.data()};
    if (!where.empty()) {
        words[5] = at.data();
        words[6] = where.data();
    }
    ::execv("/proc/self/exe", words.data());
    give_up("this program cannot be run again");
}

}  // namespace

void give_up(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
}

std::vector<std::uint32_t> spirv(std::string_view name, std::uint32_t number) {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const auto path = folder / (std::string(name) + ".spv");
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) {
        give_up(path.string() + " is not there");
    }
    std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
    std::copy_n(bytes.begin(), words.size() * sizeof(std::uint32_t),
                reinterpret_cast<char*>(words.data()));  // SAFETY: words may be read as bytes
    if (number != 0) {
        std::replace(words.begin(), words.end(), stamp, number);
    }
    return words;
}

bool is_product(const Job& job) noexcept {
    return job.kind == Kind::product || job.kind == Kind::kernel;
}

std::uint64_t input_bytes(const Job& job) noexcept {
    if (job.kind == Kind::trip || job.kind == Kind::upload) {
        return job.count;
    }
    return is_product(job) ? job.count * job.count * sizeof(float) : 0;
}

std::uint64_t output_bytes(const Job& job) noexcept {
    if (job.kind == Kind::upload || job.kind == Kind::fresh) {
        return upload_result_bytes;
    }
    return input_bytes(job);
}

int run(int argc, char** argv, std::string_view implementation,
        std::unique_ptr<Side> (*open)(const Options&)) {
    const Options options = parse(argc, argv);
    if (options.mode == "first") {
        begin_again(argv);
    }
    const std::unique_ptr<Side> side = open(options);
    if (options.mode == "first_timed") {
        const bool correct = one_trip(*side, {Kind::trip, {}, first_bytes});
        std::vector<std::uint64_t> times{now_ns() - options.count};
        Report report("gpu", implementation, options);
        return report.add("items", 1).add_percentiles("round", times).finish(correct);
    }
    if (options.mode == "probe") {
        const bool correct = one_trip(*side, {Kind::trip, {}, first_bytes});
        Report report("gpu", implementation, options);
        report.add("device", side->device()).add("on_cpu", side->on_cpu() ? 1 : 0);
        return report.finish(correct);
    }
    return measure(*side, options, implementation);
}

}  // namespace bench::gpu
