// SPDX-License-Identifier: MIT
#include "cli/pki_report.hpp"

#include <algorithm>
#include <cstddef>

#include "cli/json_text.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using std::chrono::sys_seconds;
using trust::date_text;

std::vector<std::string_view> role_names(std::uint32_t roles) {
    std::vector<std::string_view> names;
    for (const trust::Role role : {trust::Role::client, trust::Role::worker, trust::Role::broker}) {
        if ((roles & trust::bit_of(role)) != 0) {
            names.push_back(to_string(role));
        }
    }
    return names;
}

template <class Words>
std::string joined(const Words& words, std::string_view none) {
    std::string text;
    for (const auto& word : words) {
        text += cat({text.empty() ? "" : ", ", word});
    }
    return text.empty() ? std::string(none) : text;
}

std::string_view issued_state(const IssuedCertificate& one, sys_seconds now) {
    return one.is_revoked() ? "revoked" : one.until < now ? "expired" : "valid";
}

void put_time(JsonWriter& json, std::string_view key, sys_seconds time) {
    json.key(key);
    json.integer(time.time_since_epoch().count());
}

void put_text(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key);
    json.text(text);
}

void put_list(JsonWriter& json, std::string_view key, const auto& words) {
    json.key(key);
    json.begin_array();
    for (const auto& word : words) {
        json.text(word);
    }
    json.end_array();
}

void begin(JsonWriter& json, std::string_view type) {
    json.begin_object();
    json.key("v");
    json.integer(1);
    put_text(json, "type", type);
}

void put_certificate(JsonWriter& json, const trust::CertificateFacts& facts, sys_seconds now) {
    put_text(json, "name", facts.name);
    put_text(json, "issuer", facts.issuer);
    json.key("authority");
    json.boolean(facts.authority);
    put_list(json, "roles", role_names(facts.roles));
    put_list(json, "hosts", facts.hosts);
    put_time(json, "not_before", facts.validity.from);
    put_time(json, "not_after", facts.validity.until);
    put_text(json, "state", state_of(facts.validity, now));
    put_text(json, "serial", facts.serial);
    put_text(json, "sha256", facts.fingerprint);
}

}  // namespace

std::string_view state_of(trust::Validity validity, sys_seconds now) {
    return now < validity.from ? "not yet valid" : validity.until < now ? "expired" : "valid";
}

std::string folder_report(std::string_view path, const trust::CertificateFacts& authority,
                          const std::vector<IssuedCertificate>& issued, sys_seconds now) {
    std::string text = cat({"folder       ", path, "\nauthority    ", authority.name,
                            "\nuntil        ", date_text(authority.validity.until), ", ",
                            state_of(authority.validity, now), "\nfingerprint  sha256 ",
                            authority.fingerprint, "\nissued       ", number(issued.size()), "\n"});
    std::size_t width = 4;
    for (const IssuedCertificate& one : issued) {
        width = std::max(width, one.name.size());
    }
    for (const IssuedCertificate& one : issued) {
        text +=
            cat({padded(to_string(one.role), 8), padded(one.name, width + 2),
                 padded(issued_state(one, now), 9), date_text(one.until), "  ", one.serial, "\n"});
    }
    return text;
}

std::string folder_json(const trust::CertificateFacts& authority,
                        const std::vector<IssuedCertificate>& issued, sys_seconds now) {
    std::string text;
    JsonWriter json(text);
    begin(json, "pki");
    json.key("authority");
    json.begin_object();
    put_certificate(json, authority, now);
    json.end_object();
    json.key("issued");
    json.begin_array();
    for (const IssuedCertificate& one : issued) {
        json.begin_object();
        put_text(json, "serial", one.serial);
        put_text(json, "role", to_string(one.role));
        put_text(json, "name", one.name);
        put_time(json, "not_after", one.until);
        put_text(json, "state", issued_state(one, now));
        json.key("revoked");
        if (one.is_revoked()) {
            json.integer(one.revoked.time_since_epoch().count());
        } else {
            json.null();
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    return text += '\n';
}

std::string certificate_report(const trust::CertificateFacts& facts, sys_seconds now) {
    return cat({"name         ", facts.name, "\nrole         ",
                facts.authority ? "authority: signs certificates"
                                : joined(role_names(facts.roles), "none of Repartir's"),
                "\nhosts        ", joined(facts.hosts, "none"), "\nissued by    ", facts.issuer,
                "\nfrom         ", date_text(facts.validity.from), "\nuntil        ",
                date_text(facts.validity.until), ", ", state_of(facts.validity, now),
                "\nserial       ", facts.serial, "\nfingerprint  sha256 ", facts.fingerprint,
                "\n"});
}

std::string certificate_json(const trust::CertificateFacts& facts, sys_seconds now) {
    std::string text;
    JsonWriter json(text);
    begin(json, "certificate");
    put_certificate(json, facts, now);
    json.end_object();
    return text += '\n';
}

std::string list_report(const trust::RevocationFacts& facts) {
    std::string text = cat({"revocation list ", number(facts.number), "\nissued by    ",
                            facts.issuer, "\nfrom         ", date_text(facts.validity.from),
                            "\nuntil        ", date_text(facts.validity.until), "\nrevoked      ",
                            number(facts.revoked.size()), "\n"});
    for (const trust::Revocation& one : facts.revoked) {
        text += cat({one.serial, "  ", date_text(one.when), "\n"});
    }
    return text;
}

std::string list_json(const trust::RevocationFacts& facts) {
    std::string text;
    JsonWriter json(text);
    begin(json, "revocation_list");
    put_text(json, "issuer", facts.issuer);
    json.key("number");
    json.natural(facts.number);
    put_time(json, "not_before", facts.validity.from);
    put_time(json, "not_after", facts.validity.until);
    json.key("revoked");
    json.begin_array();
    for (const trust::Revocation& one : facts.revoked) {
        json.begin_object();
        put_text(json, "serial", one.serial);
        put_time(json, "revoked", one.when);
        json.end_object();
    }
    json.end_array();
    json.end_object();
    return text += '\n';
}

}  // namespace repartir::cli
