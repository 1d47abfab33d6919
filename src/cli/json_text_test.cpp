// SPDX-License-Identifier: MIT
#include "cli/json_text.hpp"

#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

using namespace std::string_view_literals;

TEST(JsonText, Utf8IsJudgedByTheStandard) {
    for (const std::string_view good :
         {""sv, "plain"sv, "\x7f\0"sv, "\xC2\x80"sv, "\xE0\xA0\x80"sv, "\xED\x9F\xBF"sv,
          "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv}) {
        EXPECT_TRUE(is_utf8(good));
    }
    for (const std::string_view bad :
         {"\x80"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xC2"sv, "\xC2x"sv, "\xE0\x9F\xBF"sv,
          "\xED\xA0\x80"sv, "\xE1\x80"sv, "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv,
          "\xF5\x80\x80\x80"sv, "\xFF"sv, "ok\xC2"sv}) {
        EXPECT_FALSE(is_utf8(bad));
    }
}

TEST(JsonText, Base64OfEveryRemainder) {
    const auto encoded = [](std::string_view bytes) {
        std::string text;
        append_base64(bytes, text);
        return text;
    };
    EXPECT_EQ(encoded(""), "");
    EXPECT_EQ(encoded("f"), "Zg==");
    EXPECT_EQ(encoded("fo"), "Zm8=");
    EXPECT_EQ(encoded("foo"), "Zm9v");
    EXPECT_EQ(encoded("\xFF\xFE\xFD\xFC"), "//79/A==");
}

TEST(JsonText, CommasAndEscapes) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("a\"");
    json.text("x\n\t\\\x01\x7f");
    json.key("b");
    json.begin_array();
    json.integer(-1);
    json.natural(18'446'744'073'709'551'615ULL);
    json.boolean(true);
    json.null();
    json.begin_object();
    json.end_object();
    json.begin_array();
    json.end_array();
    json.end_array();
    json.key("c");
    json.text("\xFF");
    json.key("d");
    json.text("z");
    json.end_object();
    EXPECT_EQ(text,
              "{\"a\\\"\":\"x\\n\\u0009\\\\\\u0001\\u007f\",\"b\":[-1,18446744073709551615,true,"
              "null,{},[]],\"c\":{\"encoding\":\"base64\",\"data\":\"/w==\"},\"d\":\"z\"}");
}

}  // namespace
}  // namespace repartir::cli
