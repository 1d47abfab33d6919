// SPDX-License-Identifier: MIT
#include "wire/messages.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/limits.hpp"

namespace repartir::wire {
namespace {

using namespace std::literals;

const AttemptId some_attempt{{{{1, 2, 3}}, 4}, 5, 6, 7};

/// Every cut of a good body is refused in a sentence; with a later version's field it is read.
template <class T>
void expect_sound(MessageType type, const T& value) {
    std::string body = codec::encode(value);
    for (std::size_t cut = 0; cut < body.size(); ++cut) {
        const auto got = decode<T>(type, std::string_view(body).substr(0, cut));
        ASSERT_FALSE(got) << cut;
        EXPECT_EQ(got.error().code(), Code::malformed);
        EXPECT_NE(got.error().sentence().find(to_string(type)), std::string::npos);
    }
    EXPECT_FALSE(decode<T>(type, body + "x"));
    body += "later";
    body[0] = static_cast<char>(body[0] + 5);
    EXPECT_TRUE(decode<T>(type, body));
}

TEST(MessagesTest, HelloAndWelcome) {
    Hello hello;
    hello.version_max = 3;
    hello.capabilities = capability_lz4;
    hello.role = Role::broker;
    hello.instance = {1, 2};
    hello.session = {3, 4};
    hello.epoch = 5;
    hello.heartbeat = 1s;
    hello.name = "host/1";
    expect_sound(MessageType::hello, hello);
    const std::string body = codec::encode(hello);
    const auto got = decode<Hello>(MessageType::hello, body);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->version_max, 3);
    EXPECT_EQ(got->role, Role::broker);
    EXPECT_EQ(got->session, hello.session);
    EXPECT_EQ(got->heartbeat, 1s);
    EXPECT_EQ(got->name, "host/1");
    EXPECT_LE(body.size(), greeting_bytes_max);

    Welcome welcome;
    const std::vector<std::string_view> names{"add", "mean"};
    std::string functions;
    welcome.functions = codec::list_of(std::span(names), functions);
    welcome.slots = 8;
    expect_sound(MessageType::welcome, welcome);
    const std::string answer = codec::encode(welcome);
    const auto read = decode<Welcome>(MessageType::welcome, answer);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->slots, 8U);
    std::vector<std::string_view> again;
    EXPECT_EQ(read->functions.each([&](std::string_view name) { again.push_back(name); }),
              codec::Problem::none);
    EXPECT_EQ(again, names);
}

TEST(MessagesTest, ListsOfAttempts) {
    const std::vector<AttemptId> ids(3, some_attempt);
    std::string bytes;
    const Attempts attempts{codec::list_of(std::span(ids), bytes)};
    expect_sound(MessageType::task_cancel, Cancel{attempts.ids, true});
    expect_sound(MessageType::task_reclaim, attempts);
    const std::string body = codec::encode(attempts);
    EXPECT_EQ(body.size(), 4 + 4 + 3 * 36U);
    const auto got = decode<Attempts>(MessageType::task_cancel, body);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->ids.size(), 3U);
    EXPECT_EQ(got->ids.each([&](const AttemptId& id) { EXPECT_EQ(id, some_attempt); }),
              codec::Problem::none);
}

TEST(MessagesTest, TheSmallOnes) {
    expect_sound(MessageType::task_output, TaskOutput{some_attempt, Channel::err, 9, "text"});
    expect_sound(MessageType::heartbeat, Heartbeat{1, 2, 3ns, 4, 5, 6, 7});
    const std::vector<std::uint64_t> seen{4, 5};
    std::string list;
    expect_sound(MessageType::credit, Credit{1, 2, 3, codec::list_of(std::span(seen), list)});
    expect_sound(MessageType::drain, Drain{5s, "SIGTERM"});
    expect_sound(MessageType::goodbye, Goodbye{Parting::drained, "bye"});
    expect_sound(MessageType::error,
                 ErrorMessage{some_attempt, {"wire", "malformed", "user", "no", {"why"}}});
}

TEST(MessagesTest, AnErrorKeepsItsPartsAndItsCauses) {
    const Error deep(Domain::io, Code::io_error, Fault::system, "the disk is full");
    const Error error(Domain::process, Code::not_found, Fault::user, "no such program",
                      Error(Domain::io, Code::io_error, Fault::system, "cannot open", deep));
    const Error again = to_error(to_record(error));
    EXPECT_EQ(again.domain(), Domain::process);
    EXPECT_EQ(again.code(), Code::not_found);
    EXPECT_EQ(again.fault(), Fault::user);
    EXPECT_EQ(again.describe(), error.describe());
    EXPECT_EQ(to_record(again), to_record(error));
    for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
        const Error each(Domain::wire, static_cast<Code>(code), Fault::policy, "x");
        EXPECT_EQ(to_error(to_record(each)).code(), each.code());
    }
    for (int domain = 0; domain <= static_cast<int>(Domain::gpu); ++domain) {
        const Error each(static_cast<Domain>(domain), Code::internal, Fault::policy, "x");
        EXPECT_EQ(to_error(to_record(each)).domain(), each.domain());
    }
}

TEST(MessagesTest, AnErrorOfALaterVersionIsInternal) {
    const Error error = to_error({"quantum", "decohered", "nobody", "the cat is dead", {}});
    EXPECT_EQ(error.code(), Code::internal);
    EXPECT_EQ(error.sentence(), "the cat is dead");
}

TEST(MessagesTest, TheHighestCommonVersionIsAgreed) {
    EXPECT_EQ(agree(1, 1, 1, 1), 1);
    EXPECT_EQ(agree(1, 3, 2, 5), 3);
    EXPECT_EQ(agree(2, 5, 1, 3), 3);
    EXPECT_FALSE(agree(2, 3, 5, 4)) << "an empty range";
    for (const auto& got : {agree(2, 3, 4, 5), agree(4, 5, 2, 3)}) {
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().code(), Code::incompatible);
        EXPECT_NE(got.error().sentence().find("2 to 3"), std::string::npos);
        EXPECT_NE(got.error().sentence().find("4 to 5"), std::string::npos);
    }
}

}  // namespace
}  // namespace repartir::wire
