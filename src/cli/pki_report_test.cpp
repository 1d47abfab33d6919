// SPDX-License-Identifier: MIT
#include "cli/pki_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace repartir::cli {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::HasSubstr;

constexpr sys_seconds noon{seconds(1'800'000'000)};

trust::CertificateFacts worker() {
    trust::CertificateFacts facts;
    facts.name = "gpu1";
    facts.issuer = "home";
    facts.roles = trust::bit_of(trust::Role::worker);
    facts.hosts = {"gpu1.example", "10.0.0.7"};
    facts.validity = {noon - seconds(10), noon + seconds(10)};
    facts.serial = "ab";
    facts.fingerprint = "cd";
    return facts;
}

TEST(PkiReport, StatesAreNamed) {
    const trust::Validity validity{noon, noon + seconds(1)};
    EXPECT_EQ(state_of(validity, noon - seconds(1)), "not yet valid");
    EXPECT_EQ(state_of(validity, noon), "valid");
    EXPECT_EQ(state_of(validity, noon + seconds(1)), "valid");
    EXPECT_EQ(state_of(validity, noon + seconds(2)), "expired");
}

TEST(PkiReport, OfACertificate) {
    const std::string text = certificate_report(worker(), noon);
    EXPECT_THAT(text, HasSubstr("role         worker\nhosts        gpu1.example, 10.0.0.7\n"));
    EXPECT_THAT(text, HasSubstr("until        2027-01-15 08:00:10 UTC, valid\n"));
    trust::CertificateFacts other = worker();
    other.roles = 0;
    other.hosts.clear();
    EXPECT_THAT(certificate_report(other, noon),
                HasSubstr("none of Repartir's\nhosts        none"));
    const auto json = nlohmann::json::parse(certificate_json(worker(), noon));
    EXPECT_EQ(json["v"], 1);
    EXPECT_EQ(json["type"], "certificate");
    EXPECT_EQ(json["roles"], nlohmann::json::array({"worker"}));
    EXPECT_EQ(json["hosts"].size(), 2U);
    EXPECT_EQ(json["not_after"], 1'800'000'010);
    EXPECT_EQ(json["state"], "valid");
}

TEST(PkiReport, OfAnAuthority) {
    trust::CertificateFacts authority = worker();
    authority.authority = true;
    const std::vector<IssuedCertificate> issued{
        {"01", trust::Role::worker, "gpu1", noon + seconds(1), {}},
        {"02", trust::Role::client, "a-long-name", noon - seconds(1), {}},
        {"03", trust::Role::broker, "b", noon + seconds(1), noon}};
    const std::string text = folder_report("/x", authority, issued, noon);
    EXPECT_THAT(text, HasSubstr("worker  gpu1         valid    2027-01-15 08:00:01 UTC  01\n"));
    EXPECT_THAT(text, HasSubstr("client  a-long-name  expired  "));
    EXPECT_THAT(text, HasSubstr("broker  b            revoked  "));
    const auto json = nlohmann::json::parse(folder_json(authority, issued, noon));
    EXPECT_EQ(json["authority"]["authority"], true);
    EXPECT_EQ(json["issued"][1]["state"], "expired");
    EXPECT_TRUE(json["issued"][0]["revoked"].is_null());
    EXPECT_EQ(json["issued"][2]["revoked"], 1'800'000'000);
}

TEST(PkiReport, OfAList) {
    trust::RevocationFacts facts;
    facts.issuer = "home";
    facts.number = 7;
    facts.validity = {noon, noon + seconds(60)};
    facts.revoked = {{"ab", noon}};
    EXPECT_THAT(list_report(facts), HasSubstr("revoked      1\nab  2027-01-15 08:00:00 UTC\n"));
    const auto json = nlohmann::json::parse(list_json(facts));
    EXPECT_EQ(json["type"], "revocation_list");
    EXPECT_EQ(json["number"], 7);
    EXPECT_EQ(json["revoked"][0]["serial"], "ab");
}

}  // namespace
}  // namespace repartir::cli
