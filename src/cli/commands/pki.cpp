// SPDX-License-Identifier: MIT
#include "cli/commands/pki.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.hpp"
#include "cli/pki_folder.hpp"
#include "cli/pki_report.hpp"
#include "cli/plain_output.hpp"
#include "cli/text.hpp"
#include "trust/facts.hpp"

namespace repartir::cli {
namespace {

using std::chrono::sys_seconds;

constexpr std::uint64_t days_max = 36'500;
constexpr std::int64_t authority_days = 3650;
constexpr std::int64_t certificate_days = 365;
constexpr unsigned public_mode = 0644;
constexpr unsigned secret_mode = 0600;

sys_seconds now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

int refuse(const Error& error) {
    complain(error.describe());
    return error.domain() == Domain::config || error.code() == Code::invalid_argument ? exit_usage
                                                                                      : exit_failed;
}

/// @return where the authority is: --dir, or the user's own folder.
Result<std::string> folder_path(const Parsed& parsed) {
    if (const auto given = parsed.last(Opt::pki_dir)) {
        if (given->empty()) {
            return fail(usage_error("--dir needs a value that is not empty"));
        }
        std::string path(*given);
        while (path.size() > 1 && path.ends_with('/')) {
            path.pop_back();
        }
        return path;
    }
    const char* config = std::getenv("XDG_CONFIG_HOME");
    if (config != nullptr && *config == '/') {
        return cat({config, "/repartir/pki"});
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') {
        return fail(
            usage_error("there is no home folder to keep an authority in; name one with"
                        " --dir DIR"));
    }
    return cat({home, "/.config/repartir/pki"});
}

Result<std::optional<std::chrono::days>> days_of(const Parsed& parsed) {
    const auto text = parsed.last(Opt::days);
    if (!text) {
        return std::nullopt;
    }
    const Result<std::uint64_t> count = parse_count("--days", *text, 1, days_max);
    if (!count) {
        return fail(count.error());
    }
    return std::chrono::days(*count);
}

Error wrong_words(std::string_view line) { return usage_error(cat({"write: repartir ", line})); }

int init(const Parsed& parsed) {
    const Result<std::string> path = folder_path(parsed);
    const auto days = days_of(parsed);
    if (!parsed.rest.empty() || !path || !days) {
        return refuse(!path   ? path.error()
                      : !days ? days.error()
                              : wrong_words("pki init [--dir DIR] [--name NAME] [--days N]"));
    }
    const sys_seconds begin = now();
    const auto named = parsed.last(Opt::pki_name);
    const std::string name =
        named ? std::string(*named) : cat({"repartir-", trust::date_text(begin).substr(0, 10)});
    const auto folder = PkiFolder::create(
        *path, name,
        {begin - clock_slack, begin + days->value_or(std::chrono::days(authority_days))});
    if (!folder) {
        return refuse(folder.error());
    }
    return print(
               cat({"authority \"", name, "\" made\n  ", folder->path("ca.crt"),
                    "   for every machine\n  ", folder->path("crl.pem"),
                    "  for every machine, again after each \"repartir pki revoke\"\n  ",
                    folder->path("ca.key"), "   stays here: who has it can issue certificates\n"}))
               ? exit_ok
               : exit_failed;
}

std::optional<trust::Role> role_of(std::string_view text) {
    for (const trust::Role role : {trust::Role::client, trust::Role::worker, trust::Role::broker}) {
        if (text == to_string(role)) {
            return role;
        }
    }
    return std::nullopt;
}

/// @return until when a certificate holds: as asked, else for a year, or until its authority ends.
Result<sys_seconds> end_of(const Parsed& parsed, const PkiFolder& folder, sys_seconds begin) {
    const auto days = days_of(parsed);
    const auto authority = trust::describe_certificate(folder.authority().certificate, "ca.crt");
    if (!days || !authority) {
        return fail(days ? authority.error() : days.error());
    }
    return *days ? begin + **days
                 : std::min(begin + std::chrono::days(certificate_days), authority->validity.until);
}

/// @return whether a path leads to a file of the authority itself.
bool is_authority(const PkiFolder& folder, const std::string& path) {
    struct stat one{};
    struct stat other{};
    return ::stat(path.c_str(), &one) == 0 &&
           std::ranges::any_of(std::array{"ca.crt", "ca.key", "crl.pem", "index"},
                               [&](const char* file) {
                                   return ::stat(folder.path(file).c_str(), &other) == 0 &&
                                          one.st_dev == other.st_dev && one.st_ino == other.st_ino;
                               });
}

/// Issues a certificate and writes its two files.
Result<std::string> issue_into(PkiFolder& folder, const trust::Request& request,
                               const std::string& prefix, bool renew) {
    const std::string certificate_path = prefix + ".crt";
    const std::string key_path = prefix + ".key";
    struct stat found{};
    for (const std::string& path : {certificate_path, key_path}) {
        if (is_authority(folder, path)) {
            return fail(usage_error(cat({path,
                                         " is the authority's own and is never replaced;"
                                         " choose another name"})));
        }
        if (!renew && ::lstat(path.c_str(), &found) == 0) {
            return fail(usage_error(cat({path,
                                         " is there already; put a new certificate in its"
                                         " place with --renew, or name another with --out"})));
        }
    }
    const Result<trust::Identity> made = trust::issue(folder.authority(), request);
    if (!made) {
        return fail(made.error());
    }
    const auto facts = trust::describe_certificate(made->certificate, certificate_path);
    if (!facts) {
        return fail(facts.error());
    }
    Result<void> done =
        folder.note({facts->serial, request.role, request.name, request.validity.until, {}});
    done = done ? write_file_whole(key_path, made->key, secret_mode, renew) : done;
    done = done ? write_file_whole(certificate_path, made->certificate, public_mode, renew) : done;
    if (!done) {
        return fail(done.error());
    }
    std::string text = cat({to_string(request.role), " \"", request.name, "\" until ",
                            trust::date_text(request.validity.until), "\n  ", certificate_path,
                            "\n  ", key_path, "  secret: for that machine or person only\n"});
    for (const std::string& host : request.hosts) {
        text += cat({"  for the host ", host, "\n"});
    }
    return text;
}

int issue(const Parsed& parsed) {
    const std::optional<trust::Role> role =
        parsed.rest.size() == 2 ? role_of(parsed.rest[0]) : std::nullopt;
    if (!role) {
        return refuse(
            wrong_words("pki issue worker|client|broker NAME [--host HOST]... [--days N]"));
    }
    trust::Request request;
    request.name = parsed.rest[1];
    request.role = *role;
    if (*role != trust::Role::client && trust::valid_host(request.name)) {
        request.hosts.push_back(request.name);
    }
    for (const std::string_view host : parsed.all(Opt::host)) {
        if (std::ranges::find(request.hosts, host) == request.hosts.end()) {
            request.hosts.emplace_back(host);
        }
    }
    const Result<std::string> path = folder_path(parsed);
    if (!path) {
        return refuse(path.error());
    }
    Result<PkiFolder> folder = PkiFolder::open(*path);
    if (!folder) {
        return refuse(folder.error());
    }
    const sys_seconds begin = now();
    const Result<sys_seconds> end = end_of(parsed, *folder, begin);
    if (!end) {
        return refuse(end.error());
    }
    request.validity = {begin - clock_slack, *end};
    if (!trust::valid_name(request.name)) {  // before it becomes a path
        return refuse(trust::issue(folder->authority(), request).error());
    }
    const auto out = parsed.last(Opt::pki_out);
    const Result<std::string> made =
        issue_into(*folder, request, out ? std::string(*out) : folder->path(request.name),
                   parsed.on(Opt::renew));
    return !made ? refuse(made.error()) : print(*made) ? exit_ok : exit_failed;
}

/// @return the serial numbers of what a person named: a file, a serial number or a name.
Result<std::vector<std::string>> chosen_by(const PkiFolder& folder, const std::string& word) {
    std::string serial = word;
    if (word.ends_with(".crt") || word.find('/') != std::string::npos) {
        const Result<std::string> text = read_text_file(word);
        if (!text) {
            return fail(text.error());
        }
        const auto facts = trust::describe_certificate(*text, word);
        if (!facts) {
            return fail(facts.error());
        }
        serial = facts->serial;
    }
    std::vector<std::string> chosen;
    for (const IssuedCertificate& one : folder.issued()) {
        if (one.name == word || one.serial == serial) {
            chosen.push_back(one.serial);
        }
    }
    if (chosen.empty()) {
        return fail(usage_error(cat({"no certificate \"", printable(word), "\" was issued in ",
                                     folder.path(""), "; \"repartir pki show\" lists them"})));
    }
    return chosen;
}

int revoke(const Parsed& parsed) {
    if (parsed.rest.size() != 1) {
        return refuse(wrong_words("pki revoke NAME|FILE.crt|SERIAL"));
    }
    const Result<std::string> path = folder_path(parsed);
    if (!path) {
        return refuse(path.error());
    }
    Result<PkiFolder> folder = PkiFolder::open(*path);
    if (!folder) {
        return refuse(folder.error());
    }
    const auto chosen = chosen_by(*folder, parsed.rest[0]);
    if (!chosen) {
        return refuse(chosen.error());
    }
    if (Result<void> done = folder->revoke(*chosen, now()); !done) {
        return refuse(done.error());
    }
    std::string text;
    for (const IssuedCertificate& one : folder->issued()) {
        if (std::ranges::find(*chosen, one.serial) != chosen->end()) {
            text += cat({"revoked ", to_string(one.role), " \"", one.name, "\", serial ",
                         one.serial, "\n"});
        }
    }
    text += cat({"  ", folder->path("crl.pem"),
                 "  copy it to every machine: each takes notice by itself\n"});
    return print(text) ? exit_ok : exit_failed;
}

int show_folder(const std::string& path, bool json) {
    const Result<PkiFolder> folder = PkiFolder::open(path);
    if (!folder) {
        return refuse(folder.error());
    }
    const auto facts = trust::describe_certificate(folder->authority().certificate, "ca.crt");
    if (!facts) {
        return refuse(facts.error());
    }
    return print(json ? folder_json(*facts, folder->issued(), now())
                      : folder_report(path, *facts, folder->issued(), now()))
               ? exit_ok
               : exit_failed;
}

int show(const Parsed& parsed) {
    if (parsed.rest.size() > 1) {
        return refuse(wrong_words("pki show [FILE|DIR] [--json]"));
    }
    const bool json = parsed.on(Opt::json);
    const Result<std::string> home =
        parsed.rest.empty() ? folder_path(parsed) : Result<std::string>(parsed.rest[0]);
    if (!home) {
        return refuse(home.error());
    }
    struct stat found{};
    const bool exists = ::stat(home->c_str(), &found) == 0;
    if (parsed.rest.empty() || (exists && S_ISDIR(found.st_mode))) {
        return show_folder(*home, json);
    }
    const Result<std::string> text = read_text_file(*home);
    if (!text) {
        return refuse(text.error());
    }
    if (const auto list = trust::describe_revocation_list(*text, *home)) {
        return print(json ? list_json(*list) : list_report(*list)) ? exit_ok : exit_failed;
    }
    const auto facts = trust::describe_certificate(*text, *home);
    if (!facts) {
        return refuse(facts.error());
    }
    return print(json ? certificate_json(*facts, now()) : certificate_report(*facts, now()))
               ? exit_ok
               : exit_failed;
}

}  // namespace

int pki_command(std::string_view name, const Parsed& parsed) {
    return name == "pki init"     ? init(parsed)
           : name == "pki issue"  ? issue(parsed)
           : name == "pki revoke" ? revoke(parsed)
                                  : show(parsed);
}

}  // namespace repartir::cli
