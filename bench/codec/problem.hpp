// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What a task costs on its way into bytes and out of them, in ns of CPU time.
///
/// The task has an id, a kind, a program's path of 40 characters, 4 arguments, 4 variables of its
/// environment, cores, memory and a timeout. Encoding starts from strings, vectors and numbers and
/// ends at bytes that lie in one piece, in a buffer that is kept. Decoding reads every field where
/// it lies, of bytes that may be anything: whoever has a check for that runs it. What was read is
/// folded into a sum, which must be that of the values themselves.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/harness.hpp"

namespace bench::codec {

/// A task as its owner has it.
struct TaskValues {
    std::array<std::uint32_t, 3> job{};
    std::uint32_t element = 0;
    std::uint32_t number = 0;
    std::uint64_t issuer = 0;
    std::uint64_t epoch = 0;
    std::uint8_t kind = 0;
    std::string path;
    std::vector<std::string> args;
    std::vector<std::pair<std::string, std::string>> env;
    std::uint32_t cores = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t timeout_ms = 0;
};

/// What a decoder folds the fields into: a value of its own, so that it stays in a register.
class Digest {
  public:
    void number(std::uint64_t value) noexcept { sum_ += value; }
    void text(std::string_view value) noexcept {
        sum_ += value.size() * 257;
        sum_ += value.empty() ? 0 : static_cast<unsigned char>(value.front());
    }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

  private:
    std::uint64_t sum_ = 0;
};

/// @return what a task's values come to.
[[nodiscard]] inline Digest digest_of(const TaskValues& task) {
    Digest digest;
    for (const std::uint32_t word : task.job) {
        digest.number(word);
    }
    digest.number(task.element);
    digest.number(task.number);
    digest.number(task.issuer);
    digest.number(task.epoch);
    digest.number(task.kind);
    digest.text(task.path);
    for (const std::string& arg : task.args) {
        digest.text(arg);
    }
    for (const auto& [name, value] : task.env) {
        digest.text(name);
        digest.text(value);
    }
    digest.number(task.cores);
    digest.number(task.memory_bytes);
    digest.number(task.timeout_ms);
    return digest;
}

inline constexpr std::uint32_t message_count = 16;  ///< so that no two in a row are the same

/// @return the tasks that take turns; their texts differ in length.
[[nodiscard]] inline std::vector<TaskValues> messages() {
    std::vector<TaskValues> all;
    for (std::uint32_t i = 0; i < message_count; ++i) {
        const std::string n = std::to_string(i * i * i);
        TaskValues task;
        task.job = {0x9E3779B9U, 0x7F4A7C15U, 0xF39CC060U};
        task.element = i;
        task.number = 1 + i % 3;
        task.issuer = 0xD1B54A32D192ED03U;
        task.epoch = 7;
        task.path = "/opt/pipelines/genomics/bin/align-reads3";
        task.args = {"--sample=S" + n, "--threads=1", "--in=/data/runs/" + n + ".fq", "-q"};
        task.env = {{"LANG", "C.UTF-8"},
                    {"SAMPLE", n},
                    {"TMPDIR", "/scratch/align/" + n},
                    {"OMP_NUM_THREADS", "1"}};
        task.cores = 2;
        task.memory_bytes = std::uint64_t{512} * 1024 * 1024;
        task.timeout_ms = 90'000;
        all.push_back(std::move(task));
    }
    return all;
}

inline constexpr std::size_t batches = 25;  ///< of which the median counts
inline constexpr std::uint64_t items_per_batch = 16'000;

/// @return the median over the batches of what one call of `work`, with the number of a message,
/// takes in ns; one batch before them warms up.
template <class Work>
[[nodiscard]] double ns_per_item(Work&& work) {
    std::vector<double> samples;
    for (std::size_t batch = 0; batch <= batches; ++batch) {
        const std::uint64_t begin = thread_cpu_ns();
        for (std::uint64_t i = 0; i < items_per_batch; ++i) {
            work(i % message_count);
        }
        samples.push_back(static_cast<double>(thread_cpu_ns() - begin) / items_per_batch);
    }
    samples.erase(samples.begin());
    std::nth_element(samples.begin(), samples.begin() + batches / 2, samples.end());
    return samples[batches / 2];
}

/// Measures one direction and prints the line. @return the exit status
/// @param format made from messages(): `std::string_view encode(std::size_t message)` gives bytes
///     that stay until the next call, `std::optional<Digest> decode(std::string_view)` is empty
///     where they cannot be read
template <class Format>
[[nodiscard]] int measure(std::string_view implementation, const Options& options, bool encoding,
                          Format& format) {
    std::uint64_t sum = 0;
    bool correct = true;
    std::size_t bytes = 0;
    std::vector<std::string> encoded;
    for (const TaskValues& task : messages()) {
        encoded.emplace_back(format.encode(encoded.size()));
        const std::optional<Digest> digest = format.decode(encoded.back());
        correct = digest && digest->sum() == digest_of(task).sum() && correct;
        sum += digest ? digest->sum() : 0;
        bytes += encoded.back().size();
    }
    double ns = 0;
    if (encoding) {
        ns = ns_per_item([&](std::size_t message) {
            const std::string_view made = format.encode(message);
            keep(made.data());
            correct = made.size() == encoded[message].size() && correct;
        });
    } else {
        std::uint64_t all = 0;
        ns = ns_per_item([&](std::size_t message) {
            const std::optional<Digest> digest = format.decode(encoded[message]);
            all += digest ? digest->sum() : 0;
        });
        correct = correct && all == sum * ((batches + 1) * items_per_batch / message_count);
    }
    Report report("codec", implementation, options);
    report.add("items", static_cast<double>(batches * items_per_batch)).add("ns_per_item", ns);
    report.add("bytes", static_cast<double>(bytes) / message_count);
    report.add("checksum", std::to_string(sum));
    return report.finish(correct);
}

}  // namespace bench::codec
