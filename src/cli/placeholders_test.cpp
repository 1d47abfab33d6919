// SPDX-License-Identifier: MIT
#include "cli/placeholders.hpp"

#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

std::string filled(std::string_view word, std::vector<std::string> inputs,
                   std::uint64_t sequence = 7) {
    std::string text;
    Template(word).fill(inputs, sequence, text);
    return text;
}

TEST(Placeholders, PartsOfAPath) {
    EXPECT_EQ(filled("<{}>", {"dir/sub/name.tar.gz"}), "<dir/sub/name.tar.gz>");
    EXPECT_EQ(filled("<{.}>", {"dir/sub/name.tar.gz"}), "<dir/sub/name.tar>");
    EXPECT_EQ(filled("<{/}>", {"dir/sub/name.tar.gz"}), "<name.tar.gz>");
    EXPECT_EQ(filled("<{//}>", {"dir/sub/name.tar.gz"}), "<dir/sub>");
    EXPECT_EQ(filled("<{/.}>", {"dir/sub/name.tar.gz"}), "<name.tar>");
    EXPECT_EQ(filled("<{#}>", {"x"}), "<7>");
}

TEST(Placeholders, EdgesOfPaths) {
    EXPECT_EQ(filled("{//}", {"name"}), ".");
    EXPECT_EQ(filled("{//}", {"/name"}), "/");
    EXPECT_EQ(filled("{.}", {".bashrc"}), ".bashrc");
    EXPECT_EQ(filled("{.} {/.}", {"a/.."}), "a/.. ..") << "another folder otherwise";
    EXPECT_EQ(filled("{.}", {"..."}), "...");
    EXPECT_EQ(filled("{.}", {"..a.b"}), "..a");
    EXPECT_EQ(filled("{.}", {"a.d/name"}), "a.d/name");
    EXPECT_EQ(filled("{/.}", {"a.d/.hidden"}), ".hidden");
    EXPECT_EQ(filled("{/}", {"dir/"}), "");
    EXPECT_EQ(filled("{.}{/}{//}{/.}", {""}), ".");
}

TEST(Placeholders, SeveralLists) {
    EXPECT_EQ(filled("{2}-{1}", {"a", "b"}), "b-a");
    EXPECT_EQ(filled("x{}y", {"a", "b"}), "xa by");
    EXPECT_EQ(filled("{1/.}{2//}", {"p/q.c", "r/s"}), "qr");
    EXPECT_EQ(Template("{2} {12}").list_max(), 12U);
    EXPECT_TRUE(Template("{}").is_all_inputs());
    EXPECT_TRUE(Template("{/.}").is_all_inputs());
    EXPECT_FALSE(Template("{1}").is_all_inputs());
    EXPECT_FALSE(Template("{#}").is_all_inputs());
    EXPECT_FALSE(Template("{}x").is_all_inputs());
}

TEST(Placeholders, WhatIsNoPlaceholderStandsForItself) {
    for (const char* word : {"{\"a\":1}", "{", "}", "{x}", "{0}", "{01}", "{99999}", "{ }", "{.",
                             "{1#}", "${HOME}", "{///}", "awk {print}"}) {
        EXPECT_FALSE(Template(word).has_holes()) << word;
        EXPECT_EQ(filled(word, {"X"}), word);
    }
    EXPECT_EQ(filled("", {"X"}), "");
}

TEST(Placeholders, DoubledBracesEscape) {
    EXPECT_EQ(filled("{{}", {"X"}), "{}");
    EXPECT_EQ(filled("{{1/.}", {"X"}), "{1/.}");
    EXPECT_EQ(filled("a{{}b{}c", {"X"}), "a{}bXc");
    EXPECT_EQ(filled("{{x}", {"X"}), "{{x}");
    EXPECT_FALSE(Template("{{}").has_holes());
}

TEST(Placeholders, InputsAreNeverReadAgain) {
    EXPECT_EQ(filled("{} {1}", {"{#}{1}"}), "{#}{1} {#}{1}");
}

TEST(Placeholders, LiteralsStayLiteral) {
    std::string text;
    Template::literal("{}{#}").fill({}, 1, text);
    EXPECT_EQ(text, "{}{#}");
    EXPECT_FALSE(Template::literal("{}").has_holes());
    EXPECT_FALSE(Template::literal("{}").is_all_inputs());
}

}  // namespace
}  // namespace repartir::cli
