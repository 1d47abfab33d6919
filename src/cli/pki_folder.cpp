// SPDX-License-Identifier: MIT
#include "cli/pki_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/os_error.hpp"
#include "cli/text.hpp"
#include "trust/facts.hpp"

namespace repartir::cli {
namespace {

constexpr std::string_view index_magic = "repartir-pki 1\n";
constexpr std::size_t file_bytes_max = std::size_t{16} << 20U;
constexpr mode_t public_mode = 0644;
constexpr mode_t secret_mode = 0600;

Error system_error(std::string_view what, const std::string& path) {
    return base::os_error(Domain::io, cat({what, " ", path}), errno);
}

Error already_there(const std::string& path) {
    return Error(Domain::trust, Code::invalid_argument, Fault::user,
                 cat({path, " is there already and is not replaced"}));
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// Waits until what happened to a folder's names is on the disk.
Result<void> sync_folder(const std::string& path) {
    const base::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some file systems have no such thing for folders: EINVAL.
    if (!folder || (::fsync(folder.get()) != 0 && errno != EINVAL)) {
        return fail(system_error("cannot write to", path));
    }
    return {};
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno != EINTR) {
            return fail(system_error("cannot write", path));
        }
        text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    return {};
}

/// Makes a folder and those above it.
Result<void> make_folders(const std::string& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) == 0) {
        if (S_ISDIR(found.st_mode)) {
            return {};
        }
        errno = ENOTDIR;
        return fail(system_error("cannot use", path));
    }
    const std::string above = folder_of(path);
    if (above != path) {
        if (Result<void> made = make_folders(above); !made) {
            return made;
        }
    }
    if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        return fail(system_error("cannot make the folder", path));
    }
    return {};
}

/// Waits for its turn.
Result<base::Fd> lock_folder(const std::string& path) {
    const std::string file = path + "/.lock";
    base::Fd lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, secret_mode));
    if (!lock) {
        return fail(system_error("cannot lock", file));
    }
    while (::flock(lock.get(), LOCK_EX) != 0) {
        if (errno != EINTR) {
            return fail(system_error("cannot lock", file));
        }
    }
    return lock;
}

std::optional<std::int64_t> read_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value >= 0
               ? std::optional(value)
               : std::nullopt;
}

std::optional<IssuedCertificate> read_line(std::string_view line) {
    std::array<std::string_view, 5> fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::size_t tab = line.find('\t');
        if ((tab == std::string_view::npos) != (i + 1 == fields.size())) {
            return std::nullopt;
        }
        fields.at(i) = line.substr(0, tab);
        line.remove_prefix(i + 1 == fields.size() ? 0 : tab + 1);
    }
    IssuedCertificate one;
    bool role_known = false;
    for (const trust::Role role : {trust::Role::client, trust::Role::worker, trust::Role::broker}) {
        if (fields[1] == to_string(role)) {
            one.role = role;
            role_known = true;
        }
    }
    const std::optional<std::int64_t> until = read_number(fields[3]);
    const std::optional<std::int64_t> revoked = read_number(fields[4]);
    const bool hex = !fields[0].empty() && fields[0].size() <= 40 &&
                     fields[0].find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!hex || !role_known || !trust::valid_name(fields[2]) || !until || !revoked) {
        return std::nullopt;
    }
    one.serial = fields[0];
    one.name = fields[2];
    one.until = std::chrono::sys_seconds(std::chrono::seconds(*until));
    one.revoked = std::chrono::sys_seconds(std::chrono::seconds(*revoked));
    return one;
}

}  // namespace

std::string index_text(const std::vector<IssuedCertificate>& issued) {
    std::string text(index_magic);
    for (const IssuedCertificate& one : issued) {
        text += cat({one.serial, "\t", to_string(one.role), "\t", one.name, "\t",
                     std::to_string(one.until.time_since_epoch().count()), "\t",
                     std::to_string(one.revoked.time_since_epoch().count()), "\n"});
    }
    return text;
}

Result<std::vector<IssuedCertificate>> read_index(std::string_view text) {
    const auto malformed = [](std::size_t line) {
        return fail(Error(Domain::trust, Code::malformed, Fault::user,
                          cat({"line ", number(line),
                               " of the index cannot be read; restore it from a backup"})));
    };
    if (!text.starts_with(index_magic)) {
        return malformed(1);
    }
    text.remove_prefix(index_magic.size());
    std::vector<IssuedCertificate> issued;
    for (std::size_t line = 2; !text.empty(); ++line) {
        const std::size_t end = text.find('\n');
        const auto one =
            end == std::string_view::npos ? std::nullopt : read_line(text.substr(0, end));
        if (!one) {
            return malformed(line);
        }
        issued.push_back(*one);
        text.remove_prefix(end + 1);
    }
    return issued;
}

Result<std::string> read_text_file(const std::string& path) {
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        return fail(system_error("cannot read", path));
    }
    std::string text;
    std::array<char, 16384> piece{};
    while (text.size() <= file_bytes_max) {
        const ssize_t got = ::read(file.get(), piece.data(), piece.size());
        if (got == 0) {
            return text;
        }
        if (got < 0 && errno != EINTR) {
            return fail(system_error("cannot read", path));
        }
        text.append(piece.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
    }
    return fail(Error(Domain::trust, Code::too_large, Fault::user,
                      cat({path, " is longer than 16 MiB, as no file of certificates is"})));
}

Result<void> write_file_whole(const std::string& path, std::string_view text, unsigned mode,
                              bool replace) {
    const std::string passing = cat({path, ".", std::to_string(::getpid()), ".new"});
    ::unlink(passing.c_str());  // of a process that had our number and was killed
    base::Fd file(::open(passing.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file) {
        return fail(system_error("cannot make", passing));
    }
    Result<void> done = write_all(file.get(), text, passing);
    if (done && (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0)) {
        done = fail(system_error("cannot write", passing));
    }
    file.reset();
    if (done && replace && ::rename(passing.c_str(), path.c_str()) != 0) {
        done = fail(system_error("cannot write", path));
    }
    // A link, unlike a name that is moved, never replaces what is there.
    if (done && !replace && ::link(passing.c_str(), path.c_str()) != 0) {
        done = fail(errno == EEXIST ? already_there(path) : system_error("cannot write", path));
    }
    if (!done || !replace) {
        ::unlink(passing.c_str());
    }
    return done ? sync_folder(folder_of(path)) : done;
}

std::string PkiFolder::path(std::string_view file) const { return cat({path_, "/", file}); }

Result<PkiFolder> PkiFolder::create(const std::string& path, std::string_view name,
                                    trust::Validity validity) {
    if (Result<void> made = make_folders(path); !made) {
        return fail(made.error());
    }
    Result<base::Fd> lock = lock_folder(path);
    if (!lock) {
        return fail(lock.error());
    }
    PkiFolder folder(path, std::move(*lock));
    if (Result<void> made = folder.make(name, validity); !made) {
        return fail(made.error());
    }
    return folder;
}

Result<void> PkiFolder::make(std::string_view name, trust::Validity validity) {
    for (const char* file : {"ca.crt", "ca.key", "crl.pem", "index"}) {
        if (::access(path(file).c_str(), F_OK) == 0) {
            return fail(
                Error(Domain::trust, Code::invalid_argument, Fault::user,
                      cat({path(file),
                           " is there already, and an authority is never overwritten; choose"
                           " another --dir, or move the files of this one away"})));
        }
    }
    Result<trust::Identity> made = trust::make_authority(name, validity);
    if (!made) {
        return fail(made.error());
    }
    authority_ = std::move(*made);
    Result<void> done = write_file_whole(path("ca.key"), authority_.key, secret_mode, false);
    done = done ? write_file_whole(path("index"), index_text({}), secret_mode, false) : done;
    done = done ? write_list(validity.from + clock_slack) : done;
    // The last one: only with it there is an authority.
    return done ? write_file_whole(path("ca.crt"), authority_.certificate, public_mode, false)
                : done;
}

Result<PkiFolder> PkiFolder::open(const std::string& path) {
    if (::access((path + "/ca.crt").c_str(), F_OK) != 0) {
        return fail(Error(Domain::trust, Code::not_found, Fault::user,
                          cat({"there is no authority in ", path,
                               "; make one with \"repartir pki init\", or name its folder with"
                               " --dir"})));
    }
    Result<base::Fd> lock = lock_folder(path);
    if (!lock) {
        return fail(lock.error());
    }
    PkiFolder folder(path, std::move(*lock));
    if (Result<void> loaded = folder.load(); !loaded) {
        return fail(loaded.error());
    }
    return folder;
}

Result<void> PkiFolder::load() {
    Result<std::string> certificate = read_text_file(path("ca.crt"));
    Result<std::string> key = read_text_file(path("ca.key"));
    const Result<std::string> index = read_text_file(path("index"));
    for (const Result<std::string>* file :
         {&std::as_const(certificate), &std::as_const(key), &index}) {
        if (!*file) {
            return fail(file->error());
        }
    }
    Result<std::vector<IssuedCertificate>> issued = read_index(*index);
    if (!issued) {
        return fail(Error(Domain::trust, Code::malformed, Fault::user,
                          cat({path("index"), ": ", issued.error().sentence()})));
    }
    authority_ = {std::move(*certificate), std::move(*key)};
    issued_ = std::move(*issued);
    return {};
}

Result<void> PkiFolder::note(IssuedCertificate certificate) {
    issued_.push_back(std::move(certificate));
    return write_file_whole(path("index"), index_text(issued_), secret_mode, true);
}

Result<void> PkiFolder::revoke(const std::vector<std::string>& chosen,
                               std::chrono::sys_seconds now) {
    for (IssuedCertificate& one : issued_) {
        if (!one.is_revoked() && std::ranges::find(chosen, one.serial) != chosen.end()) {
            one.revoked = now;
        }
    }
    const Result<void> done =
        write_file_whole(path("index"), index_text(issued_), secret_mode, true);
    return done ? write_list(now) : done;
}

Result<void> PkiFolder::write_list(std::chrono::sys_seconds now) {
    std::uint64_t last = 0;
    if (const Result<std::string> before = read_text_file(path("crl.pem"))) {
        const auto facts = trust::describe_revocation_list(*before, path("crl.pem"));
        last = facts ? facts->number : 0;
    }
    std::vector<trust::Revocation> revoked;
    for (const IssuedCertificate& one : issued_) {
        if (one.is_revoked()) {
            revoked.push_back({one.serial, one.revoked});
        }
    }
    const Result<std::string> list =
        trust::make_revocation_list(authority_, revoked, last + 1, now - clock_slack);
    return list ? write_file_whole(path("crl.pem"), *list, public_mode, true) : fail(list.error());
}

}  // namespace repartir::cli
