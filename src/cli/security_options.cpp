// SPDX-License-Identifier: MIT
#include "cli/security_options.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "cli/text.hpp"

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

void read_security(OptionReader& reader, NetworkSecurity& security) {
    reader.text(Opt::tls_ca, "--tls-ca", security.tls.ca);
    reader.text(Opt::tls_cert, "--tls-cert", security.tls.certificate);
    reader.text(Opt::tls_key, "--tls-key", security.tls.key);
    reader.text(Opt::tls_crl, "--tls-crl", security.tls.crl);
    check_tls(security.tls, reader);
    reader.take(Opt::insecure_plaintext, parse_plaintext, security.plaintext);
}

}  // namespace repartir::cli
