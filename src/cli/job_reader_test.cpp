// SPDX-License-Identifier: MIT
#include "cli/job_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string error_of(std::string_view json) {
    const auto job = parse_job(json, {3, 7, 100});
    return job ? "no error" : job.error().sentence();
}

TEST(JobReader, EveryKey) {
    const JobSpec job = parse_job(R"({"program":"p","args":["a","b c"],"env":{"K":"v"},"cwd":"/d",
        "stdin_text":"in\u0000put","timeout":"2m","retries":3,"cores":2,"priority":"high",
        "name":"n"})",
                                  {})
                            .value();
    EXPECT_EQ(job.program, "p");
    EXPECT_THAT(job.args, ElementsAre("a", "b c"));
    EXPECT_THAT(job.env, ElementsAre(Pair("K", "v")));
    EXPECT_EQ(job.cwd, "/d");
    EXPECT_EQ(job.stdin_text, std::string("in\0put", 6));
    EXPECT_EQ(job.timeout, 2min);
    EXPECT_EQ(job.retries, 3U);
    EXPECT_EQ(job.cores, 2U);
    EXPECT_EQ(job.priority, Priority::high);
    EXPECT_EQ(job.name, "n");
    EXPECT_EQ(parse_job(R"({"program":"p","timeout":1.5})", {})->timeout, 1500ms);
}

TEST(JobReader, ErrorsNameElementAndKey) {
    for (const char* json :
         {R"({"program":"p","colour":1})", R"({"program":3})", R"({"program":"p","args":"x"})",
          R"({"program":"p","args":[1]})", R"({"program":"p","args":["a\u0000"]})",
          R"({"program":"p","env":["K"]})", R"({"program":"p","env":{"A=B":"c"}})",
          R"({"program":"p","timeout":-1})", R"({"program":"p","timeout":"soon"})",
          R"({"program":"p","retries":-1})", R"({"program":"p","cores":0})",
          R"({"program":"p","priority":"urgent"})", R"({"program":"p\u0000"})", R"({"args":[]})",
          R"({"program":"p","stdin":"f","stdin_text":"t"})", R"([1])", R"({"program":)"}) {
        EXPECT_THAT(error_of(json), HasSubstr("element 3 (line 7)")) << json;
    }
    EXPECT_THAT(error_of(R"({"program":"p","colour":1})"), HasSubstr("colour"));
    EXPECT_THAT(error_of(R"({"program":"p","retries":1e999})"), HasSubstr("number"));
}

TEST(JobReader, AMistakeInTheTextHasItsLineAndByte) {
    EXPECT_THAT(error_of("{\"program\":\n\"p\",\n  oops}"), HasSubstr("line 9, byte 120 of"));
    JobReader reader;
    reader.feed("[\n{\"program\":\"p\"},\n");
    ASSERT_TRUE(reader.next().value());
    ASSERT_FALSE(reader.next().value());
    reader.feed(" {\"program\":\n ?}]");
    EXPECT_THAT(reader.next().error().sentence(),
                AllOf(HasSubstr("element 2 (line 3)"), HasSubstr("line 4, byte 34 of")));
    JobReader late;
    late.feed("[\n{\"program\":\"p\"},\n\n;");
    ASSERT_TRUE(late.next().value());
    EXPECT_THAT(late.next().error().sentence(), HasSubstr("after element 1, at line 4, byte 21"));
}

/// @return programs in order, then "!" and the sentence if it failed, or "." when the array ended.
std::vector<std::string> read(std::string_view text, std::size_t piece) {
    JobReader reader;
    std::vector<std::string> programs;
    const auto drain = [&] {
        while (true) {
            auto job = reader.next();
            if (!job) {
                programs.push_back("!" + job.error().sentence());
                return false;
            }
            if (!*job) {
                return true;
            }
            programs.push_back((*job)->program);
        }
    };
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.feed(text.substr(at, piece));
        if (!drain()) {
            return programs;
        }
    }
    reader.finish();
    if (drain() && reader.ended()) {
        programs.emplace_back(".");
    }
    return programs;
}

TEST(JobReader, ArraysInPieces) {
    const std::string_view text =
        " [ {\"program\":\"a}]\\\"\\\\\"} ,\n{\"program\":\"b\",\"args\":[\"[\",\"{\"]}\t]\n ";
    for (std::size_t piece = 1; piece < 20; ++piece) {
        EXPECT_THAT(read(text, piece), ElementsAre("a}]\"\\", "b", "."));
    }
    EXPECT_THAT(read("[]", 1), ElementsAre("."));
    EXPECT_THAT(read("\xEF\xBB\xBF[]", 1), ElementsAre(".")) << "a byte order mark means nothing";
    EXPECT_THAT(read("[]\xEF\xBB\xBF", 1), ElementsAre(testing::StartsWith("!")));
}

TEST(JobReader, WhatIsNoArrayOfObjectsIsRefused) {
    for (const char* text :
         {"", "{}", "[", "[{\"program\":\"a\"}", "[{\"program\":\"a\"},]", "[,]", "[1]", "[] x",
          "[{\"program\":\"a\"} {}]", "null", "[{\"program\":\"a\""}) {
        EXPECT_THAT(read(text, 3).back(), HasSubstr("!--from-json")) << text;
    }
}

TEST(JobReader, AnElementHasALimit) {
    JobReader reader;
    reader.feed("[{\"program\":\"" + std::string(JobReader::element_bytes_max + 1, 'x'));
    EXPECT_THAT(reader.next().error().sentence(), HasSubstr("16.0 MiB"));
}

}  // namespace
}  // namespace repartir::cli
