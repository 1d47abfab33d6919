// SPDX-License-Identifier: MIT
#include "cli/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/options.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Words = std::vector<std::string>;

Result<RunConfig> configure(const Words& words) {
    const auto parsed = parse_args(*find_command("run"), words,
                                   [](std::string_view) { return std::optional<std::string>(); });
    EXPECT_TRUE(parsed.has_value());
    return read_config(*parsed);
}

std::string refusal(const Words& words) {
    const auto config = configure(words);
    return config ? "accepted" : config.error().sentence();
}

TEST(Config, CommandAndListsAreSplitAtColons) {
    const RunConfig config =
        configure({"--array", "1-3", "p", "a", ":::", "x", "y", ":::", "z"}).value();
    EXPECT_THAT(config.command, ElementsAre("p", "a"));
    ASSERT_EQ(config.lists.size(), 3U);
    EXPECT_EQ(std::get<NumberRange>(config.lists[0]).last, 3);
    EXPECT_THAT(std::get<Words>(config.lists[1]), ElementsAre("x", "y"));
    EXPECT_THAT(std::get<Words>(config.lists[2]), ElementsAre("z"));
    EXPECT_FALSE(config.single());
    EXPECT_TRUE(configure({"p"})->passes_through());
    EXPECT_FALSE(configure({"--json", "p"})->passes_through());
}

TEST(Config, EveryOptionArrives) {
    const RunConfig config = configure({"-k",
                                        "-t",
                                        "-q",
                                        "-o",
                                        "out",
                                        "--progress=plain",
                                        "-j",
                                        "3",
                                        "-r",
                                        "log",
                                        "--rerun-failed",
                                        "--halt",
                                        "soon,fail=2",
                                        "--timeout",
                                        "5s",
                                        "--kill-grace",
                                        "1s",
                                        "--retries",
                                        "2",
                                        "--retry-delay",
                                        "10ms",
                                        "--priority",
                                        "low",
                                        "-c",
                                        "2",
                                        "--pin",
                                        "--nice",
                                        "5",
                                        "-C",
                                        "/d",
                                        "-e",
                                        "K=v=w",
                                        "--clean-env",
                                        "--stdin",
                                        "f",
                                        "p"})
                                 .value();
    EXPECT_TRUE(config.keep_order && config.tag && config.quiet && config.rerun_failed &&
                config.clean_env);
    EXPECT_TRUE(config.pin);
    EXPECT_EQ(config.output_dir, "out");
    EXPECT_EQ(config.progress, ProgressMode::plain);
    EXPECT_EQ(config.workers, 3U);
    EXPECT_EQ(config.halt.failures, 2U);
    EXPECT_EQ(config.timeout, 5s);
    EXPECT_EQ(config.kill_grace, 1s);
    EXPECT_EQ(config.retries, 2U);
    EXPECT_EQ(config.retry_delay, 10ms);
    EXPECT_EQ(config.priority, Priority::low);
    EXPECT_EQ(config.cores, 2U);
    EXPECT_EQ(config.nice, 5);
    EXPECT_THAT(config.env, ElementsAre(Pair("K", "v=w")));
}

TEST(Config, WorkersElsewhere) {
    const RunConfig config =
        configure({"--remote", "a:1,unix:/b", "--reach", "300ms", "p"}).value();
    EXPECT_THAT(config.remote, ElementsAre("a:1", "unix:/b"));
    EXPECT_EQ(config.reach, 300ms);
    EXPECT_EQ(configure({"p"}).value().reach, 10s);
}

TEST(Config, WhatIsExplained) {
    EXPECT_EQ(configure({"p"}).value().explain, Explain::no);
    EXPECT_EQ(configure({"--explain", "p"}).value().explain, Explain::plan);
    EXPECT_EQ(configure({"--explain=choices", "p"}).value().explain, Explain::choices);
    EXPECT_EQ(configure({"--explain=no", "p"}).value().explain, Explain::no);
    EXPECT_THAT(configure({"--explain=all", "p"}).error().sentence(),
                HasSubstr("\"all\" is none of plan and choices"));
}

TEST(Config, EveryLimitArrives) {
    const RunConfig config =
        configure({"--limit-cpu-time", "2000ms", "--limit-address-space", "1G", "--limit-file-size",
                   "1M", "--limit-open-files", "9", "--limit-memory", "2G", "--limit-processes",
                   "7", "--limit-output", "3M", "p"})
            .value();
    EXPECT_EQ(config.limits.cpu_time, 2s);
    EXPECT_EQ(config.limits.address_space_bytes, 1ULL << 30U);
    EXPECT_EQ(config.limits.file_bytes, 1ULL << 20U);
    EXPECT_EQ(config.limits.open_files, 9U);
    EXPECT_EQ(config.limits.resident_bytes, 2ULL << 30U);
    EXPECT_EQ(config.limits.processes, 7U);
    EXPECT_EQ(config.output_bytes, 3ULL << 20U);
}

TEST(Config, ContradictionsAreNamed) {
    EXPECT_THAT(refusal({}), HasSubstr("no program"));
    EXPECT_THAT(refusal({"", "a"}), HasSubstr("empty"));
    EXPECT_THAT(refusal({":::", "a"}), HasSubstr("no program"));
    EXPECT_THAT(refusal({"-a", "f", "p", ":::", "x"}), HasSubstr("leave one"));
    for (const char* const other : {"::::", ":::+", "::::+"}) {  // no input, no argument
        EXPECT_THAT(refusal({"p", other, "f"}), HasSubstr("there is no "));
        EXPECT_THAT(refusal({"p", ":::", "a", other, "f"}), HasSubstr("--each-line"));
    }
    EXPECT_THAT(refusal({"--null", "p"}), HasSubstr("--each-line"));
    EXPECT_THAT(refusal({"--from-json", "f", "p"}), HasSubstr("leave the command"));
    EXPECT_THAT(refusal({"-a", "-", "--stdin", "-", "p"}), HasSubstr("cannot be both"));
    EXPECT_THAT(refusal({"--stream", "-k", "p"}), HasSubstr("--stream"));
    EXPECT_THAT(refusal({"--json", "--tag", "p"}), HasSubstr("--tag"));
    EXPECT_THAT(refusal({"--rerun-failed", "p"}), HasSubstr("--resume"));
    EXPECT_THAT(refusal({"p", "{2}", ":::", "a"}), HasSubstr("asks for input 2"));
    EXPECT_THAT(refusal({"-C", "{3}", "p", ":::", "a", ":::", "b"}), HasSubstr("input 3"));
    EXPECT_EQ(refusal({"p", "{2}"}), "accepted");  // without inputs nothing is a placeholder
}

TEST(Config, BadValuesNameTheirOption) {
    EXPECT_THAT(refusal({"-j", "0", "p"}), HasSubstr("--workers"));
    EXPECT_THAT(refusal({"--timeout", "x", "p"}), HasSubstr("--timeout"));
    EXPECT_THAT(refusal({"--priority", "x", "p"}), HasSubstr("--priority"));
    EXPECT_THAT(refusal({"--progress", "x", "p"}), HasSubstr("--progress"));
    EXPECT_THAT(refusal({"--env", "x", "p"}), HasSubstr("--env"));
    EXPECT_THAT(refusal({"--env", "=x", "p"}), HasSubstr("--env"));
    EXPECT_THAT(refusal({"--array", "x", "p"}), HasSubstr("--array"));
    EXPECT_THAT(refusal({"-a", "f", "-a", "g", "p"}), HasSubstr("--each-line is given twice"));
    EXPECT_THAT(refusal({"--from-json", "f", "--from-json", "g"}),
                HasSubstr("--from-json is given twice"));
    EXPECT_THAT(refusal({"--nice", "20", "p"}), HasSubstr("--nice"));
    EXPECT_THAT(refusal({"--limit-cpu-time", "0", "p"}), HasSubstr("write 1s"));
    EXPECT_THAT(refusal({"--limit-cpu-time", "500ms", "p"}), HasSubstr("\"500ms\" is no whole"));
    EXPECT_THAT(refusal({"--limit-cpu-time", "1.5", "p"}), HasSubstr("write 2s"));
    for (const char* option : {"--limit-memory", "--limit-address-space", "--limit-output"}) {
        EXPECT_THAT(refusal({option, "0", "p"}), HasSubstr(std::string(option) + " must be above"));
    }
    EXPECT_THAT(refusal({"--cwd", "", "p"}), HasSubstr("--cwd"));
}

TEST(Config, ProgressInEachWay) {
    for (const auto& [word, mode] :
         {std::pair("auto", ProgressMode::automatic), std::pair("bar", ProgressMode::bar),
          std::pair("plain", ProgressMode::plain), std::pair("none", ProgressMode::none)}) {
        EXPECT_EQ(configure({"--progress", word, "p"})->progress, mode) << word;
    }
    EXPECT_THAT(refusal({"--from-json", "f", "--cwd", "/"}), HasSubstr("\"cwd\""));
}

TEST(Config, HaltConditions) {
    EXPECT_FALSE(parse_halt("never")->reached(100, 100));
    const Halt count = parse_halt("now,fail=2").value();
    EXPECT_EQ(count.when, Halt::When::now);
    EXPECT_FALSE(count.reached(1, 50));
    EXPECT_TRUE(count.reached(2, 2));
    const Halt share = parse_halt("soon,fail=10%").value();
    EXPECT_EQ(share.when, Halt::When::soon);
    EXPECT_FALSE(share.reached(5, 9));  // too few to judge by
    EXPECT_TRUE(share.reached(1, 10));
    EXPECT_FALSE(share.reached(1, 11));
    for (const char* text : {"", "now", "fail=1", "later,fail=1", "now,fail=0", "now,fail=101%",
                             "now,fail=", "now,fail=x", "now,fail=1,fail=2", "now,done=1"}) {
        EXPECT_FALSE(parse_halt(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace repartir::cli
