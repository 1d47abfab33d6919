// SPDX-License-Identifier: MIT
#include "cli/signals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// Puts the thread's mask and SIGHUP's disposition back.
class SignalsTest : public testing::Test {
  protected:
    SignalsTest() { ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_); }
    ~SignalsTest() override { ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr); }
    sigset_t mask_{};
};

TEST_F(SignalsTest, AreReadInsteadOfDelivered) {
    Signals signals = Signals::create(false).value();
    EXPECT_THAT(signals.take(), IsEmpty());
    ::raise(SIGINT);
    ::raise(SIGTERM);
    EXPECT_THAT(signals.take(), UnorderedElementsAre(SIGINT, SIGTERM));
    EXPECT_THAT(signals.take(), IsEmpty());
}

TEST_F(SignalsTest, JobControlOnlyWhenAsked) {
    {
        Signals signals = Signals::create(true).value();
        ::raise(SIGTSTP);
        EXPECT_THAT(signals.take(), ElementsAre(SIGTSTP));
    }
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    Signals signals = Signals::create(false).value();
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_FALSE(sigismember(&blocked, SIGTSTP));
    EXPECT_TRUE(sigismember(&blocked, SIGPIPE));
}

TEST_F(SignalsTest, WhatIsIgnoredStaysIgnored) {
    const auto before = std::signal(SIGHUP, SIG_IGN);
    Signals signals = Signals::create(false).value();
    ::raise(SIGHUP);
    EXPECT_THAT(signals.take(), IsEmpty());
    std::signal(SIGHUP, before);
}

}  // namespace
}  // namespace repartir::cli
