// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/refusal.hpp"

#include <gtest/gtest.h>

namespace repartir::gpu {
namespace {

TEST(Refusal, IsTheAuthorsFault) {
    const Error error = refusal(Code::malformed, "it is wrong");
    EXPECT_EQ(error.domain(), Domain::gpu);
    EXPECT_EQ(error.fault(), Fault::user);
    EXPECT_EQ(error.sentence(), "it is wrong");
}

TEST(Refusal, QuotesWhatPrintsAndNotTooMuch) {
    EXPECT_EQ(shown("a b"), "`a b`");
    EXPECT_EQ(shown("a\n\x1b[1m\xff"), "`a??[1m?`");
    EXPECT_EQ(shown(std::string(100, 'x')), "`" + std::string(64, 'x') + "...`");
}

TEST(Refusal, Bindings) {
    EXPECT_EQ(binding_in_words(1, 2, ""), "binding 2 of set 1");
    EXPECT_EQ(binding_in_words(0, 3, "data"), "binding 3 of set 0 (`data`)");
}

}  // namespace
}  // namespace repartir::gpu
