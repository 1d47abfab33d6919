// SPDX-License-Identifier: MIT
// Tasks that are to end before they have.
#include <gtest/gtest.h>

#include <chrono>

#include "client/reactor.hpp"
#include "client/reactor_fixture.hpp"
#include "wire/messages.hpp"

namespace repartir::client {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

TEST(ClientCancelTest, CancellingTellsTheWorkerAndWaitsForItsWord) {
    Fixture f(1);
    f.welcome(0, 1);
    for (std::uint32_t i = 0; i < 3; ++i) {
        f.start(i);
    }
    f.out.clear();
    f.reactor.cancel(attempt(2), false, f.now, f.out);
    EXPECT_EQ(f.take<Finished>().at(0).report.ending.end, End::cancelled) << "it waited here";
    f.reactor.cancel(attempt(0), true, f.now, f.out);
    const auto sent = f.take<Send>();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(wire::decode<wire::Cancel>(MessageType::task_cancel, sent[0].body)->force);
    f.result(0, attempt(0), "won");
    EXPECT_EQ(f.take<Finished>().at(0).out.bytes, "won") << "of two the first counts";
    f.reactor.cancel(attempt(0), false, f.now, f.out);
    EXPECT_TRUE(f.out.empty());
}

TEST(ClientCancelTest, CancellingDoesNotWaitForAWorkerThatIsAway) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.out.clear();
    f.reactor.cancel(attempt(1), false, f.now, f.out);
    EXPECT_EQ(f.take<Finished>().size(), 1U);
    f.welcome(0, 2, true);
    f.out.clear();
    f.ids(0, MessageType::task_accepted, {attempt(1)});
    EXPECT_EQ(f.told(MessageType::task_cancel), 1U);
}

TEST(ClientCancelTest, CancellingDoesNotWaitForAWorkerThatGoesAway) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.start(2);
    f.reactor.cancel(attempt(1), false, f.now, f.out);
    EXPECT_TRUE(f.take<Finished>().empty());
    f.reactor.disconnected(0, "reset", f.now, f.out);
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U) << "the other one may still come back";
    EXPECT_EQ(ended[0].attempt, attempt(1));
    EXPECT_EQ(ended[0].report.ending.end, End::cancelled);
}

TEST(ClientCancelTest, ByForceCancellingDoesNotWaitForAWorkerThatIsSuspected) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.pass(2500ms);
    f.reactor.cancel(attempt(1), false, f.now, f.out);
    EXPECT_TRUE(f.take<Finished>().empty()) << "it may only be late";
    f.reactor.cancel(attempt(1), true, f.now, f.out);
    EXPECT_EQ(f.out.size(), 2U) << "told all the same";
    EXPECT_EQ(f.take<Finished>().at(0).report.ending.end, End::cancelled);
}

}  // namespace
}  // namespace repartir::client
