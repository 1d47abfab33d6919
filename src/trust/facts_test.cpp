// SPDX-License-Identifier: MIT
#include "trust/facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/authority_fixture.hpp"

namespace repartir::trust {
namespace {

using testing::HasSubstr;

TEST(Facts, RefuseWhatIsNoCertificate) {
    for (const std::string& text :
         {std::string(), std::string("junk"), std::string(1000, '\0'),
          std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
        const auto facts = describe_certificate(text, "the file x.crt");
        ASSERT_FALSE(facts);
        EXPECT_EQ(facts.error().code(), Code::malformed);
        EXPECT_EQ(facts.error().domain(), Domain::trust);
        EXPECT_THAT(facts.error().sentence(), HasSubstr("the file x.crt holds no certificate"));
        EXPECT_FALSE(describe_revocation_list(text, "x"));
    }
    EXPECT_EQ(describe_certificate(std::string((16U << 20U) + 1, 'x'), "x").error().code(),
              Code::too_large);
}

TEST(Facts, TellKindsApart) {
    const TestAuthority authority;
    EXPECT_FALSE(describe_certificate(authority.identity().key, "x"));
    EXPECT_FALSE(describe_certificate(authority.list(), "x"));
    EXPECT_FALSE(describe_revocation_list(authority.certificate(), "x"));
}

TEST(Facts, OfATruncatedCertificateAreNone) {
    const std::string whole = TestAuthority().issue_for(Role::broker, {"a"}).certificate;
    for (std::size_t bytes = 0; bytes + 1 < whole.size(); bytes += 7) {
        EXPECT_FALSE(describe_certificate(whole.substr(0, bytes), "x")) << bytes;
    }
    EXPECT_TRUE(describe_certificate(whole, "x"));
    EXPECT_TRUE(describe_certificate("text before it\n" + whole, "x"));
}

TEST(Facts, AreReadFromDamagedTextsWithoutHarm) {
    const std::string whole = TestAuthority().issue_for(Role::broker, {"a"}).certificate;
    int read = 0;
    for (std::size_t at = 30; at < whole.size(); ++at) {
        std::string damaged = whole;
        damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
        read += describe_certificate(damaged, "x") ? 1 : 0;
    }
    EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace repartir::trust
