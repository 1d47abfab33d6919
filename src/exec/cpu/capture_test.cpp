// SPDX-License-Identifier: MIT
#include "exec/cpu/capture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

namespace repartir::exec {
namespace {

using ::testing::HasSubstr;

class CaptureTest : public ::testing::Test {
  protected:
    CaptureTest() {
        char name[] = "/tmp/repartir-capture-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~CaptureTest() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] bool nothing_there() const { return std::filesystem::is_empty(folder_); }

    std::string folder_;
    Capture capture_;
};

constexpr CaptureLimits at_most(std::uint64_t memory_bytes, std::uint64_t bytes_max = 1U << 30U) {
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

TEST_F(CaptureTest, KeepsUpToTheLimitInMemoryAndSpillsTheByteBeyond) {
    for (const std::size_t size : {0U, 1U, 99U, 100U, 101U, 5000U}) {
        capture_.begin(at_most(100), folder_, "stdout");
        const std::string bytes(size, 'b');
        EXPECT_TRUE(capture_.append(bytes));
        EXPECT_FALSE(capture_.loss().has_value());
        const Captured taken = capture_.take();
        EXPECT_EQ(taken.in_memory(), size <= 100) << size;
        EXPECT_EQ(taken.size(), size);
        EXPECT_EQ(taken.read().value(), bytes);
        EXPECT_TRUE(nothing_there()) << "a spill file has no name that a kill -9 could leave";
    }
}

TEST_F(CaptureTest, ManyPiecesAreJoinedInOrder) {
    capture_.begin(at_most(1000), folder_, "stdout");
    std::string all;
    for (int i = 0; i < 400; ++i) {
        const std::string piece = std::to_string(i) + '\0';
        EXPECT_TRUE(capture_.append(piece));
        all += piece;
    }
    const Captured taken = capture_.take();
    EXPECT_FALSE(taken.in_memory());
    EXPECT_TRUE(taken.read().value() == all);
}

TEST_F(CaptureTest, ALimitOfNothingSpillsEverything) {
    capture_.begin(at_most(0), folder_, "stderr");
    EXPECT_TRUE(capture_.append(std::string("x")));
    const Captured taken = capture_.take();
    EXPECT_THAT(taken.path(), HasSubstr("/proc/self/fd/"));
    struct ::stat status{};
    ASSERT_EQ(::stat(taken.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << "nobody else reads it";
}

TEST_F(CaptureTest, ResetGivesTheDescriptorBack) {
    const auto open_files = [] {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator("/proc/self/fd")) {
            ++count;
        }
        return count;
    };
    const std::size_t before = open_files();
    capture_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(capture_.append(std::string("four")));
    EXPECT_EQ(open_files(), before + 1);
    capture_.reset();
    EXPECT_EQ(open_files(), before);
    capture_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(capture_.append(std::string("four")));
    {
        const Captured taken = capture_.take();
        const Captured copy = taken;
        EXPECT_EQ(open_files(), before + 1) << "the copies share it";
    }
    EXPECT_EQ(open_files(), before);
}

TEST_F(CaptureTest, PastTheCeilingTheRestIsLostAndNamed) {
    for (const std::uint64_t memory : {std::uint64_t{4}, std::uint64_t{1000}}) {
        capture_.begin(at_most(memory, 10), folder_, "stderr");
        EXPECT_TRUE(capture_.append(std::string("01234567")));
        EXPECT_TRUE(capture_.append(std::string("89")));
        EXPECT_FALSE(capture_.append(std::string("a")));
        EXPECT_FALSE(capture_.append(std::string("bcd")));
        const auto loss = capture_.loss();
        ASSERT_TRUE(loss.has_value());
        EXPECT_EQ(loss->code(), Code::too_large);
        EXPECT_EQ(loss->fault(), Fault::task);
        EXPECT_THAT(loss->sentence(), HasSubstr("stderr is incomplete: the first 10 bytes are "
                                                "kept, 4 are lost; its output limit is 10 bytes"));
        const Captured taken = capture_.take();
        EXPECT_EQ(taken.in_memory(), memory == 1000);
        EXPECT_EQ(taken.lost(), 4U);
        std::string kept(20, '\0');
        EXPECT_EQ(taken.read_at(0, kept).value(), 10U);
        EXPECT_EQ(kept.substr(0, 10), "0123456789");
    }
}

TEST_F(CaptureTest, APieceThatStraddlesTheCeilingIsCut) {
    capture_.begin(at_most(2, 5), folder_, "stdout");
    EXPECT_FALSE(capture_.append(std::string("0123456789")));
    const Captured taken = capture_.take();
    EXPECT_EQ(taken.size(), 5U);
    EXPECT_EQ(taken.lost(), 5U);
}

TEST_F(CaptureTest, WithoutAFolderMemoryIsKeptAndTheLossIsNamed) {
    capture_.begin(at_most(4), folder_ + "/missing", "stdout");
    EXPECT_TRUE(capture_.append(std::string("four")));
    EXPECT_FALSE(capture_.append(std::string("more")));
    EXPECT_FALSE(capture_.append(std::string("!")));
    const std::string loss = capture_.loss().value().sentence();
    EXPECT_THAT(loss, HasSubstr("stdout is incomplete: the first 4 bytes are kept, 5 are lost"));
    EXPECT_THAT(loss, HasSubstr("No such file"));
    const Captured taken = capture_.take();
    EXPECT_EQ(taken.bytes(), "four");
    EXPECT_EQ(taken.lost(), 5U);
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
}

TEST_F(CaptureTest, ADiskThatFillsUpKeepsWhatWasWritten) {
    capture_.begin(at_most(4), folder_, "stdout");
    {
        const FileSizeLimit full(10);
        EXPECT_TRUE(capture_.append(std::string("0123")));
        EXPECT_TRUE(capture_.append(std::string("456")));
        EXPECT_FALSE(capture_.append(std::string("789abc")));
        EXPECT_FALSE(capture_.append(std::string("def")));
    }
    EXPECT_THAT(capture_.loss().value().sentence(),
                HasSubstr("the first 10 bytes are kept, 6 are lost; cannot write its spill file"));
    const Captured taken = capture_.take();
    EXPECT_EQ(taken.size(), 10U);
    EXPECT_EQ(taken.lost(), 6U);
    EXPECT_FALSE(taken.complete());
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
}

TEST_F(CaptureTest, ADiskWithoutRoomForMemoryKeepsMemory) {
    capture_.begin(at_most(8), folder_, "stdout");
    {
        const FileSizeLimit full(3);
        EXPECT_TRUE(capture_.append(std::string("01234567")));
        EXPECT_FALSE(capture_.append(std::string("89")));
    }
    EXPECT_THAT(capture_.loss().value().sentence(),
                HasSubstr("the first 8 bytes are kept, 2 are lost"));
    EXPECT_EQ(capture_.take().bytes(), "01234567");
}

TEST_F(CaptureTest, IsReusable) {
    capture_.begin(at_most(1), folder_, "stdout");
    EXPECT_TRUE(capture_.append(std::string("spilled")));
    EXPECT_FALSE(capture_.take().in_memory());
    capture_.begin(at_most(100, 2), folder_, "stdout");
    EXPECT_FALSE(capture_.append(std::string("kept")));
    capture_.begin(at_most(100), folder_, "stdout");
    EXPECT_TRUE(capture_.append(std::string("kept")));
    EXPECT_FALSE(capture_.loss().has_value());
    EXPECT_EQ(capture_.take().bytes(), "kept");
}

}  // namespace
}  // namespace repartir::exec
