// SPDX-License-Identifier: MIT
#include "cli/exit_code.hpp"

#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

Error error_of(Code code) { return Error(Domain::scheduler, code, Fault::user, "x"); }

int code_of(std::initializer_list<Ending> endings, bool halted = false) {
    Verdict verdict;
    for (const Ending& ending : endings) {
        verdict.add(ending, halted);
    }
    return exit_code(verdict);
}

TEST(ExitCode, OneEndingOfEveryKind) {
    EXPECT_EQ(code_of({}), 0);
    EXPECT_EQ(code_of({{End::exited, 0}}), 0);
    EXPECT_EQ(code_of({{End::exited, 7}}), 1);
    EXPECT_EQ(code_of({{End::signaled, 9}}), 1);
    EXPECT_EQ(code_of({{End::out_of_memory, 0}}), 1);
    EXPECT_EQ(code_of({{End::output_lost, 0}}), 1);
    EXPECT_EQ(code_of({{End::not_started, 0}}), 1);
    EXPECT_EQ(code_of({{End::timed_out, 0}}), 4);
    EXPECT_EQ(code_of({{End::cancelled, 0}}), 5);
    EXPECT_EQ(code_of({{End::cancelled, 0}}, true), 1);
}

TEST(ExitCode, TheWorstOfSeveralWins) {
    EXPECT_EQ(code_of({{End::exited, 1}, {End::timed_out, 0}, {End::exited, 0}}), 4);
    EXPECT_EQ(code_of({{End::timed_out, 0}, {End::cancelled, 0}}), 5);
    Verdict verdict;
    verdict.add(Ending{End::cancelled, 0}, false);
    verdict.unreachable = true;
    EXPECT_EQ(exit_code(verdict), 3);
    verdict.add(error_of(Code::cannot_schedule));
    EXPECT_EQ(exit_code(verdict), 6);
}

TEST(ExitCode, RefusalsByKind) {
    const auto code_after = [](Code code) {
        Verdict verdict;
        verdict.add(error_of(code));
        return exit_code(verdict);
    };
    EXPECT_EQ(code_after(Code::invalid_task), 6);
    EXPECT_EQ(code_after(Code::cannot_schedule), 6);
    EXPECT_EQ(code_after(Code::cancelled), 5);
    EXPECT_EQ(code_after(Code::internal), 1);
}

TEST(ExitCode, ATaskForWhichNoWorkerWasInReachIsNoFailureOfItsOwn) {
    Outcome outcome;
    outcome.ending = {End::not_started, 0};
    outcome.attempts.emplace_back().error =
        Error(Domain::wire, Code::unreachable, Fault::policy, "nobody there");
    Verdict verdict;
    verdict.add(outcome, false);
    EXPECT_TRUE(verdict.unreachable);
    EXPECT_FALSE(verdict.failed);
    EXPECT_EQ(exit_code(verdict), exit_unreachable);
    EXPECT_EQ(exit_code_of(outcome), exit_unreachable);
}

TEST(ExitCode, ATaskThatNoWorkerIsLargeEnoughForCannotBeScheduled) {
    Outcome outcome;
    outcome.ending = {End::not_started, 0};
    outcome.attempts.emplace_back().error =
        Error(Domain::scheduler, Code::cannot_schedule, Fault::policy, "too large");
    Verdict verdict;
    verdict.add(outcome, false);
    EXPECT_EQ(exit_code(verdict), exit_cannot_schedule);
    EXPECT_EQ(exit_code_of(outcome), exit_cannot_schedule);
}

}  // namespace
}  // namespace repartir::cli
