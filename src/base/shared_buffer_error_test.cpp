// SPDX-License-Identifier: MIT
// What the machine refuses to a shared buffer: descriptors, file sizes, files that shrink.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "repartir/shared_buffer.hpp"

namespace repartir {
namespace {

using testing::HasSubstr;

/// Lowers a limit of this process for a while.
class Lowered {
  public:
    Lowered(int resource, rlim_t most) : resource_(resource) {
        EXPECT_EQ(::getrlimit(static_cast<__rlimit_resource>(resource_), &before_), 0);
        set(rlimit{.rlim_cur = most, .rlim_max = before_.rlim_max});
    }
    Lowered(const Lowered&) = delete;
    Lowered& operator=(const Lowered&) = delete;
    ~Lowered() { set(before_); }

  private:
    void set(const rlimit& limit) const {
        EXPECT_EQ(::setrlimit(static_cast<__rlimit_resource>(resource_), &limit), 0);
    }
    int resource_;
    rlimit before_{};
};

TEST(SharedBufferError, NoDescriptorIsLeft) {
    const std::string file = "/proc/self/stat";
    const Lowered files(RLIMIT_NOFILE, 3);
    const auto made = SharedBuffer::create(10);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), Code::out_of_resources);
    EXPECT_THAT(made.error().sentence(), HasSubstr("Too many open files"));
    const auto copied = SharedBuffer::copy_of_file(file);
    ASSERT_FALSE(copied.has_value());
    EXPECT_EQ(copied.error().code(), Code::out_of_resources);
    EXPECT_THAT(copied.error().sentence(), HasSubstr(file));
}

TEST(SharedBufferError, TheFileSizeLimitHolds) {
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    {
        const Lowered size(RLIMIT_FSIZE, 1000);
        const auto made = SharedBuffer::create(4096);
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error().code(), Code::too_large);
        EXPECT_TRUE(SharedBuffer::create(1000).has_value());
    }
    std::signal(SIGXFSZ, before);
}

TEST(SharedBufferError, AFileThatHoldsLessThanItSays) {
    const auto copied = SharedBuffer::copy_of_file("/sys/kernel/mm/transparent_hugepage/enabled");
    if (!copied && copied.error().code() == Code::not_found) {
        GTEST_SKIP() << "no such file on this kernel";
    }
    ASSERT_FALSE(copied.has_value()) << "its size is said to be 4096";
    EXPECT_EQ(copied.error().code(), Code::io_error);
    EXPECT_THAT(copied.error().sentence(), HasSubstr("became shorter"));
}

TEST(SharedBufferError, FilesThatCannotBeRead) {
    EXPECT_EQ(SharedBuffer::copy_of_file("/dev/null/x").error().code(), Code::not_found);
    const std::string name(300, 'n');
    EXPECT_EQ(SharedBuffer::copy_of_file(name).error().code(), Code::io_error);
}

}  // namespace
}  // namespace repartir
