// SPDX-License-Identifier: MIT
#include "cli/args.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cli/options.hpp"

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Parsed> parse(const std::vector<std::string>& words,
                     const std::map<std::string, std::string, std::less<>>& env = {}) {
    return parse_args(*find_command("run"), words, [&](std::string_view name) {
        const auto found = env.find(name);
        return found == env.end() ? std::nullopt : std::optional(found->second);
    });
}

TEST(Args, ValuesInEverySpelling) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{"--workers", "4"},
                                                  {"--workers=4"},
                                                  {"-j", "4"},
                                                  {"-j4"},
                                                  {"-j=4"},
                                                  {"-kj4"},
                                                  {"-j1", "--workers=4"}}) {
        const auto parsed = parse(words);
        ASSERT_TRUE(parsed.has_value()) << parsed.error().sentence();
        EXPECT_EQ(parsed->last(Opt::workers), "4");
    }
}

TEST(Args, OptionsEndAtTheFirstWordOrAtTwoDashes) {
    const auto plain = parse({"-k", "echo", "-n", "--", "x"});
    ASSERT_TRUE(plain.has_value());
    EXPECT_THAT(plain->rest, ElementsAre("echo", "-n", "--", "x"));
    const auto dashed = parse({"-k", "--", "--echo", "-n"});
    ASSERT_TRUE(dashed.has_value());
    EXPECT_THAT(dashed->rest, ElementsAre("--echo", "-n"));
    EXPECT_TRUE(dashed->on(Opt::keep_order));
    EXPECT_FALSE(dashed->on(Opt::tag));
}

TEST(Args, FlagBeatsEnvironment) {
    const std::map<std::string, std::string, std::less<>> env{{"REPARTIR_WORKERS", "3"},
                                                              {"REPARTIR_KEEP_ORDER", "yes"}};
    EXPECT_EQ(parse({}, env)->last(Opt::workers), "3");
    EXPECT_EQ(parse({"-j5"}, env)->last(Opt::workers), "5");
    EXPECT_TRUE(parse({}, env)->on(Opt::keep_order));
    EXPECT_FALSE(parse({"--no-keep-order"}, env)->on(Opt::keep_order));
    EXPECT_FALSE(parse({}, {{"REPARTIR_WORKERS", ""}})->given(Opt::workers));
    EXPECT_FALSE(parse({}, {{"REPARTIR_TAG", "perhaps"}}).has_value());
}

TEST(Args, AnOptionWithABareMeaningTakesItsValueOnlyBehindAnEqualsSign) {
    const auto plaintext = [](const std::vector<std::string>& words) {
        return std::string(parse_args(*find_command("worker"), words,
                                      [](std::string_view) { return std::optional<std::string>(); })
                               ->last(Opt::insecure_plaintext)
                               .value_or("unset"));
    };
    EXPECT_EQ(plaintext({"--insecure-plaintext", "any"}), "loopback");
    EXPECT_EQ(plaintext({"--insecure-plaintext=any"}), "any");
    EXPECT_EQ(plaintext({"--no-insecure-plaintext"}), "no");
    EXPECT_EQ(plaintext({}), "unset");
}

TEST(Args, TheSourceThatWinsGivesAllValues) {
    Parsed parsed;
    parsed.add(Opt::listen, "flag");
    parsed.add(Opt::listen, "variable", {Source::environment, "V"});
    parsed.add(Opt::listen, "file", {Source::file, "f:1"});
    parsed.add(Opt::listen, "flag too");
    EXPECT_THAT(parsed.all(Opt::listen), ElementsAre("flag", "flag too"));
    EXPECT_EQ(parsed.last(Opt::listen), "flag too");
    EXPECT_EQ(parsed.origin(Opt::listen)->source, Source::flag);
    EXPECT_TRUE(parsed.all(Opt::slots).empty());
    EXPECT_EQ(parsed.origin(Opt::slots), nullptr);
}

TEST(Args, UnknownOptionsNameTheNearest) {
    EXPECT_THAT(parse({"--keep-oder"}).error().sentence(), HasSubstr("--keep-order"));
    EXPECT_THAT(parse({"--timout=3s"}).error().sentence(), HasSubstr("--timeout"));
    EXPECT_THAT(parse({"--limit-mem", "3"}).error().sentence(), HasSubstr("--limit-memory"));
    EXPECT_THAT(parse({"--xyzzyplugh"}).error().sentence(), HasSubstr("--help"));
    EXPECT_THAT(parse({"-Q"}).error().sentence(), HasSubstr("-Q"));
    EXPECT_FALSE(parse({"--no-workers"}).has_value());
    EXPECT_FALSE(parse({"--no-nonsense"}).has_value());
}

TEST(Args, MissingAndSuperfluousValues) {
    EXPECT_THAT(parse({"--workers"}).error().sentence(), HasSubstr("needs a value"));
    EXPECT_THAT(parse({"-j"}).error().sentence(), HasSubstr("needs a value"));
    EXPECT_THAT(parse({"--workers", "--", "true"}).error().sentence(), HasSubstr("needs a value"));
    EXPECT_THAT(parse({"--tag=yes"}).error().sentence(), HasSubstr("takes no value"));
    EXPECT_EQ(parse({"--cwd="})->last(Opt::cwd), "");
}

TEST(Args, RepeatedOptionsKeepTheirOrder) {
    EXPECT_THAT(parse({"-e", "A=1", "--env=B=2"})->all(Opt::env), ElementsAre("A=1", "B=2"));
}

TEST(Args, NearestHasALimit) {
    const std::vector<std::string_view> names{"run", "info", "version"};
    EXPECT_EQ(nearest("rnu", names), "run");
    EXPECT_EQ(nearest("inof", names), "info");
    EXPECT_EQ(nearest("completely-else", names), "");
    EXPECT_EQ(nearest(std::string(10'000, 'x'), names), "");
}

}  // namespace
}  // namespace repartir::cli
