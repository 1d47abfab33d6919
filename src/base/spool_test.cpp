// SPDX-License-Identifier: MIT
#include "base/spool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

namespace repartir::base {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(SpoolTest, IsReadWhereverItLies) {
    Spool spool({10, 1000}, "/tmp", "stdout");
    EXPECT_TRUE(spool.append(std::string("12345")));
    EXPECT_EQ(spool.read(2, 100), "345");
    EXPECT_EQ(spool.read(5, 100), "");
    EXPECT_TRUE(spool.append(std::string("67890abc")));  // into the file
    EXPECT_EQ(spool.size(), 13U);
    EXPECT_EQ(spool.read(0, 100), "1234567890abc");
    EXPECT_EQ(spool.read(8, 3), "90a");
    EXPECT_EQ(spool.lost(), 0U);
}

TEST(SpoolTest, BeginsAnewAndIsTakenWhereverItLies) {
    Spool spool({4, 100}, "/tmp", "stdout");
    EXPECT_TRUE(spool.append(std::string("123456")));
    spool.restart();
    EXPECT_EQ(spool.size(), 0U);
    EXPECT_TRUE(spool.append(std::string("abc")));
    EXPECT_EQ(spool.take().bytes(), "abc");
    EXPECT_TRUE(spool.append(std::string("abcdef")));
    const Captured taken = spool.take();
    EXPECT_FALSE(taken.in_memory());
    EXPECT_EQ(taken.read().value(), "abcdef");
    EXPECT_EQ(spool.size(), 0U);
}

TEST(SpoolTest, IsReadWhileItGrows) {
    Spool spool({1000, 1U << 20U}, "/tmp", "stdout");
    std::thread writer([&] {
        for (int i = 0; i < 2000; ++i) {
            spool.append(std::string(100, static_cast<char>('a' + i % 26)));
        }
    });
    std::uint64_t at = 0;
    while (at < 200'000) {
        for (const char c : spool.read(at, 4096)) {
            ASSERT_EQ(c, static_cast<char>('a' + at / 100 % 26));
            ++at;
        }
    }
    writer.join();
}

class SpoolFileTest : public ::testing::Test {
  protected:
    SpoolFileTest() {
        char name[] = "/tmp/repartir-spool-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~SpoolFileTest() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] bool nothing_there() const { return std::filesystem::is_empty(folder_); }

    std::string folder_;
    Spool spool_;
};

constexpr SpoolLimits at_most(std::uint64_t memory_bytes, std::uint64_t bytes_max = 1U << 30U) {
    return {memory_bytes, bytes_max};
}

/// Lowers the file size limit of this process, so that writing fails as on a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(::rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        old_ = ::signal(SIGXFSZ, SIG_IGN);
        const ::rlimit lower{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &lower);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, old_);
    }

  private:
    ::rlimit before_{};
    ::sighandler_t old_;
};

TEST_F(SpoolFileTest, KeepsUpToTheLimitInMemoryAndSpillsTheByteBeyond) {
    for (const std::size_t size : {0U, 1U, 99U, 100U, 101U, 5000U}) {
        spool_.begin(at_most(100), folder_, "stdout");
        const std::string bytes(size, 'b');
        EXPECT_TRUE(spool_.append(bytes));
        EXPECT_FALSE(spool_.loss().has_value());
        const Captured taken = spool_.take();
        EXPECT_EQ(taken.in_memory(), size <= 100) << size;
        EXPECT_EQ(taken.size(), size);
        EXPECT_EQ(taken.read().value(), bytes);
        EXPECT_TRUE(nothing_there()) << "a spill file has no name that a kill -9 could leave";
    }
}

TEST_F(SpoolFileTest, ManyPiecesAreJoinedInOrder) {
    spool_.begin(at_most(1000), folder_, "stdout");
    std::string all;
    for (int i = 0; i < 400; ++i) {
        const std::string piece = std::to_string(i) + '\0';
        EXPECT_TRUE(spool_.append(piece));
        all += piece;
    }
    const Captured taken = spool_.take();
    EXPECT_FALSE(taken.in_memory());
    EXPECT_TRUE(taken.read().value() == all);
}

TEST_F(SpoolFileTest, ALimitOfNothingSpillsEverything) {
    spool_.begin(at_most(0), folder_, "stderr");
    EXPECT_TRUE(spool_.append(std::string("x")));
    const Captured taken = spool_.take();
    EXPECT_THAT(taken.path(), HasSubstr("/proc/self/fd/"));
    struct ::stat status{};
    ASSERT_EQ(::stat(taken.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << "nobody else reads it";
}

TEST_F(SpoolFileTest, RestartGivesTheDescriptorBack) {
    const auto open_files = [] {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator("/proc/self/fd")) {
            ++count;
        }
        return count;
    };
    const std::size_t before = open_files();
    spool_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(spool_.append(std::string("four")));
    EXPECT_EQ(open_files(), before + 1);
    spool_.restart();
    EXPECT_EQ(open_files(), before);
    spool_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(spool_.append(std::string("four")));
    {
        const Captured taken = spool_.take();
        const Captured copy = taken;
        EXPECT_EQ(open_files(), before + 1) << "the copies share it";
    }
    EXPECT_EQ(open_files(), before);
}

TEST_F(SpoolFileTest, PastTheCeilingTheRestIsLostAndNamed) {
    for (const std::uint64_t memory : {std::uint64_t{4}, std::uint64_t{1000}}) {
        spool_.begin(at_most(memory, 10), folder_, "stderr");
        EXPECT_TRUE(spool_.append(std::string("01234567")));
        EXPECT_TRUE(spool_.append(std::string("89")));
        EXPECT_FALSE(spool_.append(std::string("a")));
        EXPECT_FALSE(spool_.append(std::string("bcd")));
        const auto loss = spool_.loss();
        ASSERT_TRUE(loss.has_value());
        EXPECT_EQ(loss->code(), Code::too_large);
        EXPECT_EQ(loss->fault(), Fault::task);
        EXPECT_THAT(loss->sentence(), HasSubstr("stderr is incomplete: the first 10 bytes are "
                                                "kept, 4 are lost; its output limit is 10 bytes"));
        const Captured taken = spool_.take();
        EXPECT_EQ(taken.in_memory(), memory == 1000);
        EXPECT_EQ(taken.lost(), 4U);
        std::string kept(20, '\0');
        EXPECT_EQ(taken.read_at(0, kept).value(), 10U);
        EXPECT_EQ(kept.substr(0, 10), "0123456789");
    }
}

TEST_F(SpoolFileTest, APieceThatStraddlesTheCeilingIsCut) {
    spool_.begin(at_most(2, 5), folder_, "stdout");
    EXPECT_FALSE(spool_.append(std::string("0123456789")));
    const Captured taken = spool_.take();
    EXPECT_EQ(taken.size(), 5U);
    EXPECT_EQ(taken.lost(), 5U);
}

TEST_F(SpoolFileTest, WithoutAFolderMemoryIsKeptAndTheLossIsNamed) {
    spool_.begin(at_most(4), folder_ + "/missing", "stdout");
    EXPECT_TRUE(spool_.append(std::string("four")));
    EXPECT_FALSE(spool_.append(std::string("more")));
    EXPECT_FALSE(spool_.append(std::string("!")));
    const std::string loss = spool_.loss().value().sentence();
    EXPECT_THAT(loss, HasSubstr("stdout is incomplete: the first 4 bytes are kept, 5 are lost"));
    EXPECT_THAT(loss, HasSubstr("No such file"));
    const Captured taken = spool_.take();
    EXPECT_EQ(taken.bytes(), "four");
    EXPECT_EQ(taken.lost(), 5U);
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
}

TEST_F(SpoolFileTest, ADiskThatFillsUpKeepsWhatWasWritten) {
    spool_.begin(at_most(4), folder_, "stdout");
    {
        const FileSizeLimit full(10);
        EXPECT_TRUE(spool_.append(std::string("0123")));
        EXPECT_TRUE(spool_.append(std::string("456")));
        EXPECT_FALSE(spool_.append(std::string("789abc")));
        EXPECT_FALSE(spool_.append(std::string("def")));
    }
    EXPECT_THAT(spool_.loss().value().sentence(),
                HasSubstr("the first 10 bytes are kept, 6 are lost; cannot write its spill file"));
    const Captured taken = spool_.take();
    EXPECT_EQ(taken.size(), 10U);
    EXPECT_EQ(taken.lost(), 6U);
    EXPECT_FALSE(taken.complete());
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
}

TEST_F(SpoolFileTest, AShortageOfDescriptorsNamesTheirLimit) {
    spool_.begin(at_most(4), folder_, "stdout");
    ::rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const ::rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_FALSE(spool_.append(std::string("01234")));
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_THAT(spool_.loss().value().sentence(),
                EndsWith(folder_ + ": Too many open files; raise the limit (ulimit -n)"));
}

TEST_F(SpoolFileTest, ADiskWithoutRoomForMemoryKeepsMemory) {
    spool_.begin(at_most(8), folder_, "stdout");
    {
        const FileSizeLimit full(3);
        EXPECT_TRUE(spool_.append(std::string("01234567")));
        EXPECT_FALSE(spool_.append(std::string("89")));
    }
    EXPECT_THAT(spool_.loss().value().sentence(),
                HasSubstr("the first 8 bytes are kept, 2 are lost"));
    EXPECT_EQ(spool_.take().bytes(), "01234567");
}

TEST_F(SpoolFileTest, IsReusable) {
    spool_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(spool_.append(std::string("spilled")));
    EXPECT_FALSE(spool_.take().in_memory());
    spool_.begin(at_most(100, 2), folder_, "stdout");
    EXPECT_FALSE(spool_.append(std::string("kept")));
    spool_.begin(at_most(100), folder_, "stdout");
    EXPECT_TRUE(spool_.append(std::string("kept")));
    EXPECT_FALSE(spool_.loss().has_value());
    EXPECT_EQ(spool_.take().bytes(), "kept");
}

}  // namespace
}  // namespace repartir::base
