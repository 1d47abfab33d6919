// SPDX-License-Identifier: MIT
// The bytes of each message as released versions of the protocol wrote them. What is here is never
// changed: a later version must still read it, and write it when it speaks to such a peer.
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/framer.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"
#include "wire/task.hpp"

namespace repartir::wire {
namespace {

using namespace std::literals;

const AttemptId attempt{{{{0x11111111, 0x22222222, 0x33333333}}, 4}, 5, 6, 7};

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto value = static_cast<unsigned char>(c);
        text += {digits[value >> 4U], digits[value & 15U]};
    }
    return text;
}

std::string unhex(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        unsigned value = 0;
        std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
        bytes += static_cast<char>(value);
    }
    return bytes;
}

/// Today's bytes are those of then, and those of then are read as the same value.
template <class T>
void expect_golden(const T& value, std::string_view golden) {
    EXPECT_EQ(hex(codec::encode(value)), golden);
    const std::string bytes = unhex(golden);
    T again;
    EXPECT_EQ(codec::decode(bytes, again), codec::Problem::none);
    EXPECT_EQ(hex(codec::encode(again)), golden);
}

TEST(GoldenV1Test, Hello) {
    Hello hello;
    hello.version_min = hello.version_max = 1;
    hello.capabilities = capability_lz4;
    hello.role = Role::broker;
    hello.instance = {1, 2};
    hello.incarnation = 3;
    hello.session = {4, 5};
    hello.epoch = 6;
    hello.heartbeat = 1s;
    hello.time_to_live = 30s;
    hello.output_credit = 1U << 20U;
    hello.name = "node1";
    expect_golden(
        hello,
        "5e00000001000100010000000000000002010000000000000002000000000000000300000000000000040000"
        "000000000005000000000000000600000000000000e803000000000000307500000000000000001000000000"
        "00050000006e6f646531");
}

TEST(GoldenV1Test, Welcome) {
    const std::vector<std::string_view> names{"add", "mean"};
    std::string functions;
    Welcome welcome;
    welcome.version = 1;
    welcome.capabilities = capability_lz4;
    welcome.role = Role::worker;
    welcome.instance = {1, 2};
    welcome.incarnation = 3;
    welcome.session_known = true;
    welcome.heartbeat = 1s;
    welcome.slots = 8;
    welcome.memory_bytes = 1U << 30U;
    welcome.task_credit = 64;
    welcome.input_credit = 1U << 20U;
    welcome.output_credit = 1U << 21U;
    welcome.name = "worker1";
    welcome.functions = codec::list_of(std::span(names), functions);
    expect_golden(
        welcome,
        "6a000000010001000000000000000101000000000000000200000000000000030000000000000001e8030000"
        "00000000080000000000004000000000400000000000100000000000000020000000000007000000776f726b"
        "6572310200000003000000616464040000006d65616e");
}

TEST(GoldenV1Test, Submit) {
    Limits limits;
    limits.cpu_time = 9s;
    const Task task = Task::pipeline(Task::binary("zcat", "a.gz"), Task::binary("sort"))
                          .env("LANG", "C")
                          .cwd("/data")
                          .stdin_bytes("in")
                          .priority(Priority::high)
                          .cores(2)
                          .memory(1U << 20U)
                          .timeout(5s)
                          .kill_grace(1s)
                          .limits(limits)
                          .on_cores({0, 1})
                          .nice(3)
                          .name("sorted")
                          .label("run", "7");
    std::array<std::string, 2> bytes;
    append_task(bytes[0], attempt, task, true);
    append_call(bytes[1], attempt, "mean", "\1\2", 2s, Priority::low);
    const std::vector<std::string_view> views(bytes.begin(), bytes.end());
    std::string list;
    expect_golden(
        TaskSubmit{codec::list_of(std::span(views), list)},
        "6d01000002000000fa000000f600000011111111222222223333333304000000050000000600000000000000"
        "070000000000000000000000010000010200000000001000000000008813000000000000e803000000000000"
        "020000000a0000007a63617400612e677a0001000000040000004c414e47010000004302000000696e060000"
        "00736f727465640176000000010000000100000005000000736f727400050000002f64617461000000000000"
        "00000e0000000109000000000000000000000000020000000000000001000000000103000000000000000000"
        "0000000000000000000000000000010000000300000072756e01000000370000000000000000000000006700"
        "0000630000001111111122222222333333330400000005000000060000000000000007000000000000000102"
        "000001000000010000000000000000000000d007000000000000000000000000000001000000040000006d65"
        "616e000000000200000001020000000000");
}

TEST(GoldenV1Test, ListsOfAttempts) {
    const std::vector<AttemptId> ids(2, attempt);
    std::string bytes;
    const auto list = codec::list_of(std::span(ids), bytes);
    expect_golden(
        Cancel{list, true},
        "4d00000002000000111111112222222233333333040000000500000006000000000000000700000000000000"
        "11111111222222223333333304000000050000000600000000000000070000000000000001");
    expect_golden(
        Attempts{list},
        "4c00000002000000111111112222222233333333040000000500000006000000000000000700000000000000"
        "111111112222222233333333040000000500000006000000000000000700000000000000");
}

TEST(GoldenV1Test, Result) {
    Attempt ran;
    ran.ending = {End::signaled, 9};
    ran.error = Error(Domain::process, Code::io_error, Fault::system, "lost",
                      Error(Domain::io, Code::io_error, Fault::system, "full"));
    ran.stages = {{End::exited, 0}, {End::signaled, 9}};
    ran.wall = 3s;
    ran.user = 2s;
    ran.system = 1s;
    ran.peak_memory = {4096, PeakMemory::Source::cgroup};
    ran.containment = Containment::process_group;
    ran.where = "host/cpu";
    ran.notes = {"a note"};
    TaskResult result;
    result.sequence = 1;
    result.attempt = attempt;
    result.report = to_record(ran, 4s);
    result.out = {100, "tail", 3};
    result.err = {0, "oops", 0};
    result.value = {0, "\7", 0};
    expect_golden(
        result,
        "1201000001000000000000001111111122222222333333330400000005000000060000000000000007000000"
        "0000000091000000010900000001350000000700000070726f6365737308000000696f5f6572726f72060000"
        "0073797374656d040000006c6f7374010000000400000066756c6c020000000000000000010900000000286b"
        "ee00000000005ed0b200000000009435770000000000ca9a3b00000000001000000000000001030800000068"
        "6f73742f637075010000000600000061206e6f7465180000006400000000000000040000007461696c030000"
        "0000000000180000000000000000000000040000006f6f707300000000000000001500000000000000000000"
        "0001000000070000000000000000");
}

TEST(GoldenV1Test, TheSmallOnes) {
    expect_golden(
        TaskOutput{attempt, Channel::err, 9, "text", 13},
        "3d00000011111111222222223333333304000000050000000600000000000000070000000000000001090000"
        "000000000004000000746578740d00000000000000");
    expect_golden(
        Heartbeat{1, 2, 3ns, 4, 5, 6, 7},
        "2c00000001000000000000000200000000000000030000000000000004000000050000000600000007000000"
        "00000000");
    const std::vector<std::uint64_t> seen{4, 5};
    std::string list;
    expect_golden(
        Credit{1, 2, 3, codec::list_of(std::span(seen), list)},
        "2800000001000000020000000000000003000000000000000200000004000000000000000500000000000000");
    expect_golden(Drain{5s, "SIGTERM"}, "130000008813000000000000070000005349475445524d");
    expect_golden(Goodbye{Parting::drained, "bye"}, "080000000103000000627965");
    expect_golden(
        ErrorMessage{attempt, {"wire", "malformed", "user", "no", {"why"}}},
        "560000001111111122222222333333330400000005000000060000000000000007000000000000002e000000"
        "0400000077697265090000006d616c666f726d65640400000075736572020000006e6f010000000300000077"
        "6879");
}

TEST(GoldenV1Test, AFrame) {
    constexpr std::string_view golden =
        "3b0000005250545201000c000000000017000000170000002a0000000000000010196052a7334c1313000000"
        "8813000000000000070000005349475445524d";
    std::string frame;
    append_message(frame, MessageType::drain, 42, Drain{5s, "SIGTERM"}, {1, false});
    EXPECT_EQ(hex(frame), golden);
    Framer framer;
    const std::string bytes = unhex(golden);
    framer.give(bytes);
    const auto message = framer.next();
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->type, MessageType::drain);
    EXPECT_EQ((*message)->correlation, 42U);
    EXPECT_EQ(decode<Drain>(MessageType::drain, (*message)->body)->reason, "SIGTERM");
}

}  // namespace
}  // namespace repartir::wire
