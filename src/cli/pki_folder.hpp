// SPDX-License-Identifier: MIT
#pragma once
/// @file pki_folder.hpp The folder of a private authority: its files, and the index of what it
/// issued and revoked. One process at a time changes it; each file is written whole or not at all.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "repartir/result.hpp"
#include "trust/certificate.hpp"

namespace repartir::cli {

/// By how much what is made now holds already: the clocks of other machines may be behind.
inline constexpr std::chrono::hours clock_slack{1};

/// One certificate that was issued.
struct IssuedCertificate {
    std::string serial;
    trust::Role role = trust::Role::client;
    std::string name;
    std::chrono::sys_seconds until;
    std::chrono::sys_seconds revoked;  ///< when; the epoch: it is not
    [[nodiscard]] bool is_revoked() const noexcept { return revoked != std::chrono::sys_seconds{}; }
    bool operator==(const IssuedCertificate&) const = default;
};

/// @return the text of the file `index`: a line of magic and version, then one a certificate.
[[nodiscard]] std::string index_text(const std::vector<IssuedCertificate>& issued);
/// Reads it. Errors: malformed, naming the line
[[nodiscard]] Result<std::vector<IssuedCertificate>> read_index(std::string_view text);

/// Reads a file whole. Errors: not_found, permission_denied; too_large: over 16 MiB
[[nodiscard]] Result<std::string> read_text_file(const std::string& path);
/// Puts a file in its place in one step, and onto the disk.
/// @param mode such as 0644; the umask does not matter
/// @param replace whether one that is there may be replaced
/// Errors: invalid_argument: it is there and is not to be replaced; as of the system otherwise
[[nodiscard]] Result<void> write_file_whole(const std::string& path, std::string_view text,
                                            unsigned mode, bool replace);

/// A folder that no other process changes as long as this object lives.
class PkiFolder {
  public:
    /// Makes the folder (mode 0700) where it is missing, and an authority in it. Errors:
    /// invalid_argument: there is one already, or half of one; as of the system
    [[nodiscard]] static Result<PkiFolder> create(const std::string& path, std::string_view name,
                                                  trust::Validity validity);
    /// Opens one that is there. Errors: not_found: there is none; malformed; as of the system
    [[nodiscard]] static Result<PkiFolder> open(const std::string& path);

    [[nodiscard]] std::string path(std::string_view file) const;
    [[nodiscard]] const std::vector<IssuedCertificate>& issued() const noexcept { return issued_; }
    [[nodiscard]] const trust::Identity& authority() const noexcept { return authority_; }

    /// Notes a certificate before anybody has it.
    [[nodiscard]] Result<void> note(IssuedCertificate certificate);
    /// Revokes what `chosen` names by serial, and writes the revocation list anew, also when all of
    /// it was revoked before.
    [[nodiscard]] Result<void> revoke(const std::vector<std::string>& chosen,
                                      std::chrono::sys_seconds now);

  private:
    PkiFolder(std::string path, base::Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    [[nodiscard]] Result<void> make(std::string_view name, trust::Validity validity);
    [[nodiscard]] Result<void> load();
    [[nodiscard]] Result<void> write_list(std::chrono::sys_seconds now);

    std::string path_;
    base::Fd lock_;
    trust::Identity authority_;
    std::vector<IssuedCertificate> issued_;
};

}  // namespace repartir::cli
