// SPDX-License-Identifier: MIT
#include "trust/openssl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "trust/authority_fixture.hpp"

namespace repartir::trust {
namespace {

using testing::HasSubstr;

TEST(Openssl, ReadsSeveralCertificatesAndNoHalfOnes) {
    const TestAuthority one;
    const TestAuthority two;
    const auto both = read_certificates(one.certificate() + two.certificate(), "x");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->size(), 2U);
    const std::string half = two.certificate().substr(0, two.certificate().size() / 2);
    EXPECT_FALSE(read_certificates(one.certificate() + half, "x"));
    std::string many;
    for (std::size_t i = 0; i <= pem_items_max; ++i) {
        many += one.certificate();
    }
    EXPECT_EQ(read_certificates(many, "x").error().code(), Code::too_large);
    EXPECT_EQ(ERR_peek_error(), 0U) << "nothing stays in the thread's queue";
}

TEST(Openssl, AsksNobodyForAPassphrase) {
    const TestAuthority authority;
    const auto key = read_key(authority.identity().key, "x");
    ASSERT_TRUE(key);
    const BioHandle bio(BIO_new(BIO_s_mem()));
    std::string secret = "secret";
    ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key->get(), EVP_aes_128_cbc(), secret.data(),
                                            static_cast<int>(secret.size()), nullptr, nullptr),
              1);
    char* bytes = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &bytes);
    const auto locked = read_key({bytes, static_cast<std::size_t>(length)}, "the file x.key");
    ASSERT_FALSE(locked);
    EXPECT_EQ(locked.error().code(), Code::unsupported);
    EXPECT_THAT(locked.error().sentence(), HasSubstr("the file x.key is protected"));
    EXPECT_THAT(read_key("junk", "y").error().sentence(), HasSubstr("y holds no private key"));
}

TEST(Openssl, NamesArePrintable) {
    const std::unique_ptr<X509_NAME, Ended<X509_NAME_free>> name(X509_NAME_new());
    EXPECT_EQ(name_of(name.get()), "");
    const std::string wild = "a\n\x1b[31m" + std::string(40, 'b');
    // SAFETY: OpenSSL reads characters as unsigned ones.
    ASSERT_EQ(X509_NAME_add_entry_by_NID(name.get(), NID_commonName, V_ASN1_UTF8STRING,
                                         reinterpret_cast<const unsigned char*>(wild.data()),
                                         static_cast<int>(wild.size()), -1, 0),
              1);
    EXPECT_EQ(name_of(name.get()), "a??[31m" + std::string(40, 'b'));
}

TEST(Openssl, ErrorsEmptyTheQueue) {
    ERR_raise(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH);
    EXPECT_THAT(openssl_error("cannot do it").sentence(),
                HasSubstr("cannot do it: OpenSSL says key values mismatch"));
    EXPECT_EQ(ERR_peek_error(), 0U);
    EXPECT_THAT(openssl_error("cannot do it").sentence(), HasSubstr("nothing"));
}

}  // namespace
}  // namespace repartir::trust
