// SPDX-License-Identifier: MIT
#include "cli/spill.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace repartir::cli {
namespace {

TEST(Spill, TheFileHasNoNameAndGoesWithItsLastOwner) {
    std::string path;
    {
        SpillFile spill = SpillFile::create().value();
        path = spill.path();
        ASSERT_TRUE(spill.write("some ").has_value());
        ASSERT_TRUE(spill.write("bytes").has_value());
        const Captured captured = spill.take();
        EXPECT_EQ(captured.size(), 10U);
        EXPECT_EQ(captured.read().value(), "some bytes");
        struct ::stat status{};
        ASSERT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_nlink, 0U);
    }
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
    {
        const SpillFile unused = SpillFile::create().value();
        path = unused.path();
    }
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(Spill, PiecesAreTheWhole) {
    SpillFile spill = SpillFile::create().value();
    const std::string text(600'000, 'x');
    ASSERT_TRUE(spill.write(text).has_value());
    std::string seen;
    int pieces = 0;
    ASSERT_TRUE(for_each_piece(spill.take(), [&](std::string_view piece) {
                    seen += piece;
                    ++pieces;
                }).has_value());
    EXPECT_EQ(seen, text);
    EXPECT_GT(pieces, 1);
    seen.clear();
    ASSERT_TRUE(for_each_piece(Captured("in memory"), [&](std::string_view piece) {
                    seen += piece;
                }).has_value());
    EXPECT_EQ(seen, "in memory");
    EXPECT_FALSE(for_each_piece(Captured::in_file("/nonexistent", 1), [](std::string_view) {}));
    EXPECT_FALSE(for_each_piece(Captured::in_file("/dev/null", 1), [](std::string_view) {}))
        << "shorter than it was";
}

TEST(Spill, AFolderThatIsNotThereIsAnError) {
    const char* before = std::getenv("TMPDIR");
    const std::string saved = before == nullptr ? "" : before;
    ::setenv("TMPDIR", "/nonexistent", 1);
    EXPECT_FALSE(SpillFile::create().has_value());
    before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", saved.c_str(), 1);
}

}  // namespace
}  // namespace repartir::cli
