// SPDX-License-Identifier: MIT
// What flows through a TLS stream, whole, in pieces and damaged; tls_test.cpp says who may.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <poll.h>

#include <algorithm>
#include <random>

#include "net/tls_fixture.hpp"

namespace repartir::net {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using trust::Role;

class TlsStreamTest : public testing::Test {
  protected:
    [[nodiscard]] Ends meet(SocketPair sockets = SocketPair::make()) {
        Ends ends = Ends::make(*client_, *worker_, "localhost", std::move(sockets));
        ends.settle();
        EXPECT_TRUE(ends.client.established && ends.worker.established);
        return ends;
    }

    CertificateFolder folder_;
    std::unique_ptr<TlsContext> client_ =
        folder_.context("client", folder_.authority().issue_for(Role::client));
    std::unique_ptr<TlsContext> worker_ =
        folder_.context("worker", folder_.authority().issue_for(Role::worker, {"localhost"}));
};

/// Writes a text, as far as it goes at a time.
struct Source {
    std::string text;
    std::size_t at = 0;
    std::size_t offered = 0;
    std::mt19937 random;

    explicit Source(std::uint32_t seed, std::size_t bytes) : text(bytes, ' '), random(seed) {
        for (char& c : text) {
            c = static_cast<char>(random());
        }
    }
    /// @return whether anything went
    bool step(Stream& stream) {
        if (at == text.size()) {
            return false;
        }
        // What did not go is there again, and as often as not there is more behind it.
        offered = std::max(offered, std::min(text.size(), at + 1 + random() % 60000));
        const Result<Transfer> went = stream.write(std::string_view(text).substr(at, offered - at));
        EXPECT_TRUE(went) << went.error().sentence();
        const std::size_t bytes = went ? went->bytes : text.size() - at;
        EXPECT_LE(at + bytes, text.size());
        at += bytes;
        return bytes > 0;
    }
};

TEST_F(TlsStreamTest, BothDirectionsFlowThroughTinyBuffers) {
    constexpr std::size_t bytes = 3'000'000;
    Ends ends = meet(SocketPair::make(4608));
    Source up(1, bytes);
    Source down(2, bytes);
    settle({[&] { return up.step(*ends.client.stream); },
            [&] { return down.step(*ends.worker.stream); }, [&] { return ends.worker.step(); },
            [&] { return ends.client.step(); }});
    EXPECT_TRUE(ends.worker.received == up.text) << ends.worker.sentence();
    EXPECT_TRUE(ends.client.received == down.text) << ends.client.sentence();
}

TEST_F(TlsStreamTest, ReadingStopsWhereTheRoomEnds) {
    Ends ends = meet();
    const std::string text(50000, 'x');
    ASSERT_EQ(ends.client.stream->write(text)->bytes, text.size());
    std::array<char, 30000> room{};
    Result<Transfer> got = ends.worker.stream->read(room);
    EXPECT_EQ(got->bytes, room.size());
    EXPECT_EQ(got->wait, Wait::none) << "there is more, which no event will tell of";
    got = ends.worker.stream->read(room);
    EXPECT_EQ(got->bytes, 20000U);
    EXPECT_EQ(got->wait, Wait::readable);
    got = ends.worker.stream->read(room);
    EXPECT_EQ(got->bytes, 0U);
    EXPECT_EQ(got->wait, Wait::readable);
    EXPECT_EQ(ends.worker.stream->write({})->wait, Wait::none) << "nothing goes at once";
}

// The kernel keeps what more is said to follow, 200 ms long: not the last of what there is.
TEST_F(TlsStreamTest, NothingStaysBehindWhereTheSocketWasFull) {
    constexpr std::size_t bytes = 16384 + 100;  // a record, and the last one
    constexpr int soon = 100;                   // ms
    Ends ends = meet(tcp_pair());
    const std::string text(bytes, 'x');
    std::size_t written = 0;
    int full = 0;
    while (full < 3) {
        std::size_t at = 0;
        bool was_full = false;
        while (at < bytes) {
            const Result<Transfer> went =
                ends.client.stream->write(std::string_view(text).substr(at));
            ASSERT_TRUE(went) << went.error().sentence();
            at += went->bytes;
            if (went->wait != Wait::none) {
                was_full = true;
                while (ends.worker.step()) {}
            }
        }
        written += bytes;
        full += was_full ? 1 : 0;
        pollfd more{ends.sockets.two.get(), POLLIN, 0};
        while (was_full && ends.worker.received.size() < written && ::poll(&more, 1, soon) == 1) {
            ends.worker.step();
        }
        ASSERT_TRUE(!was_full || ends.worker.received.size() == written) << full;
    }
}

TEST_F(TlsStreamTest, AnIdleConnectionKeepsLittle) {
    constexpr std::size_t bytes_max = 30 * 1024;
    constexpr std::size_t pairs = 50;
    const auto talk = [&](Ends& ends) {
        const std::string text(100'000, 'x');
        ASSERT_TRUE(ends.client.stream->write(text));
        ends.settle();
        ASSERT_TRUE(ends.worker.stream->write(text));
        ends.settle();
        std::string().swap(ends.client.received);
        std::string().swap(ends.worker.received);
    };
    std::vector<Ends> all;
    all.reserve(pairs + 1);
    all.push_back(meet());  // what only the first one needs
    talk(all.back());
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 0; i < pairs; ++i) {
        all.push_back(meet());
        talk(all.back());
    }
    // Sanitizers count by themselves: there it is 0.
    const std::size_t each = (::mallinfo2().uordblks - before) / (2 * pairs);
    RecordProperty("bytes_each", std::to_string(each));
    EXPECT_LE(each, bytes_max);
    EXPECT_GT(worker_->handshakes().resumed, 0U);
}

TEST_F(TlsStreamTest, AnIdleConnectionOfAWholeHandshakeKeepsLittle) {
    constexpr std::size_t bytes_max = 30 * 1024;
    constexpr std::size_t pairs = 30;
    std::vector<Ends> all;
    all.reserve(pairs + 1);
    const auto meet_newly = [&](std::size_t number) {
        SocketPair sockets = SocketPair::make();
        Ends ends;
        ends.client.stream = std::move(*client_->connect(
            sockets.one.get(), "10.0.0.2:" + std::to_string(number), "localhost"));
        ends.worker.stream = std::move(*worker_->accept(sockets.two.get(), "10.0.0.3:1"));
        ends.sockets = std::move(sockets);
        ends.settle();
        all.push_back(std::move(ends));
    };
    meet_newly(0);
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 1; i <= pairs; ++i) {
        meet_newly(i);
    }
    const std::size_t each = (::mallinfo2().uordblks - before) / (2 * pairs);
    RecordProperty("bytes_each", std::to_string(each));
    EXPECT_LE(each, bytes_max);
    EXPECT_EQ(worker_->handshakes().whole, pairs + 1);
}

TEST_F(TlsStreamTest, OneReadLeavesNoBufferBehind) {
    Ends ends = Ends::make(*client_, *worker_);
    for (int step = 0; step < 10 && !ends.worker.established; ++step) {
        ends.client.step();
        ends.worker.step();
    }
    ASSERT_TRUE(ends.client.established && ends.worker.established);
    const std::string_view text = "a welcome, say";
    ASSERT_TRUE(ends.worker.stream->write(text));
    const std::size_t before = ::mallinfo2().uordblks;
    std::array<char, 4000> room{};
    ASSERT_EQ(ends.client.stream->read(room)->bytes, text.size()) << "behind a ticket";
    EXPECT_LT(::mallinfo2().uordblks, before + 10000) << "as long as nobody asks for more";
}

TEST_F(TlsStreamTest, WhatThePeerSaidBeforeItHungUpIsHeardAlthoughWritingFails) {
    Ends ends = meet();
    ASSERT_TRUE(ends.worker.stream->write("goodbye, since"));
    ends.sockets.two.reset();
    EXPECT_FALSE(ends.client.stream->write("a task"));
    std::array<char, 100> room{};
    const Result<Transfer> heard = ends.client.stream->read(room);
    ASSERT_TRUE(heard) << heard.error().sentence();
    EXPECT_EQ(std::string_view(room.data(), heard->bytes), "goodbye, since");
    EXPECT_FALSE(ends.client.stream->read(room));
    EXPECT_FALSE(ends.client.stream->write("a task"));
}

/// Carries bytes between two sockets and damages one of them.
struct Wire {
    int from;
    int to;
    std::size_t carried = 0;
    std::size_t damaged_at;  // of all that is carried; beyond: nothing is damaged
    std::size_t cut_at;      // nothing goes on from here

    bool step() {
        std::array<char, 20000> piece{};
        const ssize_t got = ::recv(from, piece.data(), piece.size(), 0);
        if (got <= 0) {
            return false;
        }
        const auto bytes = static_cast<std::size_t>(got);
        if (damaged_at >= carried && damaged_at < carried + bytes) {
            piece.at(damaged_at - carried) ^= 0x20;
        }
        const std::size_t rest = carried < cut_at ? std::min(bytes, cut_at - carried) : 0;
        carried += bytes;
        const ssize_t sent = ::send(to, piece.data(), rest, MSG_NOSIGNAL);
        if (rest < bytes) {
            ::shutdown(to, SHUT_WR);
        }
        return sent >= 0;
    }
};

class TlsDamage : public TlsStreamTest {
  protected:
    /// A handshake, a message and its answer through two wires.
    std::pair<End, End> talk_over(std::size_t damaged_up, std::size_t damaged_down,
                                  std::size_t cut_up, std::size_t cut_down) {
        const SocketPair near = SocketPair::make();
        const SocketPair far = SocketPair::make();
        Wire up{near.two.get(), far.one.get(), 0, damaged_up, cut_up};
        Wire down{far.one.get(), near.two.get(), 0, damaged_down, cut_down};
        End client{std::move(*client_->connect(near.one.get(), "w:1", "localhost"))};
        End worker{std::move(*worker_->accept(far.two.get(), "c:1"))};
        bool asked = false;
        bool answered = false;
        settle({[&] { return client.step(); }, [&] { return up.step(); },
                [&] { return worker.step(); }, [&] { return down.step(); },
                [&] {
                    const bool now = client.established && !asked && !client.error;
                    asked = asked || now;
                    return now && client.stream->write("a message").has_value();
                },
                [&] {
                    const bool now = !worker.received.empty() && !answered && !worker.error;
                    answered = answered || now;
                    return now && worker.stream->write("a message").has_value();
                }});
        carried_up_ = up.carried;
        carried_down_ = down.carried;
        // Whoever still waits would be ended by its owner's patience: here by the wire's end.
        ::shutdown(near.two.get(), SHUT_RDWR);
        ::shutdown(far.one.get(), SHUT_RDWR);
        settle({[&] { return client.step(); }, [&] { return worker.step(); }});
        return {std::move(client), std::move(worker)};
    }
    static constexpr std::size_t never = static_cast<std::size_t>(-1);
    std::size_t carried_up_ = 0;
    std::size_t carried_down_ = 0;
};

TEST_F(TlsDamage, AnywhereEndsInAnError) {
    const auto whole = talk_over(never, never, never, never);
    EXPECT_EQ(whole.first.received, "a message");
    EXPECT_EQ(whole.second.received, "a message");
    const std::size_t up = carried_up_;
    const std::size_t down = carried_down_;
    ASSERT_GT(up, 500U);
    constexpr std::size_t stride = 29;
    for (std::size_t at = 0; at < up + down; at += stride) {
        // Sessions make later handshakes shorter: each begins anew.
        client_ = folder_.context("c", folder_.authority().issue_for(Role::client));
        const auto [client, worker] =
            talk_over(at < up ? at : never, at < up ? never : at - up, never, never);
        ASSERT_TRUE(client.error && worker.error) << at;
        // What was damaged is never taken for what was said.
        EXPECT_THAT(client.received, AnyOf("", "a message")) << at;
        EXPECT_THAT(worker.received, AnyOf("", "a message")) << at;
    }
}

TEST_F(TlsDamage, ACutAnywhereEndsInAnError) {
    (void)talk_over(never, never, never, never);
    const std::size_t all = carried_up_ + carried_down_;
    const std::size_t up = carried_up_;
    constexpr std::size_t stride = 47;
    for (std::size_t at = 0; at < all; at += stride) {
        client_ = folder_.context("c", folder_.authority().issue_for(Role::client));
        const auto [client, worker] =
            talk_over(never, never, at < up ? at : never, at < up ? never : at - up);
        ASSERT_TRUE(client.error && worker.error) << at;
        EXPECT_EQ(client.error->fault(), Fault::node) << client.sentence();
        EXPECT_EQ(worker.error->fault(), Fault::node) << worker.sentence();
    }
}

TEST_F(TlsStreamTest, GarbageEndsInAnErrorWhereverItComes) {
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
        const SocketPair sockets = SocketPair::make();
        const bool accepting = round % 2 == 0;
        End ours{accepting ? std::move(*worker_->accept(sockets.one.get(), "x:1"))
                           : std::move(*client_->connect(sockets.one.get(), "x:1", "localhost"))};
        (void)ours.step();
        std::string garbage("\x16\x03\x03", 3);
        garbage.resize(3 + random() % 3000);
        for (std::size_t i = 3; i < garbage.size(); ++i) {
            garbage[i] = static_cast<char>(random());
        }
        if (garbage.size() > 9 && round % 3 != 0) {  // of a length that fits
            garbage[3] = static_cast<char>((garbage.size() - 5) >> 8U);
            garbage[4] = static_cast<char>(garbage.size() - 5);
            garbage[5] = accepting ? '\x01' : '\x02';
        }
        ASSERT_GT(::send(sockets.two.get(), garbage.data(), garbage.size(), 0), 0);
        settle({[&] { return ours.step(); }});
        ::shutdown(sockets.two.get(), SHUT_WR);
        settle({[&] { return ours.step(); }});
        ASSERT_TRUE(ours.error) << round;
        EXPECT_THAT(ours.sentence(), HasSubstr("x:1"));
    }
}

}  // namespace
}  // namespace repartir::net
