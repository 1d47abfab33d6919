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
using ::testing::IsEmpty;

class CaptureTest : public ::testing::Test {
  protected:
    CaptureTest() {
        char name[] = "/tmp/repartir-capture-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~CaptureTest() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::size_t files() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) {
            ++count;
        }
        return count;
    }

    std::string folder_;
    Capture capture_;
    std::vector<std::string> notes_;
};

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
        capture_.begin(100, folder_, "stdout");
        const std::string bytes(size, 'b');
        capture_.append(bytes);
        const Captured taken = capture_.take(notes_);
        EXPECT_EQ(taken.in_memory(), size <= 100) << size;
        EXPECT_EQ(taken.size(), size);
        EXPECT_EQ(taken.read().value(), bytes);
    }
    EXPECT_THAT(notes_, IsEmpty());
    EXPECT_EQ(files(), 0U) << "spill files go with the value";
}

TEST_F(CaptureTest, ManyPiecesAreJoinedInOrder) {
    capture_.begin(1000, folder_, "stdout");
    std::string all;
    for (int i = 0; i < 400; ++i) {
        const std::string piece = std::to_string(i) + '\0';
        capture_.append(piece);
        all += piece;
    }
    const Captured taken = capture_.take(notes_);
    EXPECT_FALSE(taken.in_memory());
    EXPECT_TRUE(taken.read().value() == all);
}

TEST_F(CaptureTest, ALimitOfNothingSpillsEverything) {
    capture_.begin(0, folder_, "stderr");
    capture_.append(std::string("x"));
    const Captured taken = capture_.take(notes_);
    EXPECT_THAT(taken.path(), HasSubstr("repartir-stderr-"));
    struct ::stat status{};
    ASSERT_EQ(::stat(taken.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << "nobody else reads it";
}

TEST_F(CaptureTest, ResetRemovesTheSpillFile) {
    capture_.begin(1, folder_, "stdout");
    capture_.append(std::string("four"));
    EXPECT_EQ(files(), 1U);
    capture_.reset();
    EXPECT_EQ(files(), 0U);
}

TEST_F(CaptureTest, WithoutAFolderMemoryIsKeptAndTheLossIsNamed) {
    capture_.begin(4, folder_ + "/missing", "stdout");
    capture_.append(std::string("four"));
    capture_.append(std::string("more"));
    capture_.append(std::string("!"));
    const Captured taken = capture_.take(notes_);
    EXPECT_EQ(taken.bytes(), "four");
    EXPECT_EQ(taken.lost(), 5U);
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
    ASSERT_EQ(notes_.size(), 1U);
    EXPECT_THAT(notes_[0],
                HasSubstr("stdout is incomplete: the first 4 bytes are kept, 5 are lost"));
    EXPECT_THAT(notes_[0], HasSubstr("No such file"));
}

TEST_F(CaptureTest, ADiskThatFillsUpKeepsWhatWasWritten) {
    capture_.begin(4, folder_, "stdout");
    Captured taken;
    {
        const FileSizeLimit full(10);
        capture_.append(std::string("0123"));
        capture_.append(std::string("456"));
        capture_.append(std::string("789abc"));
        capture_.append(std::string("def"));
        taken = capture_.take(notes_);
    }
    EXPECT_EQ(taken.size(), 10U);
    EXPECT_EQ(taken.lost(), 6U);
    EXPECT_FALSE(taken.complete());
    EXPECT_FALSE(taken.read().has_value()) << "not all bytes are there to be read";
    ASSERT_EQ(notes_.size(), 1U);
    EXPECT_THAT(notes_[0], HasSubstr("the first 10 bytes are kept, 6 are lost"));
}

TEST_F(CaptureTest, ADiskWithoutRoomForMemoryKeepsMemory) {
    capture_.begin(8, folder_, "stdout");
    Captured taken;
    {
        const FileSizeLimit full(3);
        capture_.append(std::string("01234567"));
        capture_.append(std::string("89"));
        taken = capture_.take(notes_);
    }
    EXPECT_EQ(taken.bytes(), "01234567");
    ASSERT_EQ(notes_.size(), 1U);
    EXPECT_THAT(notes_[0], HasSubstr("the first 8 bytes are kept, 2 are lost"));
    EXPECT_EQ(files(), 0U);
}

TEST_F(CaptureTest, IsReusable) {
    capture_.begin(1, folder_, "stdout");
    capture_.append(std::string("spilled"));
    EXPECT_FALSE(capture_.take(notes_).in_memory());
    capture_.begin(100, folder_, "stdout");
    capture_.append(std::string("kept"));
    EXPECT_EQ(capture_.take(notes_).bytes(), "kept");
}

}  // namespace
}  // namespace repartir::exec
