// SPDX-License-Identifier: MIT
#include "cli/stream_hub.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace repartir::cli {
namespace {

void add(StreamedTask& task, Stream stream, std::string_view text) {
    task.add(stream, std::span(text.data(), text.size()));
}

TEST(StreamHub, OnlyWholeLinesPass) {
    Bell bell;
    StreamHub hub(bell);
    StreamedTask a(hub, "a", true);
    StreamedTask b(hub, "b", true);
    add(a, Stream::out, "on");
    add(b, Stream::out, "x\ny");
    add(a, Stream::out, "e\ntw");
    add(a, Stream::err, "e\n");
    std::string out;
    std::string err;
    hub.take(out, err);
    EXPECT_EQ(out, "b\tx\na\tone\n");
    EXPECT_EQ(err, "a\te\n");
    a.finish();
    b.finish();
    hub.take(out, err);
    EXPECT_EQ(out, "b\tx\na\tone\na\ttw\nb\ty\n");
}

TEST(StreamHub, ALongLastLineThatWasHandedOverInPiecesEndsToo) {
    Bell bell;
    StreamHub hub(bell);
    StreamedTask task(hub, "a", false);
    const std::string piece(StreamHub::line_bytes_max + 1, 'x');
    add(task, Stream::out, piece);
    task.finish();
    task.finish();
    std::string out;
    std::string err;
    hub.take(out, err);
    EXPECT_EQ(out, piece + "\n");
}

TEST(StreamHub, RingsOnceUntilTaken) {
    Bell bell;
    StreamHub hub(bell);
    StreamedTask task(hub, "a", false);
    add(task, Stream::out, "partial");
    EXPECT_EQ(bell.rings(), 0U);
    add(task, Stream::out, "\n");
    add(task, Stream::out, "more\n");
    EXPECT_EQ(bell.rings(), 1U);
}

TEST(StreamHub, WritersWaitPastTheBoundAndNotWhenDiscarding) {
    Bell bell;
    StreamHub hub(bell);
    StreamedTask task(hub, "a", false);
    const std::string line = std::string((1U << 20U) - 1, 'x') + "\n";
    std::thread writer([&] {
        for (int i = 0; i < 40; ++i) {
            add(task, Stream::out, line);
        }
    });
    std::string out;
    std::string err;
    while (out.size() < 20 * line.size()) {
        hub.take(out, err);
        ASSERT_LE(out.size() % (16U << 20U), 16U << 20U);
        std::this_thread::yield();
    }
    hub.discard();
    writer.join();
    EXPECT_EQ(out.size() % line.size(), 0U);
}

TEST(StreamHub, EndlessLinesAreHandedOverInPieces) {
    Bell bell;
    StreamHub hub(bell);
    StreamedTask task(hub, "a", false);
    const std::string piece(300'000, 'x');
    for (int i = 0; i < 5; ++i) {
        add(task, Stream::out, piece);
    }
    std::string out;
    std::string err;
    hub.take(out, err);
    EXPECT_GT(out.size(), StreamHub::line_bytes_max);
}

}  // namespace
}  // namespace repartir::cli
