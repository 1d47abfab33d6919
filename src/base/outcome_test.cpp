// SPDX-License-Identifier: MIT
#include "repartir/outcome.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

namespace repartir {
namespace {

Outcome ended(End end, int code = 0) {
    Outcome outcome;
    outcome.ending = Ending{end, code};
    return outcome;
}

Outcome refused(Code code) {
    Outcome outcome = ended(End::not_started);
    outcome.attempts.emplace_back();
    outcome.attempts.back().error = Error(Domain::process, code, Fault::user, "no");
    return outcome;
}

std::string temporary_file(const std::string& bytes) {
    std::array<char, 32> name{"/tmp/repartir-outcome-XXXXXX"};
    const int fd = mkstemp(name.data());
    EXPECT_GE(fd, 0);
    close(fd);
    std::ofstream(name.data(), std::ios::binary) << bytes;
    return name.data();
}

TEST(Outcome, ExitCodeIsWhatAShellWouldShow) {
    EXPECT_EQ(ended(End::exited, 0).exit_code(), 0);
    EXPECT_EQ(ended(End::exited, 77).exit_code(), 77);
    EXPECT_EQ(ended(End::signaled, 11).exit_code(), 139);
    EXPECT_EQ(ended(End::timed_out).exit_code(), 4);
    EXPECT_EQ(ended(End::cancelled).exit_code(), 5);
    EXPECT_EQ(ended(End::out_of_memory).exit_code(), 137);
    EXPECT_EQ(ended(End::output_lost).exit_code(), 1);
    EXPECT_EQ(ended(End::not_started).exit_code(), 1);
    EXPECT_EQ(refused(Code::not_found).exit_code(), 127);
    EXPECT_EQ(refused(Code::permission_denied).exit_code(), 126);
    EXPECT_EQ(refused(Code::not_executable).exit_code(), 126);
    EXPECT_EQ(refused(Code::out_of_resources).exit_code(), 1);
    Outcome no_input = refused(Code::not_found);
    no_input.attempts.back().error = Error(Domain::io, Code::not_found, Fault::user, "no input");
    EXPECT_EQ(no_input.exit_code(), 1) << "127 is for the program itself";
}

TEST(Outcome, OkOnlyWhenExitedWithZero) {
    EXPECT_TRUE(ended(End::exited, 0).ok());
    EXPECT_FALSE(ended(End::exited, 1).ok());
    EXPECT_FALSE(ended(End::cancelled).ok());
}

TEST(Outcome, LastAttemptAndItsError) {
    Outcome outcome;
    EXPECT_EQ(outcome.last().number, 0U);
    EXPECT_EQ(outcome.error(), nullptr);
    outcome = refused(Code::not_found);
    outcome.attempts.back().number = 3;
    EXPECT_EQ(outcome.last().number, 3U);
    ASSERT_NE(outcome.error(), nullptr);
    EXPECT_EQ(outcome.error()->code(), Code::not_found);
}

TEST(Ending, DescribesItselfInOnePhrase) {
    EXPECT_EQ((Ending{End::exited, 3}.describe()), "exited 3");
    EXPECT_EQ((Ending{End::signaled, 9}.describe()), "killed by signal 9 (SIGKILL)");
    EXPECT_EQ((Ending{End::signaled, 40}.describe()), "killed by signal 40");
    EXPECT_EQ((Ending{End::timed_out, 0}.describe()), "timed out");
    EXPECT_EQ((Ending{End::cancelled, 0}.describe()), "cancelled");
    EXPECT_EQ((Ending{End::out_of_memory, 0}.describe()), "ran out of memory");
    EXPECT_EQ((Ending{End::output_lost, 0}.describe()), "wrote more than could be kept");
    EXPECT_EQ((Ending{End::not_started, 0}.describe()), "could not be started");
}

TEST(Outcome, EveryEnumeratorHasItsOwnName) {
    for (int i = 0; i <= static_cast<int>(End::not_started); ++i) {
        EXPECT_NE(to_string(static_cast<End>(i)), "unknown");
    }
    for (int i = 1; i <= static_cast<int>(PeakMemory::Source::at_most); ++i) {
        EXPECT_NE(to_string(static_cast<PeakMemory::Source>(i)), "unknown");
    }
    for (int i = 0; i <= static_cast<int>(Containment::process_group); ++i) {
        EXPECT_NE(to_string(static_cast<Containment>(i)), "unknown");
    }
}

TEST(Captured, InMemoryReadsItsBytes) {
    const Captured captured(std::string("a\0b", 3));
    EXPECT_TRUE(captured.in_memory());
    EXPECT_EQ(captured.size(), 3U);
    EXPECT_EQ(captured.read().value(), std::string("a\0b", 3));
    EXPECT_EQ(Captured().read().value(), "");
}

TEST(Captured, ASpilledFileIsClosedWithTheLastCopy) {
    const std::string path = temporary_file("spilled");
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    unlink(path.c_str());
    {
        Captured first = Captured::in_descriptor(fd, 7);
        const Captured second = first;
        first = Captured();
        EXPECT_FALSE(second.in_memory());
        EXPECT_EQ(second.read().value(), "spilled");
        EXPECT_EQ(second.read().value(), "spilled") << "reading moves nothing";
        std::ostringstream by_path;
        by_path << std::ifstream(second.path()).rdbuf();
        EXPECT_EQ(by_path.str(), "spilled");
    }
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST(Captured, CanBeReadInPieces) {
    const std::string path = temporary_file("0123456789");
    for (const Captured& captured :
         {Captured::in_file(path, 10), Captured(std::string("0123456789")),
          Captured::in_descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC), 10)}) {
        std::array<char, 4> piece{};
        EXPECT_EQ(captured.read_at(3, piece).value(), 4U);
        EXPECT_EQ(std::string_view(piece.data(), 4), "3456");
        EXPECT_EQ(captured.read_at(8, piece).value(), 2U);
        EXPECT_EQ(captured.read_at(10, piece).value(), 0U);
        EXPECT_EQ(captured.read_at(11, piece).value(), 0U);
    }
    unlink(path.c_str());
}

TEST(Captured, ForeignFileStays) {
    const std::string path = temporary_file("kept");
    { const Captured captured = Captured::in_file(path, 4); }
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    unlink(path.c_str());
}

TEST(Captured, MissingOrTruncatedSpillIsAnErrorThatNamesTheFile) {
    const std::string path = temporary_file("short");
    const Captured truncated = Captured::in_file(path, 6);
    ASSERT_FALSE(truncated.read().has_value());
    EXPECT_EQ(truncated.read().error().code(), Code::io_error);
    unlink(path.c_str());
    const auto missing = truncated.read();
    ASSERT_FALSE(missing.has_value());
    EXPECT_NE(missing.error().sentence().find(path), std::string::npos);
}

TEST(Outcome, ExplainsWhyAnAttemptRanWhereItRan) {
    using namespace std::chrono_literals;
    Attempt attempt;
    EXPECT_EQ(explain(attempt), "");
    attempt.candidates.push_back({"2 CPUs of this machine", false, false, true, 1500ms, 0ms, 1s});
    attempt.candidates.push_back({"3 workers", true, true, true, 0ms, 52ms, 1s});
    attempt.candidates.push_back({"GPU", false, true, false, 0ms, 0ms, 0ms});
    EXPECT_EQ(
        explain(attempt),
        "        2 CPUs of this machine: done in 2.50 s = 1.50 s of waiting + 0 ms on the way "
        "+ 1.00 s of running; is full\n"
        "chosen  3 workers: done in 1.05 s = 0 ms of waiting + 52.0 ms on the way + 1.00 s of "
        "running; has room\n"
        "        GPU: how long such tasks run is not known yet; has room\n");
}

TEST(Outcome, ValuesThatDoNotExistHaveWordsToo) {
    EXPECT_EQ(to_string(static_cast<End>(250)), "unknown");
    EXPECT_EQ((Ending{static_cast<End>(250), 0}).describe(), "unknown");
    EXPECT_EQ(to_string(static_cast<Containment>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<PeakMemory::Source>(250)), "unknown");
}

}  // namespace
}  // namespace repartir
