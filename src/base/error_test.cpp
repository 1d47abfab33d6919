// SPDX-License-Identifier: MIT
#include "repartir/error.hpp"

#include <gtest/gtest.h>

#include "repartir/result.hpp"

namespace repartir {
namespace {

TEST(Error, KeepsWhatItWasGiven) {
    const Error error(Domain::process, Code::not_found, Fault::user, "no such program: ./x");
    EXPECT_EQ(error.domain(), Domain::process);
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_EQ(error.fault(), Fault::user);
    EXPECT_EQ(error.sentence(), "no such program: ./x");
    EXPECT_EQ(error.cause(), nullptr);
    EXPECT_FALSE(error.retryable());
}

TEST(Error, DescribesItsChainOutermostFirst) {
    const Error inner(Domain::io, Code::io_error, Fault::system, "disk is full");
    const Error outer(Domain::task, Code::io_error, Fault::system, "cannot spill output", inner);
    EXPECT_EQ(outer.describe(), "cannot spill output: disk is full");
    ASSERT_NE(outer.cause(), nullptr);
    EXPECT_EQ(outer.cause()->sentence(), "disk is full");
}

TEST(Error, SystemAndNodeFaultsAndFullQueuesAreRetryable) {
    const auto retryable = [](Code code, Fault fault) {
        return Error(Domain::task, code, fault, "x").retryable();
    };
    EXPECT_TRUE(retryable(Code::out_of_resources, Fault::system));
    EXPECT_TRUE(retryable(Code::internal, Fault::node));
    EXPECT_TRUE(retryable(Code::queue_full, Fault::user));
    EXPECT_FALSE(retryable(Code::function_threw, Fault::task));
    EXPECT_FALSE(retryable(Code::shut_down, Fault::policy));
}

TEST(Error, EveryEnumeratorHasItsOwnName) {
    for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
        EXPECT_NE(to_string(static_cast<Code>(code)), "unknown") << code;
    }
    for (int fault = 0; fault <= static_cast<int>(Fault::system); ++fault) {
        EXPECT_NE(to_string(static_cast<Fault>(fault)), "unknown") << fault;
    }
    for (int domain = 0; domain <= static_cast<int>(Domain::gpu); ++domain) {
        EXPECT_NE(to_string(static_cast<Domain>(domain)), "unknown") << domain;
    }
}

TEST(Result, FailMakesTheErrorBranch) {
    const Result<int> result = fail(Error(Domain::task, Code::internal, Fault::node, "broken"));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code(), Code::internal);
}

TEST(Error, ValuesThatDoNotExistHaveWordsToo) {
    EXPECT_EQ(to_string(static_cast<Code>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<Fault>(250)), "unknown");
    EXPECT_EQ(to_string(static_cast<Domain>(250)), "unknown");
}

}  // namespace
}  // namespace repartir
