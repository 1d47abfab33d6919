// SPDX-License-Identifier: MIT
#include "cli/output_files.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace repartir::cli {
namespace {

class OutputFilesTest : public ::testing::Test {
  protected:
    OutputFilesTest() {
        char name[] = "/tmp/repartir-output-test-XXXXXX";
        folder_ = ::mkdtemp(name);
        config_.remote = {"w"};
    }
    ~OutputFilesTest() override { std::filesystem::remove_all(folder_); }
    Done done(Outcome outcome) const {
        Done one{
            1, "x", {}, "", folder_ + "/a.out", folder_ + "/a.err", {}, false, std::move(outcome)};
        return one;
    }
    std::string content(const char* name) const {
        std::ostringstream text;
        text << std::ifstream(folder_ + name).rdbuf();
        return text.str();
    }
    std::string folder_;
    RunConfig config_;
};

TEST_F(OutputFilesTest, WhatWasCapturedIsInTheFilesAndNowhereElse) {
    Outcome outcome;
    const std::string large(1'000'000, 'x');
    std::ofstream(folder_ + "/spill") << large;
    outcome.out = Captured::in_file(folder_ + "/spill", large.size());
    outcome.err = Captured("complaint");
    std::ofstream(folder_ + "/a.err") << "longer text of an earlier run";
    Done one = done(std::move(outcome));
    ASSERT_TRUE(keep_output(config_, one));
    EXPECT_EQ(content("/a.out"), large);
    EXPECT_EQ(content("/a.err"), "complaint");
    EXPECT_EQ(one.result->out.size(), 0U);
}

TEST_F(OutputFilesTest, AFileThatCannotBeWrittenIsNamed) {
    Outcome outcome;
    outcome.out = Captured("text");
    Done one = done(std::move(outcome));
    one.out_path = folder_ + "/none/a.out";
    const auto kept = keep_output(config_, one);
    ASSERT_FALSE(kept);
    EXPECT_NE(kept.error().sentence().find("none/a.out"), std::string::npos);
}

}  // namespace
}  // namespace repartir::cli
