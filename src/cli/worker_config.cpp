// SPDX-License-Identifier: MIT
#include "cli/worker_config.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "cli/option_reader.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t slots_max = 4096;
constexpr std::chrono::milliseconds heartbeat_min = 1s;  // more often is traffic for nothing
constexpr std::chrono::milliseconds heartbeat_max = 5s;  // less often is a late suspicion

Result<Plaintext> parse_plaintext(std::string_view text) {
    if (text == "any") {
        return Plaintext::any;
    }
    if (text == "loopback") {
        return Plaintext::loopback;
    }
    const Result<bool> on = parse_bool("--insecure-plaintext", text);
    if (!on) {
        return fail(usage_error(cat(
            {"--insecure-plaintext: \"", printable(text), "\" is none of loopback, any and no"})));
    }
    return *on ? Plaintext::loopback : Plaintext::no;
}

Result<std::chrono::milliseconds> parse_heartbeat(std::string_view text) {
    const Result<std::chrono::milliseconds> time = parse_duration("--heartbeat", text);
    if (time && (*time < heartbeat_min || *time > heartbeat_max)) {
        return fail(
            usage_error(cat({"--heartbeat: \"", printable(text), "\" is not between 1s and 5s"})));
    }
    return time;
}

/// A certificate without its key is a mistake that would else show as a refusal of every peer.
void check_tls(const TlsFiles& tls, OptionReader& reader) {
    if (tls.empty()) {
        return;
    }
    const std::array<std::pair<std::string_view, const std::string*>, 3> needed{
        {{"--tls-ca", &tls.ca}, {"--tls-cert", &tls.certificate}, {"--tls-key", &tls.key}}};
    for (const auto& [name, file] : needed) {
        if (file->empty()) {
            reader.refuse(cat({"TLS needs ", name,
                               " too: give --tls-ca, --tls-cert and --tls-key, or none of them"}));
        }
    }
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
    options.listen = texts(parsed, Opt::listen);
    reader.count(Opt::slots, "--slots", 1, slots_max, options.slots);
    reader.size(Opt::memory, "--memory", options.memory_bytes);
    reader.text(Opt::name, "--name", options.name);
    reader.text(Opt::tls_ca, "--tls-ca", options.security.tls.ca);
    reader.text(Opt::tls_cert, "--tls-cert", options.security.tls.certificate);
    reader.text(Opt::tls_key, "--tls-key", options.security.tls.key);
    reader.text(Opt::tls_crl, "--tls-crl", options.security.tls.crl);
    check_tls(options.security.tls, reader);
    reader.take(Opt::insecure_plaintext, parse_plaintext, options.security.plaintext);
    options.security.groups = texts(parsed, Opt::socket_group);
    reader.duration(Opt::drain_timeout, "--drain-timeout", config.drain_timeout);
    reader.take(Opt::heartbeat, parse_heartbeat, options.heartbeat);
    config.supervise = parsed.on(Opt::supervise);
    config.print_address = parsed.on(Opt::print_address);
    if (reader.error()) {
        return fail(*reader.error());
    }
    return config;
}

}  // namespace repartir::cli
