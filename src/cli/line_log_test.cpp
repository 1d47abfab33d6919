// SPDX-License-Identifier: MIT
#include "cli/line_log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "base/fd.hpp"

namespace repartir::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LineLogTest : public testing::Test {
  protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        reader_ = base::Fd(ends[0]);
        writer_ = base::Fd(ends[1]);
    }
    std::string read_all() {
        std::string text(1UL << 20U, '\0');
        const ssize_t got = ::read(reader_.get(), text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    base::Fd reader_;
    base::Fd writer_;
};

TEST_F(LineLogTest, ALineHasTimeAndLevel) {
    LineLog log(writer_.get());
    log.write(LogLevel::warning, "event=x a=1");
    EXPECT_THAT(read_all(), MatchesRegex("time=20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9]"
                                         "[0-9]:[0-9][0-9]\\.[0-9][0-9][0-9]Z level=warning "
                                         "event=x a=1\n"));
}

TEST_F(LineLogTest, AReaderThatStopsReadingIsToldHowManyItMissed) {
    ASSERT_GT(::fcntl(writer_.get(), F_SETPIPE_SZ, 32768), 0);
    LineLog log(writer_.get());
    const std::string line = "event=" + std::string(1000, 'x');
    for (int i = 0; i < 200; ++i) {
        log.write(LogLevel::info, line);  // would wait for ever
    }
    EXPECT_THAT(read_all(), HasSubstr(line));
    log.write(LogLevel::info, "event=after");
    const std::string after = read_all();
    EXPECT_THAT(after, HasSubstr("event=log-lines-lost count=1"));
    EXPECT_THAT(after, HasSubstr("event=after\n"));
}

TEST_F(LineLogTest, AClosedDescriptorIsBorne) {
    LineLog log(-1);
    EXPECT_NO_FATAL_FAILURE(log.write(LogLevel::info, "event=x"));
}

}  // namespace
}  // namespace repartir::cli
