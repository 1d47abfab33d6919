// SPDX-License-Identifier: MIT
#include "proc/pipe.hpp"

#include <gmock/gmock.h>
#include <pthread.h>

#include <csignal>
#include <optional>

#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

using base::BootTime;

// Collects what a reader gives.
class Collector final : public PipeReader::Sink {
  public:
    void on_bytes(PipeReader& reader, std::span<const std::byte> bytes) noexcept override {
        for (const std::byte byte : bytes) {
            text += static_cast<char>(byte);
        }
        ++calls;
        if (close_at_once) {
            reader.close();
        } else if (pause_at_once) {
            reader.pause();
        }
    }
    void on_end(PipeReader& reader, int os_error) noexcept override {
        EXPECT_FALSE(reader.is_open());
        end = os_error;
    }
    std::string text;
    int calls = 0;
    std::optional<int> end;
    bool close_at_once = false;
    bool pause_at_once = false;
};

class Fed final : public PipeWriter::Sink {
  public:
    void on_fed(PipeWriter& writer, int os_error) noexcept override {
        EXPECT_FALSE(writer.is_open());
        result = os_error;
    }
    std::optional<int> result;
};

class PipeTest : public ::testing::Test {
  protected:
    PipeTest() {
        sigset_t pipe_signal;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before_);
        loop_ = std::move(*loop::Loop::create());
    }
    ~PipeTest() override {
        const timespec now{};
        sigset_t pipe_signal;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        ::sigtimedwait(&pipe_signal, nullptr, &now);  // a pending one must not reach the next test
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    Pipe open_reader(PipeReader& reader, PipeReader::Sink& sink) {
        Pipe pipe = std::move(*make_pipe(OurEnd::reader));
        EXPECT_TRUE(reader.open(*loop_, std::move(pipe.reader), buffer_, sink));
        return pipe;
    }
    static void write(const base::Fd& fd, std::string_view text) {
        EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    static std::span<const std::byte> bytes_of(std::string_view text) {
        return std::as_bytes(std::span(text.data(), text.size()));
    }

    sigset_t before_{};
    std::unique_ptr<loop::Loop> loop_;
    std::array<std::byte, 1024> buffer_{};
};

TEST_F(PipeTest, OnlyOurEndDoesNotBlockAndBothAreCloseOnExec) {
    for (const OurEnd ours : {OurEnd::reader, OurEnd::writer, OurEnd::neither}) {
        const auto pipe = make_pipe(ours);
        ASSERT_TRUE(pipe);
        const auto blocks = [](const base::Fd& fd) {
            return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) == 0;
        };
        EXPECT_EQ(blocks(pipe->reader), ours != OurEnd::reader);
        EXPECT_EQ(blocks(pipe->writer), ours != OurEnd::writer);
        EXPECT_EQ(::fcntl(pipe->reader.get(), F_GETFD), FD_CLOEXEC);
        EXPECT_EQ(::fcntl(pipe->writer.get(), F_GETFD), FD_CLOEXEC);
    }
}

TEST_F(PipeTest, ReadsToTheEnd) {
    PipeReader reader;
    Collector sink;
    Pipe pipe = open_reader(reader, sink);
    write(pipe.writer, "hello ");
    loop_->run_once(BootTime(0));
    EXPECT_EQ(sink.text, "hello ");
    write(pipe.writer, std::string(5000, 'x'));
    pipe.writer.reset();
    while (!sink.end) {
        loop_->run_once(base::never);
    }
    EXPECT_EQ(sink.text.size(), 5006U);
    EXPECT_EQ(sink.end, 0);
}

TEST_F(PipeTest, ASinkMayCloseTheReader) {
    PipeReader reader;
    Collector sink;
    sink.close_at_once = true;
    Pipe pipe = open_reader(reader, sink);
    write(pipe.writer, std::string(3000, 'x'));
    loop_->run_once(BootTime(0));
    EXPECT_EQ(sink.calls, 1);
    EXPECT_FALSE(sink.end) << "close is silent";
    EXPECT_EQ(loop_->run_once(BootTime(0)), 0U);
}

TEST_F(PipeTest, PauseLeavesBytesInThePipe) {
    PipeReader reader;
    Collector sink;
    sink.pause_at_once = true;
    Pipe pipe = open_reader(reader, sink);
    write(pipe.writer, std::string(3000, 'x'));
    loop_->run_once(BootTime(0));
    EXPECT_EQ(sink.text.size(), 1024U);
    EXPECT_EQ(loop_->run_once(BootTime(0)), 0U);
    ASSERT_TRUE(reader.resume());
    loop_->run_once(BootTime(0));
    EXPECT_EQ(sink.text.size(), 2048U);
    reader.drain();
    EXPECT_EQ(sink.text.size(), 3000U) << "drain reads in spite of the pause";
    EXPECT_TRUE(reader.is_open()) << "the writer is open";
}

TEST_F(PipeTest, FinishIsAnEnd) {
    PipeReader reader;
    Collector sink;
    const Pipe pipe = open_reader(reader, sink);
    reader.finish();
    EXPECT_EQ(sink.end, 0);
    sink.end.reset();
    reader.finish();
    EXPECT_FALSE(sink.end);
}

TEST_F(PipeTest, FeedsMoreThanThePipeHolds) {
    Pipe pipe = std::move(*make_pipe(OurEnd::writer));
    const std::string text(300'000, 'y');
    PipeWriter writer;
    Fed fed;
    ASSERT_TRUE(writer.open(*loop_, std::move(pipe.writer), bytes_of(text), &fed));
    loop_->run_once(BootTime(0));
    EXPECT_FALSE(fed.result) << "the pipe is full";
    std::string got(text.size() + 1, '\0');
    std::size_t size = 0;
    while (!fed.result || size < text.size()) {
        loop_->run_once(BootTime(0));
        const ssize_t count = ::read(pipe.reader.get(), got.data() + size, got.size() - size);
        ASSERT_GT(count, 0);
        size += static_cast<std::size_t>(count);
    }
    got.resize(size);
    EXPECT_EQ(got, text);
    EXPECT_EQ(fed.result, 0);
    EXPECT_EQ(::read(pipe.reader.get(), got.data(), 1), 0) << "the writer's end is closed";
}

TEST_F(PipeTest, NothingToFeedClosesAtOnce) {
    Pipe pipe = std::move(*make_pipe(OurEnd::writer));
    PipeWriter writer;
    Fed fed;
    ASSERT_TRUE(writer.open(*loop_, std::move(pipe.writer), {}, &fed));
    loop_->run_once(BootTime(0));
    EXPECT_EQ(fed.result, 0);
}

TEST_F(PipeTest, AReaderThatClosesEarlyIsToldAsEpipe) {
    Pipe pipe = std::move(*make_pipe(OurEnd::writer));
    const std::string text(300'000, 'y');
    PipeWriter writer;
    Fed fed;
    ASSERT_TRUE(writer.open(*loop_, std::move(pipe.writer), bytes_of(text), &fed));
    loop_->run_once(BootTime(0));
    pipe.reader.reset();
    loop_->run_once(BootTime(0));
    EXPECT_EQ(fed.result, EPIPE);
}

TEST_F(PipeTest, FeedingWithSigpipeUnblockedIsRefused) {
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_UNBLOCK, &pipe_signal, nullptr);
    Pipe pipe = std::move(*make_pipe(OurEnd::writer));
    PipeWriter writer;
    const auto opened = writer.open(*loop_, std::move(pipe.writer), {}, nullptr);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().sentence(), ::testing::HasSubstr("SIGPIPE is not blocked"));
}

}  // namespace
}  // namespace repartir::proc
