// SPDX-License-Identifier: MIT
#include "cli/config_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "cli/options.hpp"
#include "cli/toml_file.hpp"

namespace repartir::cli {
namespace {

using testing::HasSubstr;

const CommandSpec& command() { return *find_command("config show"); }

Parsed settings() {
    Parsed parsed;
    parsed.add(Opt::listen, "unix:/a \"b\"\n", {Source::file, "/w.toml:3"});
    parsed.add(Opt::listen, "c:1", {Source::file, "/w.toml:3"});
    parsed.add(Opt::slots, "7", {Source::file, "/w.toml:1"});
    parsed.add(Opt::slots, "4", {Source::environment, "REPARTIR_WORKER_SLOTS"});
    parsed.add(Opt::supervise, "1");
    return parsed;
}

TEST(ConfigReport, TextSaysWhereEachValueComesFrom) {
    const std::string text = config_text(command(), settings(), "/w.toml", true);
    EXPECT_THAT(text, HasSubstr("# configuration file: /w.toml\n"));
    EXPECT_THAT(text, HasSubstr("listen = [\"unix:/a \\\"b\\\"\\u000A\", \"c:1\"]"
                                "  # file /w.toml:3\n"));
    EXPECT_THAT(text, HasSubstr("slots = 4  # environment REPARTIR_WORKER_SLOTS\n"));
    EXPECT_THAT(text, HasSubstr("supervise = true  # flag --supervise\n"));
    EXPECT_THAT(text, HasSubstr("# heartbeat: 1s  (default)\n"));
}

TEST(ConfigReport, TextIsAFileThatCanBeRead) {
    std::vector<std::string_view> keys;
    for (const OptionSpec& option : command().options) {
        keys.push_back(option.name);
    }
    for (const bool origin : {false, true}) {
        const auto read = read_toml("x", config_text(command(), settings(), "", origin), keys);
        ASSERT_TRUE(read.has_value()) << read.error().sentence();
        ASSERT_EQ(read->size(), 3U);
        EXPECT_EQ(read->at(0).values.at(0), "unix:/a \"b\"\n");
        EXPECT_EQ(read->at(1).values.at(0), "4");
        EXPECT_EQ(read->at(2).values.at(0), "true");
    }
}

TEST(ConfigReport, JsonHasEverySetting) {
    const std::string json = config_json(command(), settings(), "");
    EXPECT_THAT(json, HasSubstr(R"({"file":null,"settings":[{"key":"listen","value":["unix:/a)"));
    EXPECT_THAT(json,
                HasSubstr(R"({"key":"slots","value":"4","source":"environment",)"
                          R"("where":"REPARTIR_WORKER_SLOTS","default":"the CPUs granted"})"));
    EXPECT_THAT(json, HasSubstr(R"({"key":"supervise","value":true,"source":"flag")"));
    EXPECT_THAT(json, HasSubstr(R"({"key":"heartbeat","value":null,"source":"default",)"
                                R"("where":null,"default":"1s"})"));
    for (const OptionSpec& option : command().options) {
        EXPECT_EQ(json.contains("\"key\":\"" + std::string(option.name) + "\""), option.in_file);
        EXPECT_TRUE(!option.in_file || !option.fallback.empty()) << option.name;
    }
}

}  // namespace
}  // namespace repartir::cli
