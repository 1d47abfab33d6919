// SPDX-License-Identifier: MIT
#pragma once
/// @file security_options.hpp How connections are secured, as worker and client are told alike.
#include "cli/option_reader.hpp"
#include "repartir/network.hpp"

namespace repartir::cli {

/// Types --tls-ca, --tls-cert, --tls-key, --tls-crl and --insecure-plaintext.
void read_security(OptionReader& reader, NetworkSecurity& security);

}  // namespace repartir::cli
