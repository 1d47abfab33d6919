// SPDX-License-Identifier: MIT
#include "repartir/shared_buffer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <future>
#include <limits>
#include <thread>
#include <vector>

namespace repartir {
namespace {

/// A file that goes when the test ends.
class ScratchFile {
  public:
    explicit ScratchFile(std::string_view content) {
        char name[] = "/tmp/repartir-buffer-test-XXXXXX";
        const int fd = ::mkstemp(name);
        EXPECT_GE(fd, 0);
        EXPECT_EQ(::write(fd, content.data(), content.size()),
                  static_cast<::ssize_t>(content.size()));
        ::close(fd);
        path_ = name;
    }
    ScratchFile(const ScratchFile&) = delete;
    ScratchFile& operator=(const ScratchFile&) = delete;
    ~ScratchFile() { ::unlink(path_.c_str()); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

void fill(SharedBuffer& buffer, char value) {
    std::ranges::fill(buffer.writable(), static_cast<std::byte>(value));
}

TEST(SharedBuffer, IsZeroedAndHoldsWhatIsWritten) {
    auto buffer = SharedBuffer::create(5000);
    ASSERT_TRUE(buffer.has_value());
    EXPECT_EQ(buffer->size(), 5000U);
    EXPECT_EQ(std::ranges::count(buffer->bytes(), std::byte{0}), 5000);
    fill(*buffer, 'x');
    EXPECT_EQ(buffer->text(), std::string(5000, 'x'));
}

TEST(SharedBuffer, TheDescriptorShowsTheSameBytesBothWays) {
    auto buffer = SharedBuffer::create(8);
    ASSERT_TRUE(buffer.has_value());
    fill(*buffer, 'a');
    char seen[8] = {};
    EXPECT_EQ(::pread(buffer->fd(), seen, sizeof seen, 0), 8);
    EXPECT_EQ(std::string_view(seen, 8), "aaaaaaaa");
    EXPECT_EQ(::pwrite(buffer->fd(), "bb", 2, 3), 2);
    EXPECT_EQ(buffer->text(), "aaabbaaa");
    EXPECT_NE(::fcntl(buffer->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SharedBuffer, NobodyCanResizeIt) {
    auto buffer = SharedBuffer::create(4096);
    ASSERT_TRUE(buffer.has_value());
    EXPECT_EQ(::ftruncate(buffer->fd(), 0), -1);
    EXPECT_EQ(::ftruncate(buffer->fd(), 8192), -1);
}

TEST(SharedBuffer, SealingForbidsWritingAndKeepsBytesAndAddress) {
    auto buffer = SharedBuffer::create(10);
    ASSERT_TRUE(buffer.has_value());
    fill(*buffer, 'k');
    const std::span<const std::byte> before = buffer->bytes();
    ASSERT_TRUE(buffer->seal().has_value());
    EXPECT_TRUE(buffer->sealed());
    EXPECT_TRUE(buffer->writable().empty());
    EXPECT_EQ(buffer->text(), "kkkkkkkkkk");
    EXPECT_EQ(buffer->bytes().data(), before.data());
    EXPECT_EQ(::pwrite(buffer->fd(), "z", 1, 0), -1);
    EXPECT_EQ(::mmap(nullptr, 10, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd(), 0), MAP_FAILED);
    EXPECT_TRUE(buffer->seal().has_value()) << "sealing twice is no error";
}

TEST(SharedBuffer, SealingIsRefusedWhileSomebodyMapsItForWritingAndLeavesItUsable) {
    auto buffer = SharedBuffer::create(4096);
    ASSERT_TRUE(buffer.has_value());
    void* other = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd(), 0);
    ASSERT_NE(other, MAP_FAILED);
    const auto refused = buffer->seal();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::io_error);
    EXPECT_NE(refused.error().sentence().find("still maps it"), std::string::npos);
    EXPECT_FALSE(buffer->sealed());
    fill(*buffer, 'w');
    EXPECT_EQ(*static_cast<const char*>(other), 'w');
    ::munmap(other, 4096);
    EXPECT_TRUE(buffer->seal().has_value());
}

TEST(SharedBuffer, CopiesShareOneBuffer) {
    auto buffer = SharedBuffer::create(3);
    ASSERT_TRUE(buffer.has_value());
    SharedBuffer copy = *buffer;
    fill(copy, 'c');
    EXPECT_EQ(buffer->text(), "ccc");
    ASSERT_TRUE(copy.seal().has_value());
    EXPECT_TRUE(buffer->sealed());
}

TEST(SharedBuffer, SealingFromManyThreadsIsSafe) {
    auto buffer = SharedBuffer::create(4096);
    ASSERT_TRUE(buffer.has_value());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { EXPECT_TRUE(buffer->seal().has_value()); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(buffer->sealed());
}

TEST(SharedBuffer, MayBeEmpty) {
    auto buffer = SharedBuffer::create(0);
    ASSERT_TRUE(buffer.has_value());
    EXPECT_TRUE(buffer->bytes().empty());
    EXPECT_TRUE(buffer->seal().has_value());
    EXPECT_EQ(buffer->text(), "");
}

TEST(SharedBuffer, RefusesImpossibleSizes) {
    const auto huge = SharedBuffer::create(std::numeric_limits<std::size_t>::max());
    ASSERT_FALSE(huge.has_value());
    EXPECT_EQ(huge.error().code(), Code::too_large);
    const auto wide = SharedBuffer::create(std::size_t{1} << 62U);
    ASSERT_FALSE(wide.has_value());
    EXPECT_EQ(wide.error().code(), Code::too_large);
}

TEST(SharedBuffer, CopiesAFileWithItsBinaryContent) {
    std::string content(300'000, '\0');
    for (std::size_t i = 0; i < content.size(); ++i) {
        content[i] = static_cast<char>(i * 31U);
    }
    const ScratchFile file(content);
    auto buffer = SharedBuffer::copy_of_file(file.path());
    ASSERT_TRUE(buffer.has_value());
    EXPECT_TRUE(buffer->text() == content);
    ASSERT_EQ(::truncate(file.path().c_str(), 0), 0);
    EXPECT_TRUE(buffer->text() == content) << "a copy, not a mapping of the file";
}

TEST(SharedBuffer, SaysWhyAFileCannotBeCopied) {
    const auto missing = SharedBuffer::copy_of_file("/nonexistent/file");
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code(), Code::not_found);
    EXPECT_NE(missing.error().sentence().find("/nonexistent/file"), std::string::npos);
    const auto folder = SharedBuffer::copy_of_file("/tmp");
    ASSERT_FALSE(folder.has_value());
    EXPECT_EQ(folder.error().code(), Code::invalid_argument);
}

TEST(SharedBuffer, RefusesAFifoAtOnceThoughNobodyWritesToIt) {
    const ScratchFile file("");
    ASSERT_EQ(::unlink(file.path().c_str()), 0);
    ASSERT_EQ(::mkfifo(file.path().c_str(), 0600), 0);
    auto copying =
        std::async(std::launch::async, [&] { return SharedBuffer::copy_of_file(file.path()); });
    const bool at_once = copying.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    EXPECT_TRUE(at_once);
    const int writer = at_once ? -1 : ::open(file.path().c_str(), O_RDWR);  // lets it go on
    const auto copied = copying.get();
    ASSERT_FALSE(copied.has_value());
    EXPECT_EQ(copied.error().code(), Code::invalid_argument);
    if (writer >= 0) {
        ::close(writer);
    }
}

}  // namespace
}  // namespace repartir
