// SPDX-License-Identifier: MIT
#pragma once
/// @file option_groups.hpp Options that several commands of the one table (options.cpp) have.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// Several arrays as one.
template <class T, std::size_t... N>
consteval auto joined(const std::array<T, N>&... parts) {
    std::array<T, (N + ...)> all{};
    auto* end = all.begin();
    ((end = std::ranges::copy(parts, end).out), ...);
    return all;
}

/// How an end shows who it is, and learns who the other is: a run and a worker are told alike.
consteval std::array<OptionSpec, 4> certificate_options(std::string_view group, bool in_file) {
    return {
        OptionSpec{Opt::tls_ca, 0, "tls-ca", "FILE", "REPARTIR_TLS_CA", "none", group,
                   "Certificate of the authority that the other end's certificate must come from,"
                   " in PEM; TCP needs it, --tls-cert and --tls-key (repartir pki makes them).",
                   false, "", in_file},
        OptionSpec{Opt::tls_cert, 0, "tls-cert", "FILE", "REPARTIR_TLS_CERT", "none", group,
                   "Our own certificate, in PEM.", false, "", in_file},
        OptionSpec{Opt::tls_key, 0, "tls-key", "FILE", "REPARTIR_TLS_KEY", "none", group,
                   "Private key of that certificate, in PEM, which only its owner may read.", false,
                   "", in_file},
        OptionSpec{Opt::tls_crl, 0, "tls-crl", "FILE", "REPARTIR_TLS_CRL", "none", group,
                   "Certificates that are revoked, in PEM; read again when it changes.", false, "",
                   in_file},
    };
}

/// Whether a client may do without TLS.
consteval OptionSpec plaintext_option(std::string_view group) {
    return OptionSpec{
        Opt::insecure_plaintext,
        0,
        "insecure-plaintext",
        "any",
        "REPARTIR_INSECURE_PLAINTEXT",
        "no",
        group,
        "Allow TCP without TLS to loopback addresses, or with =any to all. Warns at every"
        " start.",
        false,
        "loopback"};
}

/// How patient a client is with workers.
consteval OptionSpec reach_option(std::string_view group) {
    return OptionSpec{
        Opt::reach,
        0,
        "reach",
        "TIME",
        "REPARTIR_REACH",
        "10s",
        group,
        "How long tasks wait while no worker at all can be reached; then they end with exit"
        " code 3."};
}

}  // namespace repartir::cli
