// SPDX-License-Identifier: MIT
#include "cli/security_options.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/text.hpp"
#include "net/address.hpp"

namespace repartir::cli {
namespace {

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

}  // namespace

std::vector<std::string> read_remote(const Parsed& parsed, OptionReader& reader) {
    std::vector<std::string> all;
    for (std::string_view text : parsed.all(Opt::remote)) {
        for (std::size_t comma = 0; comma != std::string_view::npos;) {
            comma = text.find(',');
            all.emplace_back(text.substr(0, comma));
            text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
        }
    }
    for (const std::string& text : all) {
        if (text.empty()) {
            reader.refuse(
                "--remote: an address is empty; write HOST:PORT or unix:/PATH, with a comma"
                " between two");
        } else if (const Result<net::Address> address = net::Address::parse(text); !address) {
            reader.refuse(Opt::remote, cat({"--remote: ", address.error().sentence()}));
        }
    }
    return all;
}

std::string_view plaintext_warning(Plaintext allowed) {
    return allowed == Plaintext::any
               ? "warning: --insecure-plaintext=any: whoever can listen on the way to a worker "
                 "reads"
                 " our tasks and what they print, and may answer in its place"
               : "warning: --insecure-plaintext: whoever can listen at a worker's port on this"
                 " machine may answer in its place";
}

void read_security(OptionReader& reader, NetworkSecurity& security) {
    reader.text(Opt::tls_ca, "--tls-ca", security.tls.ca);
    reader.text(Opt::tls_cert, "--tls-cert", security.tls.certificate);
    reader.text(Opt::tls_key, "--tls-key", security.tls.key);
    reader.text(Opt::tls_crl, "--tls-crl", security.tls.crl);
    check_tls(security.tls, reader);
    reader.take(Opt::insecure_plaintext, parse_plaintext, security.plaintext);
}

}  // namespace repartir::cli
