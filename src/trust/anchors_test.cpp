// SPDX-License-Identifier: MIT
#include "trust/anchors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/authority_fixture.hpp"
#include "trust/facts.hpp"

namespace repartir::trust {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t any_role = 7;

class AnchorsTest : public testing::Test {
  protected:
    [[nodiscard]] Flaw judge(const Identity& who, const Purpose& purpose,
                             const std::string& list = {}) const {
        const auto anchors = Anchors::create(authority_.certificate(), "ca.crt", list, "crl.pem");
        EXPECT_TRUE(anchors);
        const auto certificates = read_certificates(who.certificate, "x");
        return anchors->judge(certificates->front().get(), nullptr, purpose);
    }
    [[nodiscard]] static std::string serial(const Identity& who) {
        return describe_certificate(who.certificate, "x")->serial;
    }
    TestAuthority authority_;
};

TEST_F(AnchorsTest, AcceptWhatIsGood) {
    const Identity worker = authority_.issue_for(Role::worker, {"w.example", "10.0.0.1", "::1"});
    EXPECT_EQ(judge(worker, {bit_of(Role::worker), "w.example"}), Flaw::none);
    EXPECT_EQ(judge(worker, {bit_of(Role::worker), "W.Example"}), Flaw::none);
    EXPECT_EQ(judge(worker, {bit_of(Role::worker), "10.0.0.1"}), Flaw::none);
    EXPECT_EQ(judge(worker, {bit_of(Role::worker), "0:0::1"}), Flaw::none);
    EXPECT_EQ(judge(worker, {any_role, ""}), Flaw::none) << "a worker may connect, too";
    EXPECT_EQ(judge(authority_.issue_for(Role::client), {any_role, ""}), Flaw::none);
}

TEST_F(AnchorsTest, RefuseAnotherHost) {
    const Identity worker = authority_.issue_for(Role::worker, {"w.example", "10.0.0.1"});
    for (const char* host :
         {"x.example", "example", "a.w.example", "10.0.0.2", "::1", "worker-1"}) {
        EXPECT_EQ(judge(worker, {any_role, host}), Flaw::host) << host;
    }
    EXPECT_EQ(judge(authority_.issue_for(Role::worker), {any_role, "worker-1"}), Flaw::host);
}

TEST_F(AnchorsTest, RefuseAnotherRole) {
    const Identity client = authority_.issue_for(Role::client, {"c.example"});
    EXPECT_EQ(judge(client, {any_role, "c.example"}), Flaw::role) << "a client never listens";
    EXPECT_EQ(judge(client, {bit_of(Role::worker), ""}), Flaw::role);
    const Identity broker = authority_.issue_for(Role::broker, {"b"});
    EXPECT_EQ(judge(broker, {bit_of(Role::worker) | bit_of(Role::client), "b"}), Flaw::role);
    EXPECT_EQ(judge(authority_.identity(), {any_role, ""}), Flaw::role);
}

TEST_F(AnchorsTest, RefuseAnotherAuthority) {
    const TestAuthority same_name;
    const TestAuthority other("other");
    EXPECT_EQ(judge(same_name.issue_for(Role::client), {any_role, ""}), Flaw::unknown_authority);
    EXPECT_EQ(judge(other.issue_for(Role::client), {any_role, ""}), Flaw::unknown_authority);
    EXPECT_EQ(judge(other.identity(), {any_role, ""}), Flaw::unknown_authority);
}

TEST_F(AnchorsTest, RefuseWhatIsOverOrHasNotBegun) {
    const Validity past{now() - std::chrono::days(3), now() - std::chrono::seconds(2)};
    const Validity future{now() + std::chrono::hours(1), now() + std::chrono::days(1)};
    EXPECT_EQ(judge(authority_.issue_for(Role::client, {}, past), {any_role, ""}), Flaw::expired);
    EXPECT_EQ(judge(authority_.issue_for(Role::client, {}, future), {any_role, ""}),
              Flaw::not_yet_valid);
}

TEST_F(AnchorsTest, RefuseWhatIsRevoked) {
    const Identity one = authority_.issue_for(Role::client);
    const Identity two = authority_.issue_for(Role::client);
    const std::string list = authority_.list({serial(one)});
    EXPECT_EQ(judge(one, {any_role, ""}, list), Flaw::revoked);
    EXPECT_EQ(judge(two, {any_role, ""}, list), Flaw::none);
    EXPECT_EQ(judge(one, {any_role, ""}, authority_.list()), Flaw::none);
}

TEST_F(AnchorsTest, WantTheListOfEveryAuthorityInUse) {
    const TestAuthority second("second");
    const auto both = Anchors::create(authority_.certificate() + second.certificate(), "ca.crt",
                                      authority_.list(), "crl.pem");
    ASSERT_TRUE(both);
    const Identity ours = authority_.issue_for(Role::client);
    const Identity theirs = second.issue_for(Role::client);
    const auto judge_by_both = [&](const Identity& who) {
        return both->judge(read_certificates(who.certificate, "x")->front().get(), nullptr,
                           {any_role, ""});
    };
    EXPECT_EQ(judge_by_both(ours), Flaw::none);
    EXPECT_EQ(judge_by_both(theirs), Flaw::no_list);
}

TEST_F(AnchorsTest, RefuseListsThatNoAuthorityHereSigned) {
    const TestAuthority same_name;
    const auto anchors =
        Anchors::create(authority_.certificate(), "ca.crt", same_name.list(), "crl.pem");
    ASSERT_FALSE(anchors);
    EXPECT_THAT(anchors.error().sentence(),
                HasSubstr("crl.pem was signed by no authority in ca.crt"));
    EXPECT_FALSE(Anchors::create(authority_.certificate(), "ca.crt", "junk", "crl.pem"));
    EXPECT_FALSE(Anchors::create("junk", "ca.crt", "", ""));
}

}  // namespace
}  // namespace repartir::trust
