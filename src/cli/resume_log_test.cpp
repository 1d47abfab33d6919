// SPDX-License-Identifier: MIT
#include "cli/resume_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace repartir::cli {
namespace {

using testing::HasSubstr;

Fingerprint key(std::uint64_t n) { return Fingerprint{{n, ~n}}; }
const ResumeHeader header{key(99), "cmd {}"};
constexpr Ending good{End::exited, 0};
constexpr Ending bad{End::signaled, 9};

class ResumeLogTest : public testing::Test {
  protected:
    ResumeLogTest() {
        std::string folder = testing::TempDir() + "resume-XXXXXX";
        folder_ = ::mkdtemp(folder.data());
        path_ = folder_ + "/log";
    }
    ~ResumeLogTest() override {
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
    }
    [[nodiscard]] std::string content() const {
        std::ifstream file(path_);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
    void set_content(const std::string& text) const { std::ofstream(path_) << text; }
    [[nodiscard]] Result<ResumeLog> open() const { return ResumeLog::open(path_, header); }
    void write(std::initializer_list<ResumeRecord> records) const {
        ResumeLog log = open().value();
        for (const ResumeRecord& record : records) {
            log.append(record);
        }
        ASSERT_TRUE(log.sync(base::now()).has_value());
    }

    std::string folder_;
    std::string path_;
};

TEST_F(ResumeLogTest, LinesRoundTrip) {
    for (const Ending ending :
         {good, bad, Ending{End::timed_out, 0}, Ending{End::not_started, 0},
          Ending{End::out_of_memory, 0}, Ending{End::output_lost, 0}, Ending{End::exited, 255}}) {
        for (const bool rerun : {false, true}) {
            const ResumeRecord record{key(7), rerun, ending};
            std::string line = format_record(record);
            ASSERT_EQ(line.back(), '\n');
            line.pop_back();
            EXPECT_EQ(parse_record(line), record);
        }
    }
    std::string line = format_header(header);
    line.pop_back();
    EXPECT_EQ(parse_header(line).value(), header);
}

TEST_F(ResumeLogTest, EveryFlippedBitIsNoticed) {
    std::string line = format_record({key(7), false, bad});
    line.pop_back();
    for (std::size_t i = 0; i < line.size() * 8; ++i) {
        std::string damaged = line;
        damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
        EXPECT_FALSE(parse_record(damaged).has_value()) << i;
    }
}

/// @return a line with a right checksum, whatever it says.
std::string sealed_line(const std::string& body) {
    std::array<char, 16> digits{};
    std::snprintf(digits.data(), digits.size(), " %08x", crc32(body));
    return body + digits.data();
}

TEST_F(ResumeLogTest, ARightChecksumDoesNotMakeSenseOfNonsense) {
    const std::string name(32, 'a');
    EXPECT_TRUE(parse_record(sealed_line(name + " + exited 0")).has_value());
    for (const std::string& body :
         {name, name + " + ", name + " ? exited 0", name + " + exited", name + " + sighed 0",
          name + " + exited x", name + " + exited 0 0", "z" + name.substr(1) + " + exited 0"}) {
        EXPECT_FALSE(parse_record(sealed_line(body)).has_value()) << body;
    }
    const std::string start = "repartir-resume 1 ";
    EXPECT_TRUE(parse_header(sealed_line(start + name + " cmd")).has_value());
    for (const std::string& line :
         {start + name + " cmd", sealed_line(start + name), sealed_line(start + name + "x cmd"),
          sealed_line(start + "z" + name.substr(1) + " cmd")}) {
        const auto read = parse_header(line);
        ASSERT_FALSE(read.has_value()) << line;
        EXPECT_THAT(read.error().sentence(), HasSubstr("damaged"));
    }
    EXPECT_THAT(parse_header("repartir-resume 2 x").error().sentence(), HasSubstr("version"));
}

TEST_F(ResumeLogTest, OfSeveralWithOneKeyTheOldestBadEndingIsRunAgain) {
    constexpr Ending late{End::timed_out, 0};
    constexpr Ending third{End::exited, 3};
    write({{key(1), false, late}, {key(2), false, bad}, {key(1), false, bad}});
    {
        ResumeLog log = open().value();
        EXPECT_EQ(log.take(key(1), false), late);
        EXPECT_EQ(log.take(key(1), false), bad);
        EXPECT_EQ(log.take(key(2), false), bad);
    }
    write({{key(1), true, third}});
    ResumeLog log = open().value();
    EXPECT_EQ(log.take(key(1), true), bad);
    EXPECT_EQ(log.take(key(1), true), third);
    EXPECT_EQ(log.take(key(1), true), std::nullopt);
    EXPECT_EQ(log.take(key(2), true), bad);
}

TEST_F(ResumeLogTest, AnEndingHasTheExitCodeOfATask) {
    EXPECT_EQ(recorded_exit_code(bad), 137);
    EXPECT_EQ(recorded_exit_code(Ending{End::not_started, 0}), 1) << "an older log";
    Outcome absent;
    absent.ending = {End::not_started, 0};
    absent.attempts.emplace_back().error =
        Error(Domain::process, Code::not_found, Fault::user, "no such program");
    EXPECT_EQ(recorded_exit_code(recorded_ending(absent)), 127);
}

TEST_F(ResumeLogTest, WhatWasSyncedIsThereAgain) {
    write({{key(1), false, good}, {key(2), false, bad}});
    ResumeLog log = open().value();
    EXPECT_EQ(log.take(key(1), false), good);
    EXPECT_EQ(log.take(key(1), false), std::nullopt);
    EXPECT_EQ(log.take(key(2), false), bad);
    EXPECT_EQ(log.take(key(3), false), std::nullopt);
}

TEST_F(ResumeLogTest, AsManyOfAKeyAreSkippedAsHaveEnded) {
    write({{key(1), false, good}, {key(1), false, bad}, {key(1), false, good}});
    {
        ResumeLog log = open().value();
        EXPECT_EQ(log.take(key(1), true), bad);
        EXPECT_EQ(log.take(key(1), true), good);
        EXPECT_EQ(log.take(key(1), true), good);
        EXPECT_EQ(log.take(key(1), true), std::nullopt);
    }
    ResumeLog log = open().value();
    EXPECT_EQ(log.take(key(1), false), good);
}

TEST_F(ResumeLogTest, ARerunReplacesWhatEndedBadly) {
    write({{key(1), false, bad}, {key(2), false, bad}});
    write({{key(1), true, good}, {key(2), true, bad}});
    ResumeLog log = open().value();
    EXPECT_EQ(log.take(key(1), true), good);
    EXPECT_EQ(log.take(key(1), true), std::nullopt);
    EXPECT_EQ(log.take(key(2), true), bad);
    EXPECT_EQ(log.take(key(2), true), std::nullopt);
}

TEST_F(ResumeLogTest, ATornTailIsCutWhereverItTore) {
    write({{key(1), false, good}, {key(2), false, good}});
    const std::string whole = content();
    const std::size_t second = whole.rfind('\n', whole.size() - 2) + 1;
    for (std::size_t size = second; size < whole.size(); ++size) {
        set_content(whole.substr(0, size));
        ResumeLog log = open().value();
        EXPECT_EQ(log.take(key(1), false), good);
        EXPECT_EQ(log.take(key(2), false), std::nullopt);
        log.append({key(2), false, good});
        ASSERT_TRUE(log.sync(base::now()).has_value());
        EXPECT_EQ(content(), whole);
    }
}

TEST_F(ResumeLogTest, ATornHeaderStartsAnew) {
    const std::string line = format_header(header);
    for (std::size_t size = 0; size < line.size(); ++size) {
        set_content(line.substr(0, size));
        ASSERT_TRUE(open().has_value()) << size;
        EXPECT_EQ(content(), line);
    }
}

TEST_F(ResumeLogTest, DamageInTheMiddleIsAnError) {
    write({{key(1), false, good}, {key(2), false, good}});
    std::string text = content();
    text[text.find('\n') + 3] ^= 1;
    set_content(text);
    EXPECT_THAT(open().error().sentence(), HasSubstr("damaged"));
    EXPECT_EQ(content(), text);  // untouched
}

TEST_F(ResumeLogTest, OtherFilesAreLeftAlone) {
    for (const char* text :
         {"precious data\n", "precious data without an end", "repartir-resume 2 x\n"}) {
        set_content(text);
        EXPECT_FALSE(open().has_value()) << text;
        EXPECT_EQ(content(), text);
    }
}

TEST_F(ResumeLogTest, AnotherCommandIsRefusedByName) {
    write({{key(1), false, good}});
    const auto other = ResumeLog::open(path_, ResumeHeader{key(98), "other"});
    ASSERT_FALSE(other.has_value());
    EXPECT_THAT(other.error().sentence(), HasSubstr("another command (cmd {})"));
}

TEST_F(ResumeLogTest, TwoRunsCannotShareOne) {
    const ResumeLog first = open().value();
    const pid_t other = ::fork();
    if (other == 0) {
        const auto second = open();
        const bool refused =
            !second && second.error().sentence().find("in use") != std::string::npos;
        ::_exit(refused ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
}

TEST_F(ResumeLogTest, OnlyRegularFiles) {
    EXPECT_FALSE(ResumeLog::open("/dev/null", header).has_value());
    EXPECT_FALSE(ResumeLog::open("/nonexistent/log", header).has_value());
}

TEST_F(ResumeLogTest, AFullDiskKeepsWholeLinesAndForgetsNothing) {
    const std::string first = format_record({key(1), false, good});
    const std::string second = format_record({key(2), false, bad});
    for (const bool one_fits : {false, true}) {
        ::unlink(path_.c_str());
        ResumeLog log = open().value();
        const std::string header_line = format_header(header);
        rlimit before{};
        ::getrlimit(RLIMIT_FSIZE, &before);
        const auto handler = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit tight{header_line.size() + (one_fits ? first.size() : 0) + 20,
                           before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
        log.append({key(1), false, good});
        log.append({key(2), false, bad});
        const Result<void> failed = log.sync(base::now());
        ::setrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, handler);
        EXPECT_FALSE(failed.has_value());
        EXPECT_EQ(log.unsynced(), one_fits ? 1U : 2U);
        EXPECT_EQ(content(), header_line + (one_fits ? first : ""));
        ASSERT_TRUE(log.sync(base::now()).has_value());
        EXPECT_EQ(log.unsynced(), 0U);
        EXPECT_EQ(content(), header_line + first + second);
    }
}

TEST_F(ResumeLogTest, SyncIsDueOnlyWhenSomethingWaits) {
    ResumeLog log = open().value();
    EXPECT_EQ(log.sync_due(), base::never);
    log.append({key(1), false, good});
    EXPECT_LE(log.sync_due(), base::now() + std::chrono::milliseconds(50));
    ASSERT_TRUE(log.sync(base::now()).has_value());
    EXPECT_EQ(log.sync_due(), base::never);
}

}  // namespace
}  // namespace repartir::cli
