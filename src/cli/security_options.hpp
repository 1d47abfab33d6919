// SPDX-License-Identifier: MIT
#pragma once
/// @file security_options.hpp How connections are secured, as worker and client are told alike.
#include <string>
#include <string_view>
#include <vector>

#include "cli/option_reader.hpp"
#include "repartir/network.hpp"

namespace repartir::cli {

/// @return the addresses of --remote, several in one where commas stand between them; refuses what
/// is none.
[[nodiscard]] std::vector<std::string> read_remote(const Parsed& parsed, OptionReader& reader);

/// @return what is said of connections without TLS. @param allowed not Plaintext::no
[[nodiscard]] std::string_view plaintext_warning(Plaintext allowed);

/// Types --tls-ca, --tls-cert, --tls-key, --tls-crl and --insecure-plaintext.
void read_security(OptionReader& reader, NetworkSecurity& security);

}  // namespace repartir::cli
