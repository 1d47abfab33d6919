// SPDX-License-Identifier: MIT
#include "net/send_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "repartir/codec.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"

namespace repartir::net {
namespace {

using wire::MessageType;

/// Takes what is queued as a socket would, in gulps, and reads it as the peer would.
class Reader {
  public:
    explicit Reader(SendQueue& queue, bool compression = false) : queue_(queue) {
        framer_.admit(wire::version_max, compression);
    }
    /// @return the correlation ids of messages that are whole after these bytes
    std::vector<std::uint64_t> take(std::size_t most = ~std::size_t{0}) {
        std::vector<std::uint64_t> whole;
        while (most != 0) {
            const std::string bytes(queue_.next().substr(0, most));
            if (bytes.empty()) {
                break;
            }
            queue_.sent(bytes.size());
            most -= bytes.size();
            framer_.give(bytes);
            while (true) {
                const auto next = framer_.next();
                EXPECT_TRUE(next) << wire::sentence(next ? wire::FrameFault::tls : next.error());
                if (!next || !*next) {
                    break;
                }
                whole.push_back((*next)->correlation);
                bodies[(*next)->correlation] = (*next)->body;
            }
        }
        return whole;
    }
    std::map<std::uint64_t, std::string> bodies;

  private:
    SendQueue& queue_;
    wire::Framer framer_;
};

AttemptId attempt(std::uint64_t epoch) { return {{{{7, 7, 7}}, 1}, 1, 99, epoch}; }

std::string output(std::uint64_t epoch, std::size_t bytes) {
    wire::TaskOutput message;
    const std::string text(bytes, 'o');
    message.attempt = attempt(epoch);
    message.bytes = text;
    return codec::encode(message);
}

std::string result(std::uint64_t epoch, std::size_t bytes = 0) {
    wire::TaskResult message;
    const std::string text(bytes, 'r');
    message.attempt = attempt(epoch);
    message.out.bytes = text;
    return codec::encode(message);
}

TEST(SendQueueTest, ShortMessagesGoInOrder) {
    SendQueue queue;
    Reader reader(queue);
    for (std::uint64_t i = 1; i <= 5; ++i) {
        queue.push(MessageType::heartbeat, i, "x");
    }
    EXPECT_EQ(queue.bytes(), 5 * (wire::header_bytes + 1));
    EXPECT_EQ(queue.next().size(), queue.bytes()) << "one system call for all of them";
    EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_TRUE(queue.empty());
}

TEST(SendQueueTest, AShortMessageWaitsForOneBatchOfALongOneAtMost) {
    SendQueue queue;
    Reader reader(queue);
    const std::string body(10UL << 20U, 'x');
    queue.push(MessageType::task_submit, 1, std::string(body));
    EXPECT_TRUE(reader.take(1000).empty());
    queue.push(MessageType::credit, 2, "x");
    EXPECT_EQ(reader.take(SendQueue::batch_bytes + 2 * wire::frame_body_bytes_max),
              (std::vector<std::uint64_t>{2}));
    EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(reader.bodies[1], body);
    EXPECT_TRUE(queue.empty());
}

TEST(SendQueueTest, LongMessagesTakeTurnsAndNeverMoreThanTheOtherEndTakes) {
    SendQueue queue;
    Reader reader(queue);
    for (std::uint64_t i = 1; i <= 200; ++i) {
        queue.push(MessageType::task_result, i, result(i, i == 1 ? 4U << 20U : 150'000));
    }
    std::vector<std::uint64_t> order = reader.take();
    ASSERT_EQ(order.size(), 200U);
    EXPECT_NE(order.front(), 1U);  // the longest one, though first, held up nobody
    EXPECT_TRUE(queue.empty());
}

TEST(SendQueueTest, MessagesOfTheLargestSizeFitTheOtherEndsLimits) {
    SendQueue queue;
    Reader reader(queue);
    for (std::uint64_t i = 1; i <= 4; ++i) {
        queue.push(MessageType::task_result, i, result(i, wire::message_bytes_max - 1000));
    }
    EXPECT_EQ(reader.take().size(), 4U);
}

TEST(SendQueueTest, AResultFollowsTheOutputOfItsAttempt) {
    SendQueue queue;
    Reader reader(queue);
    queue.push(MessageType::task_output, 1, output(5, 60'000));
    queue.push(MessageType::task_output, 2, output(5, 60'000));
    queue.push(MessageType::task_output, 3, output(5, 60'000));
    queue.push(MessageType::task_result, 4, result(5));
    queue.push(MessageType::task_result, 5, result(6));
    EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{5, 1, 2, 3, 4}));
}

TEST(SendQueueTest, WhatEndsATaskFollowsTheTask) {
    SendQueue queue;
    Reader reader(queue);
    queue.push(MessageType::task_submit, 1, std::string(1U << 20U, 'x'));
    queue.push(MessageType::task_cancel, 2, "x");
    queue.push(MessageType::task_reclaim, 3, "x");
    queue.push(MessageType::task_submit, 4, "short");
    queue.push(MessageType::credit, 5, "x");
    EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{5, 1, 2, 3, 4}));
    queue.push(MessageType::task_cancel, 6, "x");
    EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{6}));
}

TEST(SendQueueTest, AWelcomeIsNotCompressedWhichItIsTheFirstToSpeakOf) {
    SendQueue queue;
    queue.set({wire::version_max, true});
    queue.push(MessageType::welcome, 1, std::string(wire::welcome_bytes_max, 'w'));
    wire::Framer framer;
    framer.dialled();
    const std::string bytes(queue.next());
    framer.give(bytes);
    const auto welcome = framer.next();
    ASSERT_TRUE(welcome && *welcome);
    EXPECT_EQ((*welcome)->body.size(), wire::welcome_bytes_max);
}

TEST(SendQueueTest, GoodbyeIsTheLast) {
    SendQueue queue;
    Reader reader(queue);
    queue.push(MessageType::task_output, 1, output(5, 60'000));
    queue.push(MessageType::goodbye, 2, "x");
    queue.push(MessageType::task_output, 3, output(6, 60'000));
    queue.push(MessageType::heartbeat, 4, "x");
    const std::vector<std::uint64_t> order = reader.take();
    ASSERT_EQ(order.size(), 4U);
    EXPECT_EQ(order.front(), 4U);
    EXPECT_EQ(order.back(), 2U);
}

std::string noise(std::size_t bytes, unsigned seed) {
    std::string text(bytes, '\0');
    for (char& one : text) {
        seed = seed * 1'664'525U + 1'013'904'223U;
        one = static_cast<char>(seed >> 24U);
    }
    return text;
}

// What does not compress is sent as it is after some vain tries, and what does soon is compressed.
TEST(SendQueueTest, VainCompressionIsGivenUpAndTriedAgain) {
    SendQueue queue;
    queue.set({wire::version_max, true});
    const auto bytes_of = [&](std::string body) {
        queue.push(MessageType::task_submit, 1, std::move(body));
        std::size_t sent = 0;
        while (!queue.empty()) {
            const std::size_t some = queue.next().size();
            queue.sent(some);
            sent += some;
        }
        return sent;
    };
    const std::string text(4096, 'x');
    EXPECT_LT(bytes_of(text), 200U);
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_GE(bytes_of(noise(4096, i)), 4096U);
    }
    EXPECT_GE(bytes_of(text), 4096U) << "it is not tried";
    EXPECT_LT(bytes_of("short"), 100U);
    unsigned until = 0;
    while (bytes_of(text) >= 4096 && until < 200) {
        ++until;
    }
    EXPECT_LE(until, 60U);
    EXPECT_LT(bytes_of(text), 200U) << "and goes on";
    EXPECT_GE(bytes_of(noise(4096, 9)), 4096U);
    EXPECT_LT(bytes_of(text), 200U) << "one is not a row";
}

TEST(SendQueue, WhatIsLentComesInItsPlace) {
    const auto text = std::make_shared<const std::string>(wire::output_piece_bytes_max, 'l');
    wire::TaskOutput whole{attempt(1), wire::Channel::value, 5, *text, 99'999};
    wire::TaskOutput without = whole;
    without.bytes = {};
    for (const bool compress : {false, true}) {
        SendQueue queue;
        queue.set({wire::version_max, compress});
        std::string body = codec::encode(without);
        const std::size_t at = body.size() - sizeof whole.total;
        const long before = text.use_count();
        queue.push(MessageType::task_output, 1, std::move(body), {*text, at, text});
        queue.push(MessageType::task_output, 2, output(1, 10));
        EXPECT_GT(queue.bytes(), text->size());
        EXPECT_EQ(text.use_count(), before + 1);
        Reader reader(queue, compress);
        EXPECT_EQ(reader.take(), (std::vector<std::uint64_t>{1, 2}));
        EXPECT_EQ(reader.bodies[1], codec::encode(whole));
        EXPECT_EQ(queue.bytes(), 0U);
        EXPECT_EQ(text.use_count(), before) << "what is framed is given back";
    }
}

}  // namespace
}  // namespace repartir::net
