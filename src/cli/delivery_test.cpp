// SPDX-License-Identifier: MIT
#include "cli/delivery.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.hpp"

namespace repartir::cli {
namespace {

/// Our standard streams lead into pipes while a test runs.
class DeliveryTest : public testing::Test {
  protected:
    DeliveryTest() {
        for (int i = 0; i < 2; ++i) {
            int ends[2];
            EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
            saved_[i] = base::Fd(::fcntl(i + 1, F_DUPFD_CLOEXEC, 3));
            readers_[i] = base::Fd(ends[0]);
            ::dup2(ends[1], i + 1);
            ::close(ends[1]);
        }
        std::string pattern = testing::TempDir() + "delivery-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~DeliveryTest() override {
        for (int i = 0; i < 2; ++i) {
            ::dup2(saved_[i].get(), i + 1);
        }
        ::unlink((folder_ + "/log").c_str());
        ::rmdir(folder_.c_str());
    }
    /// @return what has been printed since the last call.
    std::string printed(int stream) {
        std::string text(1U << 20U, ' ');
        const ssize_t got = ::read(readers_[stream - 1].get(), text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    ResumeLog log() {
        return ResumeLog::open(folder_ + "/log", ResumeHeader{Fingerprint{}, "c"}).value();
    }
    static Done done(std::uint64_t sequence, std::string out, Ending ending = {End::exited, 0}) {
        Outcome outcome;
        outcome.out = Captured(std::move(out));
        outcome.ending = ending;
        return Done{sequence, "label",           {"label"}, {}, {}, {}, Fingerprint{{sequence, 0}},
                    false,    std::move(outcome)};
    }

    base::Fd saved_[2];
    base::Fd readers_[2];
    std::string folder_;
    RunConfig config_;
};

TEST_F(DeliveryTest, PrintsAsTasksEnd) {
    config_.lists.resize(1);
    Delivery delivery(config_, nullptr);
    delivery.accept(done(2, "two\n"));
    delivery.accept(done(1, "one\n", {End::exited, 3}));
    delivery.pump(base::now());
    EXPECT_EQ(printed(1), "two\none\n");
    EXPECT_EQ(printed(2), "repartir: task 1 (label): exited 3\n");
}

TEST_F(DeliveryTest, KeepsTheOrderOverGapsThatWereSkipped) {
    config_.lists.resize(1);
    config_.keep_order = true;
    Delivery delivery(config_, nullptr);
    delivery.accept(done(4, "4"));
    delivery.accept(done(3, "3"));
    delivery.skip(1);
    delivery.pump(base::now());
    EXPECT_EQ(printed(1), "");
    EXPECT_TRUE(delivery.in_window(16'000));
    EXPECT_FALSE(delivery.in_window(17'000));
    delivery.accept(done(2, "2"));
    delivery.pump(base::now());
    EXPECT_EQ(printed(1), "234");
}

TEST_F(DeliveryTest, NotesATaskOnlyOnceItsOutputIsOut) {
    config_.lists.resize(1);
    config_.quiet = true;
    {
        ResumeLog opened = log();
        Delivery delivery(config_, &opened);
        delivery.accept(done(1, "first\n"));
        delivery.accept(done(2, std::string(3U << 20U, 'x')));
        delivery.accept(done(3, "", {End::cancelled, 0}));
        delivery.pump(base::now());
        EXPECT_TRUE(delivery.waiting());
        EXPECT_TRUE(delivery.sync(base::now()));
    }
    ResumeLog opened = log();
    EXPECT_EQ(opened.take(Fingerprint{{1, 0}}, false), (Ending{End::exited, 0}));
    EXPECT_EQ(opened.take(Fingerprint{{2, 0}}, false), std::nullopt);
    EXPECT_EQ(opened.take(Fingerprint{{3, 0}}, false), std::nullopt);
}

TEST_F(DeliveryTest, OutputThatIsNotWholeIsSaidAndNotLogged) {
    {
        ResumeLog opened = log();
        Delivery delivery(config_, &opened);
        Done lossy = done(1, "");
        lossy.result->out = Captured("part\n", 7);
        lossy.result->attempts.emplace_back().notes.emplace_back("the disk is full");
        delivery.accept(std::move(lossy));
        delivery.pump(base::now());
        EXPECT_EQ(printed(1), "part\n");
        EXPECT_EQ(printed(2),
                  "repartir: task 1 (label): counts as failed: 7 bytes of its output could not be "
                  "kept; the disk is full\n");
        EXPECT_TRUE(delivery.sync(base::now()));
    }
    EXPECT_EQ(log().take(Fingerprint{{1, 0}}, false), std::nullopt) << "it runs again";
}

TEST_F(DeliveryTest, OutputThatCannotBeReadBackIsSaidAndNotLogged) {
    config_.json = true;
    {
        ResumeLog opened = log();
        Delivery delivery(config_, &opened);
        Done lost = done(1, "");
        lost.result->out = Captured::in_file("/nonexistent/spill", 5);
        delivery.accept(std::move(lost));
        delivery.accept(done(2, "kept\n"));
        delivery.pump(base::now());
        EXPECT_THAT(printed(2), testing::HasSubstr("task 1 (label): counts as failed"));
        EXPECT_THAT(printed(1), testing::HasSubstr("\"seq\":2"));
        EXPECT_EQ(delivery.unreadable(), 1U);
        EXPECT_TRUE(delivery.sync(base::now()));
    }
    ResumeLog opened = log();
    EXPECT_EQ(opened.take(Fingerprint{{1, 0}}, false), std::nullopt) << "it runs again";
    EXPECT_EQ(opened.take(Fingerprint{{2, 0}}, false), (Ending{End::exited, 0}));
}

TEST_F(DeliveryTest, WithAFolderForOutputsNothingIsPrintedUnasked) {
    config_.lists.resize(1);
    config_.output_dir = "d";
    config_.quiet = true;
    Delivery silent(config_, nullptr);
    silent.accept(done(1, "text\n"));
    silent.pump(base::now());
    EXPECT_EQ(printed(1), "");
    config_.tag = true;
    Delivery asked(config_, nullptr);
    asked.accept(done(1, "text\n"));
    asked.pump(base::now());
    EXPECT_EQ(printed(1), "label\ttext\n");
}

TEST_F(DeliveryTest, TheBarGivesWayToOutput) {
    config_.lists.resize(1);
    Delivery delivery(config_, nullptr);
    delivery.show_bar("[#..]");
    EXPECT_EQ(printed(2), "\r\x1b[K[#..]");
    delivery.say("a line\n");
    delivery.pump(base::now());
    EXPECT_EQ(printed(2), "\r\x1b[Ka line\n");
    delivery.show_bar("");
    EXPECT_EQ(printed(2), "");
}

TEST_F(DeliveryTest, SaysWhenTooMuchWaits) {
    config_.lists.resize(1);
    Delivery delivery(config_, nullptr);
    EXPECT_FALSE(delivery.congested());
    delivery.accept(done(1, std::string(5U << 20U, 'x')));
    delivery.pump(base::now());
    EXPECT_TRUE(delivery.congested());
    while (delivery.waiting()) {
        EXPECT_FALSE(printed(1).empty());
        delivery.pump(base::now());
    }
    EXPECT_FALSE(delivery.congested());
}

}  // namespace
}  // namespace repartir::cli
