// SPDX-License-Identifier: MIT
#include "cli/sink.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "cli/spill.hpp"

namespace repartir::cli {
namespace {

struct Pipe {
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read = base::Fd(ends[0]);
        write = base::Fd(ends[1]);
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    /// Reads what is there, `max` bytes at most.
    std::string take(std::size_t max) const {
        std::string text(max, '\0');
        const ssize_t got = ::read(read.get(), text.data(), max);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    base::Fd read;
    base::Fd write;
};

TEST(Sink, ASlowReaderNeverBlocksUs) {
    const Pipe pipe;
    Sink sink(pipe.write.get());
    const std::string text(1U << 20U, 'x');
    sink.write(text);
    sink.pump();
    EXPECT_TRUE(sink.waiting());
    EXPECT_GT(sink.done(), 0U);
    std::string got;
    while (sink.waiting()) {
        got += pipe.take(1U << 16U);
        sink.pump();
    }
    got += pipe.take(1U << 20U);
    EXPECT_EQ(got, text);
    EXPECT_EQ(sink.done(), sink.queued());
    EXPECT_EQ(sink.memory_bytes(), 0U);
    EXPECT_EQ(::fcntl(pipe.write.get(), F_GETFL) & O_NONBLOCK, 0);  // the pipe itself is untouched
}

TEST(Sink, SocketsAndFilesWorkToo) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const base::Fd near(ends[0]);
    const base::Fd far(ends[1]);
    Sink sink(near.get());
    sink.write("hello");
    sink.pump();
    char buffer[8];
    EXPECT_EQ(::read(far.get(), buffer, sizeof buffer), 5);
    SpillFile file = SpillFile::create().value();
    const base::Fd fd(::open(file.path().c_str(), O_WRONLY | O_CLOEXEC));
    Sink to_file(fd.get());
    to_file.write("in a file");
    to_file.pump();
    EXPECT_FALSE(to_file.waiting());
}

TEST(Sink, SpilledOutputKeepsItsPlaceAndGoesWhenRead) {
    const Pipe pipe;
    Sink sink(pipe.write.get());
    std::string path;
    {
        SpillFile spill = SpillFile::create().value();
        path = spill.path();
        ASSERT_TRUE(spill.write(std::string(100'000, 's')).has_value());
        sink.write("before,");
        sink.write(spill.take());
        sink.write(",after");
    }
    EXPECT_LT(sink.memory_bytes(), 100U);
    std::string got;
    while (sink.waiting()) {
        sink.pump();
        got += pipe.take(1U << 16U);
    }
    got += pipe.take(1U << 16U);
    EXPECT_EQ(got, "before," + std::string(100'000, 's') + ",after");
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(Sink, ErrorsAreKeptAndTheRestIsDropped) {
    const auto handler = std::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    Sink sink(pipe.write.get());
    pipe.read.reset();
    sink.write("lost");
    sink.pump();
    EXPECT_EQ(sink.error(), EPIPE);
    sink.write("more");
    EXPECT_FALSE(sink.waiting());
    EXPECT_EQ(sink.done(), 0U);
    std::signal(SIGPIPE, handler);
    const base::Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    Sink to_full(full.get());
    to_full.write("x");
    to_full.pump();
    EXPECT_EQ(to_full.error(), ENOSPC);
    Sink closed(-1);
    closed.write("x");
    EXPECT_EQ(closed.error(), EBADF);
    EXPECT_FALSE(closed.waiting());
}

TEST(Sink, KnowsWhetherTwoLeadToOnePlace) {
    const Pipe one;
    const Pipe two;
    const base::Fd copy(::dup(one.write.get()));
    EXPECT_TRUE(Sink(one.write.get()).same_target(Sink(copy.get())));
    EXPECT_FALSE(Sink(one.write.get()).same_target(Sink(two.write.get())));
    EXPECT_FALSE(Sink(-1).same_target(Sink(-1)));
}

}  // namespace
}  // namespace repartir::cli
