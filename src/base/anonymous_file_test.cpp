// SPDX-License-Identifier: MIT
#include "base/anonymous_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

namespace repartir::base {
namespace {

using ::testing::HasSubstr;

TEST(AnonymousFile, HasNoNameAndIsOurs) {
    char folder[] = "/tmp/repartir-anonymous-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    {
        const auto file = anonymous_file(folder);
        ASSERT_TRUE(file) << file.error().sentence();
        EXPECT_TRUE(std::filesystem::is_empty(folder));
        struct ::stat status{};
        ASSERT_EQ(::fstat(file->get(), &status), 0);
        EXPECT_EQ(status.st_nlink, 0U);
        EXPECT_EQ(status.st_mode & 0777, 0600U);
        EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_EQ(::write(file->get(), "abc", 3), 3);
        const Fd again(::open(path_of_descriptor(file->get()).c_str(), O_RDONLY | O_CLOEXEC));
        char got[4]{};
        EXPECT_EQ(::read(again.get(), got, sizeof got), 3);
        EXPECT_STREQ(got, "abc");
    }
    std::filesystem::remove(folder);
}

// procfs knows no O_TMPFILE and takes no file by name either; the sentence is of the second try.
TEST(AnonymousFile, AFolderThatTakesNoneIsNamed) {
    const auto missing = anonymous_file("/nonexistent/folder");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), Code::not_found);
    EXPECT_THAT(missing.error().sentence(), HasSubstr("/nonexistent/folder"));
    EXPECT_FALSE(anonymous_file("/proc"));
}

// What is set here is put back: other tests of this program read it too.
TEST(TemporaryFolder, IsThatOfTheEnvironmentOrTmp) {
    const char* const before = ::getenv("TMPDIR");
    const std::string saved = before == nullptr ? "" : before;
    ::setenv("TMPDIR", "/some/where", 1);
    EXPECT_EQ(temporary_folder(), "/some/where");
    ::setenv("TMPDIR", "", 1);
    EXPECT_EQ(temporary_folder(), "/tmp");
    ::unsetenv("TMPDIR");
    EXPECT_EQ(temporary_folder(), "/tmp");
    if (before != nullptr) {
        ::setenv("TMPDIR", saved.c_str(), 1);
    }
}

}  // namespace
}  // namespace repartir::base
