// SPDX-License-Identifier: MIT
#pragma once
/// @file pki_report.hpp What `repartir pki show` prints, for people and as JSON. Pure.
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cli/pki_folder.hpp"
#include "trust/facts.hpp"

namespace repartir::cli {

/// @return "valid", "expired" or "not yet valid".
[[nodiscard]] std::string_view state_of(trust::Validity validity, std::chrono::sys_seconds now);

/// @return an authority and all that it issued, in lines.
[[nodiscard]] std::string folder_report(std::string_view path,
                                        const trust::CertificateFacts& authority,
                                        const std::vector<IssuedCertificate>& issued,
                                        std::chrono::sys_seconds now);
/// @return the same as one JSON object and a newline, as are those below: docs/json-schema.md
[[nodiscard]] std::string folder_json(const trust::CertificateFacts& authority,
                                      const std::vector<IssuedCertificate>& issued,
                                      std::chrono::sys_seconds now);
[[nodiscard]] std::string certificate_report(const trust::CertificateFacts& facts,
                                             std::chrono::sys_seconds now);
[[nodiscard]] std::string certificate_json(const trust::CertificateFacts& facts,
                                           std::chrono::sys_seconds now);
[[nodiscard]] std::string list_report(const trust::RevocationFacts& facts);
[[nodiscard]] std::string list_json(const trust::RevocationFacts& facts);

}  // namespace repartir::cli
