// SPDX-License-Identifier: MIT
#include "cli/worker_config.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "cli/option_reader.hpp"
#include "cli/security_options.hpp"
#include "cli/text.hpp"
#include "net/address.hpp"
#include "net/security.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t slots_max = 4096;
constexpr std::chrono::milliseconds heartbeat_min = 1s;  // more often is traffic for nothing
constexpr std::chrono::milliseconds heartbeat_max = 5s;  // less often is a late suspicion

Result<std::chrono::milliseconds> parse_heartbeat(std::string_view text) {
    const Result<std::chrono::milliseconds> time = parse_duration("--heartbeat", text);
    if (time && (*time < heartbeat_min || *time > heartbeat_max)) {
        return fail(
            usage_error(cat({"--heartbeat: \"", printable(text), "\" is not between 1s and 5s"})));
    }
    return time;
}

/// @param words how many there are
Result<void> parse_gpu(std::string_view word, std::size_t words) {
    if (word.empty()) {
        return fail(usage_error("a GPU's name is empty"));
    }
    if (words > 1 && (word == "all" || word == "none")) {
        return fail(usage_error(cat({"\"", word, "\" stands alone; leave the others out"})));
    }
    return {};
}

std::vector<std::string> texts(const Parsed& parsed, Opt id) {
    const std::vector<std::string_view> all = parsed.all(id);
    return {all.begin(), all.end()};
}

}  // namespace

Result<WorkerConfig> read_worker_config(const Parsed& parsed) {
    WorkerConfig config;
    WorkerOptions& options = config.options;
    OptionReader reader(parsed);
    reader.check(Opt::listen, "--listen", net::Address::parse);
    options.listen = texts(parsed, Opt::listen);
    reader.count(Opt::slots, "--slots", 1, slots_max, options.slots);
    reader.size(Opt::memory, "--memory", options.memory_bytes);
    reader.text(Opt::name, "--name", options.name);
    reader.check(Opt::gpus, "--gpu", [&](std::string_view word) {
        return parse_gpu(word, parsed.all(Opt::gpus).size());
    });
    if (parsed.given(Opt::gpus)) {
        config.gpus = texts(parsed, Opt::gpus);
    }
    config.gpu_allow_cpu = parsed.on(Opt::gpu_allow_cpu);
    read_security(reader, options.security);
    reader.check(Opt::socket_group, "--socket-group", net::group_id);
    options.security.groups = texts(parsed, Opt::socket_group);
    reader.duration(Opt::drain_timeout, "--drain-timeout", config.drain_timeout);
    reader.take(Opt::heartbeat, parse_heartbeat, options.heartbeat);
    reader.duration(Opt::keep_work, "--keep-work", options.keep_work);
    config.supervise = parsed.on(Opt::supervise);
    config.print_address = parsed.on(Opt::print_address);
    if (reader.error()) {
        return fail(*reader.error());
    }
    return config;
}

}  // namespace repartir::cli
