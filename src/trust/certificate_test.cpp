// SPDX-License-Identifier: MIT
#include "trust/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "trust/authority_fixture.hpp"
#include "trust/facts.hpp"

namespace repartir::trust {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Certificate, SaysWhatWasAskedFor) {
    const TestAuthority authority;
    const Validity validity{now() - std::chrono::hours(2), now() + std::chrono::days(3)};
    const auto made =
        issue(authority.identity(),
              {"gpu-1", Role::worker, {"gpu1.example", "10.1.2.3", "2001:db8::7"}, validity});
    ASSERT_TRUE(made) << made.error().sentence();
    const CertificateFacts facts = describe_certificate(made->certificate, "x").value();
    EXPECT_EQ(facts.name, "gpu-1");
    EXPECT_EQ(facts.issuer, "test-authority-1");
    EXPECT_EQ(facts.roles, bit_of(Role::worker));
    EXPECT_FALSE(facts.authority);
    EXPECT_THAT(facts.hosts, ElementsAre("gpu1.example", "10.1.2.3", "2001:db8::7"));
    EXPECT_EQ(facts.validity.from, validity.from);
    EXPECT_EQ(facts.validity.until, validity.until);
    EXPECT_EQ(facts.serial.size(), 32U);
    EXPECT_EQ(facts.fingerprint.size(), 64U);
    EXPECT_THAT(made->key, HasSubstr("-----BEGIN PRIVATE KEY-----"));
    EXPECT_THAT(made->certificate, testing::Not(HasSubstr("PRIVATE")));
}

TEST(Certificate, OfAnAuthoritySignsOthers) {
    const TestAuthority authority;
    const CertificateFacts facts = describe_certificate(authority.certificate(), "x").value();
    EXPECT_TRUE(facts.authority);
    EXPECT_EQ(facts.roles, 0U);
    EXPECT_EQ(facts.issuer, facts.name);
}

TEST(Certificate, SerialsAndKeysAreNeverTheSame) {
    const TestAuthority authority;
    std::set<std::string> serials;
    std::set<std::string> keys;
    for (int i = 0; i < 20; ++i) {
        const Identity made = authority.issue_for(Role::client);
        serials.insert(describe_certificate(made.certificate, "x")->serial);
        keys.insert(made.key);
    }
    EXPECT_EQ(serials.size(), 20U);
    EXPECT_EQ(keys.size(), 20U);
}

TEST(Certificate, RefusesNamesThatAreNoFileNames) {
    const TestAuthority authority;
    for (const char* name : {"", "../x", ".hidden", "-x", "a/b", "a b", "a\n", "\xc3\xa9"}) {
        EXPECT_FALSE(valid_name(name)) << name;
        const auto made = issue(authority.identity(), {name, Role::client, {}, good_for_days()});
        ASSERT_FALSE(made) << name;
        EXPECT_EQ(made.error().code(), Code::invalid_argument);
        EXPECT_THAT(made.error().sentence(), HasSubstr("cannot name a certificate"));
        EXPECT_FALSE(make_authority(name, good_for_days())) << name;
    }
    EXPECT_TRUE(valid_name(std::string(64, 'a')));
    EXPECT_FALSE(valid_name(std::string(65, 'a')));
    EXPECT_TRUE(valid_name("gpu1.example.org"));
}

TEST(Certificate, RefusesHostsThatAreNone) {
    const TestAuthority authority;
    for (const char* host : {"", "*.example", "a b", "a:9000", "[::1]", "-a", "a-", "a..b", ".a",
                             "a.", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "a,DNS:b", "a-.b"}) {
        EXPECT_FALSE(valid_host(host)) << host;
        const auto made = issue(authority.identity(), {"w", Role::worker, {host}, good_for_days()});
        ASSERT_FALSE(made) << host;
        EXPECT_THAT(made.error().sentence(), HasSubstr("neither a host name nor an IP address"));
    }
    EXPECT_FALSE(valid_host(std::string(64, 'a')));
    EXPECT_FALSE(valid_host(std::string("a\0b", 3)));
    for (const char* host : {"a", "localhost", "a.b-c.d", "my_box", "127.0.0.1", "::1", "1a"}) {
        EXPECT_TRUE(valid_host(host)) << host;
    }
    const std::vector<std::string> many(101, "a");
    EXPECT_FALSE(issue(authority.identity(), {"w", Role::worker, many, good_for_days()}));
}

TEST(Certificate, DoesNotOutliveItsAuthority) {
    const TestAuthority authority;
    const Validity longer{now(), now() + std::chrono::days(21)};
    const auto made = issue(authority.identity(), {"w", Role::worker, {}, longer});
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().sentence(), HasSubstr("outlive its authority"));
    const Validity backwards{now() + std::chrono::hours(1), now()};
    EXPECT_FALSE(issue(authority.identity(), {"w", Role::worker, {}, backwards}));
    EXPECT_FALSE(make_authority("a", backwards));
    EXPECT_FALSE(make_authority("a", {now(), now() + std::chrono::years(9000)}));
}

TEST(Certificate, NeedsBothHalvesOfOneAuthority) {
    const TestAuthority authority;
    const TestAuthority other;
    const Identity mixed{authority.certificate(), other.identity().key};
    const Request request{"w", Role::worker, {}, good_for_days()};
    ASSERT_FALSE(issue(mixed, request));
    EXPECT_THAT(issue(mixed, request).error().sentence(), HasSubstr("do not belong together"));
    EXPECT_FALSE(issue(authority.issue_for(Role::worker), request)) << "signs no others";
    EXPECT_FALSE(issue({"", ""}, request));
    EXPECT_FALSE(issue({authority.certificate(), "junk"}, request));
    EXPECT_FALSE(make_revocation_list(mixed, {}, 1, now()));
}

TEST(RevocationList, HoldsWhatWasRevoked) {
    const TestAuthority authority;
    const std::string serial = std::string(31, '0') + "7";
    const std::vector<Revocation> revoked{{serial, now() - std::chrono::hours(3)},
                                          {"ABCDEF", now()}};
    const auto list = make_revocation_list(authority.identity(), revoked, 17, now());
    ASSERT_TRUE(list) << list.error().sentence();
    const RevocationFacts facts = describe_revocation_list(*list, "x").value();
    EXPECT_EQ(facts.issuer, "test-authority-1");
    EXPECT_EQ(facts.number, 17U);
    EXPECT_EQ(facts.validity.from, now());
    EXPECT_GT(facts.validity.until, now() + std::chrono::days(9));
    ASSERT_EQ(facts.revoked.size(), 2U);
    EXPECT_EQ(facts.revoked[0].serial, serial);
    EXPECT_EQ(facts.revoked[0].when, revoked[0].when);
    EXPECT_EQ(facts.revoked[1].serial, std::string(26, '0') + "abcdef");
}

TEST(RevocationList, RefusesWhatIsNoSerial) {
    const TestAuthority authority;
    for (const std::string& serial : {std::string(), std::string("xyz"), std::string(41, '1')}) {
        const std::vector<Revocation> revoked{{serial, now()}};
        const auto list = make_revocation_list(authority.identity(), revoked, 1, now());
        ASSERT_FALSE(list) << serial;
        EXPECT_THAT(list.error().sentence(), HasSubstr("no serial number"));
    }
}

}  // namespace
}  // namespace repartir::trust
