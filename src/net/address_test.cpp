// SPDX-License-Identifier: MIT
#include "net/address.hpp"

#include <gtest/gtest.h>

#include <string>

namespace repartir::net {
namespace {

TEST(AddressTest, ReadsWhatPeopleWrite) {
    const auto parsed = [](std::string_view text) { return Address::parse(text).value(); };
    EXPECT_EQ(parsed("host:9001"), (Address{"host", 9001, ""}));
    EXPECT_EQ(parsed("host"), (Address{"host", default_port, ""}));
    EXPECT_EQ(parsed(":8000"), (Address{"", 8000, ""}));
    EXPECT_EQ(parsed("[::1]:7000"), (Address{"::1", 7000, ""}));
    EXPECT_EQ(parsed("[fe80::1]"), (Address{"fe80::1", default_port, ""}));
    EXPECT_EQ(parsed("10.0.0.2:0"), (Address{"10.0.0.2", 0, ""}));
    EXPECT_EQ(parsed("unix:/run/a b"), (Address{"", 0, "/run/a b"}));
    for (const char* text : {"host:9001", "[::1]:7000", ":8000", "unix:/run/x"}) {
        EXPECT_EQ(parsed(text).text(), text);
    }
}

TEST(AddressTest, RefusesWhatIsNoneInOneSentence) {
    for (const char* text :
         {"", "host:", "host:65536", "host:-1", "host:9x", "::1", "[::1", "[::1]x",
          "unix:", "a b:1", "host:1:2", "5", "10.0.2:9000", "0:9000", "1.2.3.256", "1.2.3.4.5"}) {
        const auto address = Address::parse(text);
        ASSERT_FALSE(address) << text;
        EXPECT_EQ(address.error().code(), Code::invalid_argument);
        EXPECT_NE(address.error().sentence().find("'" + std::string(text) + "'"),
                  std::string::npos);
    }
}

TEST(AddressTest, NumbersAndPathsAreResolvedWithoutAsking) {
    const auto four = resolve({"127.0.0.9", 80, ""}, false).value();
    EXPECT_EQ(four.at(0).text(), "127.0.0.9:80");
    EXPECT_TRUE(four.at(0).is_loopback());
    const auto six = resolve({"::1", 80, ""}, false).value();
    EXPECT_EQ(six.at(0).text(), "[::1]:80");
    EXPECT_TRUE(six.at(0).is_loopback());
    EXPECT_TRUE(resolve({"::ffff:127.0.0.1", 80, ""}, false).value().at(0).is_loopback());
    EXPECT_FALSE(resolve({"10.1.2.3", 80, ""}, false).value().at(0).is_loopback());
    const auto path = resolve({"", 0, "/run/x"}, true).value();
    EXPECT_EQ(path.at(0).text(), "unix:/run/x");
    EXPECT_TRUE(path.at(0).is_loopback());
    EXPECT_FALSE(resolve({"", 0, std::string(108, 'x')}, true));
    const auto all = resolve({"", 80, ""}, true).value();
    for (const SocketAddress& one : all) {
        EXPECT_FALSE(one.is_loopback());
    }
}

TEST(AddressTest, OnlyNumbersAreKnownWithoutLookingUp) {
    EXPECT_EQ(literal({"10.1.2.3", 80, ""})->text(), "10.1.2.3:80");
    EXPECT_EQ(literal({"2001:db8::1", 80, ""})->text(), "[2001:db8::1]:80");
    EXPECT_TRUE(literal({"", 80, ""})->is_loopback()) << "where one connects to";
    EXPECT_EQ(literal({"0.0.0.0", 80, ""})->text(), "127.0.0.1:80") << "as an empty one";
    EXPECT_EQ(literal({"::", 80, ""})->text(), "[::1]:80");
    EXPECT_FALSE(resolve({"0.0.0.0", 80, ""}, true).value().at(0).is_loopback());
    EXPECT_FALSE(literal({"localhost", 80, ""}));
    EXPECT_FALSE(literal({"", 0, "/run/x"}));
}

}  // namespace
}  // namespace repartir::net
