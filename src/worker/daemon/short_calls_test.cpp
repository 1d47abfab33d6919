// SPDX-License-Identifier: MIT
#include "worker/daemon/short_calls.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <semaphore>
#include <string>
#include <thread>

namespace repartir::worker {
namespace {

using Call = ShortCalls::Call;
using Called = ShortCalls::Called;

/// A function that calls what it is told to before its n-th call ends.
class Calls {
  public:
    explicit Calls(std::uint32_t count) {
        function_.call = [this](std::string_view arguments, const std::stop_token&) {
            if (at) {
                at(arguments);
            }
            return Result<detail::RemoteValue>(std::string(arguments));
        };
        for (std::uint32_t i = 0; i < count; ++i) {
            list.push_back(Call{AttemptId(), &function_, std::to_string(i), std::stop_token()});
        }
    }
    std::function<void(std::string_view)> at;
    std::vector<Call> list;

  private:
    Runner::Function function_;
};

std::string told(const std::vector<Called>& called) {
    std::string text;
    for (const Called& one : called) {
        std::string room;
        text += one.value->read(0, one.value->size(), room).bytes;
    }
    return text;
}

std::string left(const std::vector<Call>& calls) {
    std::string text;
    for (const Call& one : calls) {
        text += one.arguments;
    }
    return text;
}

TEST(ShortCalls, AllAreTheMakersWhenNobodyStepsIn) {
    Calls calls(3);
    ShortCalls list;
    std::vector<Called> called;
    list.load(calls.list);
    list.make(called);
    EXPECT_EQ(told(called), "012");
    std::vector<Called> others;
    std::vector<Call> rest;
    list.step_in(others, rest);
    EXPECT_TRUE(others.empty());
    EXPECT_TRUE(rest.empty());
}

TEST(ShortCalls, WhoStepsInHasWhatEndedAndWhatHasNotBegun) {
    Calls calls(5);
    ShortCalls list;
    std::vector<Called> others;
    std::vector<Call> rest;
    calls.at = [&](std::string_view arguments) {
        if (arguments == "2") {
            list.step_in(others, rest);
        }
    };
    std::vector<Called> called;
    list.load(calls.list);
    list.make(called);
    EXPECT_EQ(told(others), "01");
    EXPECT_EQ(told(called), "2");
    EXPECT_EQ(left(rest), "34");
}

TEST(ShortCalls, SomebodyMayStepInAtTheFirstTheLastOrBeforeAny) {
    for (const char* when : {"0", "4"}) {
        Calls calls(5);
        ShortCalls list;
        std::vector<Called> others;
        std::vector<Call> rest;
        calls.at = [&](std::string_view arguments) {
            if (arguments == when) {
                list.step_in(others, rest);
            }
        };
        std::vector<Called> called;
        list.load(calls.list);
        list.make(called);
        EXPECT_EQ(told(others) + told(called) + left(rest), "01234");
        EXPECT_EQ(told(called), when);
    }
    Calls calls(2);
    ShortCalls list;
    std::vector<Called> called;
    std::vector<Called> others;
    std::vector<Call> rest;
    list.load(calls.list);
    list.step_in(others, rest);
    list.make(called);
    EXPECT_TRUE(called.empty());
    EXPECT_EQ(left(rest), "01");
}

TEST(ShortCalls, TwoThreadsHaveEachCallOnce) {
    for (int round = 0; round < 2000; ++round) {
        Calls calls(4);
        ShortCalls list;
        list.load(calls.list);
        std::vector<Called> others;
        std::vector<Call> rest;
        std::binary_semaphore begun(0);
        const int when = round % 4;
        calls.at = [&](std::string_view arguments) {
            if (arguments == std::to_string(when)) {
                begun.release();
            }
        };
        std::thread second([&] {
            begun.acquire();
            list.step_in(others, rest);
        });
        std::vector<Called> called;
        list.make(called);
        second.join();
        ASSERT_EQ(told(others) + told(called) + left(rest), "0123");
    }
}

}  // namespace
}  // namespace repartir::worker
