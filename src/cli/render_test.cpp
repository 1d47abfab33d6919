// SPDX-License-Identifier: MIT
#include "cli/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/spill.hpp"

namespace repartir::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

const std::vector<std::string> values{"in put", "\xFF"};

TaskView view() {
    return TaskView{3, "in put \xFF", &values, std::string_view("p\0-x\0", 5), "", ""};
}

Outcome failed_outcome() {
    Outcome outcome;
    outcome.name = "named";
    outcome.ending = Ending{End::exited, 2};
    Attempt attempt;
    attempt.number = 1;
    attempt.ending = outcome.ending;
    attempt.wall = std::chrono::microseconds(5);
    attempt.notes = {"less than asked"};
    outcome.attempts = {attempt, attempt};
    outcome.out = Captured("text\n");
    outcome.err = Captured(std::string("\xFF\x00", 2));
    return outcome;
}

TEST(Render, JsonHoldsTheWholeOutcome) {
    std::string text;
    ASSERT_TRUE(append_json(view(), failed_outcome(), text).has_value());
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    const Json json = Json::parse(text);
    EXPECT_EQ(json["v"], 1);
    EXPECT_EQ(json["seq"], 3);
    EXPECT_EQ(json["input"][0], "in put");
    EXPECT_EQ(json["input"][1]["data"], "/w==");
    EXPECT_EQ(json["argv"], (Json{"p", "-x"}));
    EXPECT_EQ(json["ok"], false);
    EXPECT_EQ(json["ending"], "exited");
    EXPECT_EQ(json["exit_code"], 2);
    EXPECT_EQ(json["attempts"].size(), 2U);
    EXPECT_EQ(json["attempts"][0]["wall_ns"], 5000);
    EXPECT_EQ(json["attempts"][0]["notes"][0], "less than asked");
    EXPECT_EQ(json["stdout"]["data"], "text\n");
    EXPECT_EQ(json["stdout"]["encoding"], "utf-8");
    EXPECT_EQ(json["stderr"]["data"], "/wA=");
    EXPECT_EQ(json["stderr"]["bytes"], 2);
}

Outcome chosen_outcome() {
    Outcome outcome;
    outcome.ending = Ending{End::exited, 0};
    Attempt attempt;
    attempt.number = 1;
    attempt.ending = outcome.ending;
    attempt.wall = std::chrono::milliseconds(40);
    attempt.where = "w/cpu";
    attempt.candidates = {
        Candidate{
            "2 CPUs", false, false, true, std::chrono::seconds(1), {}, std::chrono::seconds(2)},
        Candidate{"3 workers", true, true, false, {}, std::chrono::milliseconds(5), {}}};
    outcome.attempts = {attempt};
    return outcome;
}

TEST(Render, JsonHasTheNumbersBehindAChoice) {
    std::string text;
    ASSERT_TRUE(append_json(view(), chosen_outcome(), text).has_value());
    const Json all = Json::parse(text)["attempts"][0]["candidates"];
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0], (Json{{"where", "2 CPUs"},
                            {"chosen", false},
                            {"room", false},
                            {"learnt", true},
                            {"wait_ns", 1'000'000'000},
                            {"transfer_ns", 0},
                            {"run_ns", 2'000'000'000}}));
    EXPECT_EQ(all[1]["chosen"], true);
    EXPECT_EQ(all[1]["transfer_ns"], 5'000'000);
    text.clear();
    ASSERT_TRUE(append_json(view(), failed_outcome(), text).has_value());
    EXPECT_FALSE(Json::parse(text)["attempts"][0].contains("candidates"));
}

TEST(Render, ChoicesAreLinesForPeople) {
    const TaskView task{3, "in", &values, "", "", ""};
    EXPECT_EQ(choice_lines(task, chosen_outcome()),
              "repartir: task 3 (in):         2 CPUs: done in 3.00 s = 1.00 s of waiting + 0 ms on "
              "the way + 2.00 s of running; is full\n"
              "repartir: task 3 (in): chosen  3 workers: how long such tasks run is not known yet; "
              "has room\n"
              "repartir: task 3 (in): exited 0, after 40.0 ms, at w/cpu\n");
    EXPECT_THAT(choice_lines(task, failed_outcome()),
                HasSubstr("(in): try 1: exited 2, after 5.00 us; less than asked\n"));
}

TEST(Render, JsonReadsSpilledOutputBack) {
    SpillFile spill = SpillFile::create().value();
    ASSERT_TRUE(spill.write("spilled").has_value());
    Outcome outcome = failed_outcome();
    outcome.out = spill.take();
    std::string text;
    ASSERT_TRUE(append_json(view(), outcome, text).has_value());
    EXPECT_EQ(Json::parse(text)["stdout"]["data"], "spilled");
    outcome.out = Captured::in_file("/nonexistent/spill", 5);
    EXPECT_FALSE(append_json(view(), outcome, text).has_value());
}

TEST(Render, JsonOfFilesAndRefusals) {
    TaskView with_files = view();
    with_files.out_path = "d/o";
    with_files.err_path = "d/e";
    std::string text;
    ASSERT_TRUE(append_json(with_files, failed_outcome(), text).has_value());
    EXPECT_EQ(Json::parse(text)["stdout"], (Json{{"path", "d/o"}}));
    std::string refusal;
    append_json(view(), Error(Domain::scheduler, Code::cannot_schedule, Fault::policy, "no"),
                refusal);
    EXPECT_EQ(Json::parse(refusal)["refused"]["code"], "cannot_schedule");
    EXPECT_EQ(Json::parse(refusal)["ok"], false);
}

TEST(Render, FailuresAreOneLine) {
    EXPECT_EQ(failure_line(view(), failed_outcome()),
              "repartir: task 3 (in put \xFF): exited 2 (2 tries)\n");
    Outcome missing;
    missing.ending = Ending{End::not_started, 0};
    Attempt attempt;
    attempt.error = Error(Domain::process, Code::not_found, Fault::user, "no such program");
    missing.attempts = {attempt};
    EXPECT_THAT(failure_line(view(), missing), HasSubstr("could not be started: no such program"));
    EXPECT_THAT(failure_line(view(), Error(Domain::task, Code::invalid_task, Fault::user, "why")),
                HasSubstr("refused: why"));
}

TEST(Render, TagsEveryLineWhateverThePieces) {
    const std::string text = "one\ntwo\n\nlast";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        Tagger tagger("l\n");
        std::string tagged;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            tagger.add(text.substr(at, piece), tagged);
        }
        tagger.finish(tagged);
        tagger.finish(tagged);
        EXPECT_EQ(tagged, "l\\x0a\tone\nl\\x0a\ttwo\nl\\x0a\t\nl\\x0a\tlast\n");
    }
}

}  // namespace
}  // namespace repartir::cli
