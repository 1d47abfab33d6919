// SPDX-License-Identifier: MIT
#pragma once
/// @file authority_fixture.hpp An authority for tests, and certificates of all kinds.
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "trust/certificate.hpp"

namespace repartir::trust {

/// @return now, in whole seconds.
inline std::chrono::sys_seconds now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}
/// @return from an hour ago until in ten days.
inline Validity good_for_days() {
    return {now() - std::chrono::hours(1), now() + std::chrono::days(10)};
}

/// An authority that issues and revokes. Whatever it cannot make throws, which fails the test.
class TestAuthority {
  public:
    explicit TestAuthority(std::string name = "test authority 1")
        : identity_(make_authority(replaced(std::move(name)), long_enough()).value()) {}

    [[nodiscard]] const Identity& identity() const noexcept { return identity_; }
    [[nodiscard]] const std::string& certificate() const noexcept { return identity_.certificate; }
    [[nodiscard]] Identity issue_for(Role role, std::vector<std::string> hosts = {},
                                     Validity validity = good_for_days()) const {
        const std::string name = std::string(to_string(role)) + "-1";
        return issue(identity_, {name, role, std::move(hosts), validity}).value();
    }
    /// @return a list of these serial numbers.
    [[nodiscard]] std::string list(const std::vector<std::string>& serials = {},
                                   std::uint64_t number = 1) const {
        std::vector<Revocation> revoked;
        for (const std::string& serial : serials) {
            revoked.push_back({serial, now()});
        }
        return make_revocation_list(identity_, revoked, number, now() - std::chrono::hours(1))
            .value();
    }

  private:
    // Longer than what it issues later.
    static Validity long_enough() {
        return {now() - std::chrono::hours(2), now() + std::chrono::days(20)};
    }
    static std::string replaced(std::string name) {
        for (char& c : name) {
            c = c == ' ' ? '-' : c;
        }
        return name;
    }
    Identity identity_;
};

}  // namespace repartir::trust
