// SPDX-License-Identifier: MIT
#include "exec/gpu/kept_pipelines.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

namespace repartir::gpu {
namespace {

std::vector<std::byte> bytes(std::string_view text) {
    const auto all = std::as_bytes(std::span(text));
    return {all.begin(), all.end()};
}

class Kept : public testing::Test {
  protected:
    Kept() {
        char name[] = "/tmp/repartir-kept-test-XXXXXX";
        top_ = ::mkdtemp(name);
        device_.uuid = "53776966-7453-6861-6465-725555494400";
    }
    ~Kept() override { std::filesystem::remove_all(top_); }
    [[nodiscard]] KeptPipelines kept() const { return {folder(), device_}; }
    [[nodiscard]] std::string folder() const { return top_ + "/a/repartir"; }
    [[nodiscard]] std::string path() const {
        return folder() + "/gpu-" + device_.uuid + ".pipelines";
    }

    std::string top_;
    DeviceInfo device_;
};

TEST_F(Kept, ComesBackInTheNextProcess) {
    EXPECT_TRUE(kept().load().empty());
    kept().save(bytes("one"));
    EXPECT_EQ(kept().load(), bytes("one"));
    kept().save(bytes("another"));
    EXPECT_EQ(kept().load(), bytes("another"));
    EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
    struct stat status{};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    ASSERT_EQ(::stat(folder().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(Kept, EveryDamageIsSeen) {
    kept().save(bytes("what a driver compiled"));
    std::ifstream file(path(), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(file), {}};
    const auto put = [&](std::string_view content) {
        std::ofstream(path(), std::ios::binary | std::ios::trunc) << content;
    };
    for (std::size_t length = 0; length < whole.size(); ++length) {
        put(std::string_view(whole).substr(0, length));
        EXPECT_TRUE(kept().load().empty()) << length;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        if (at >= 20 && at < 24) {
            continue;  // the four bytes that mean nothing
        }
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        put(damaged);
        EXPECT_TRUE(kept().load().empty()) << at;
    }
    kept().save(bytes("what a driver compiled"));
    EXPECT_FALSE(kept().load().empty());
}

TEST_F(Kept, WhatOthersMayWriteToIsNotTrusted) {
    kept().save(bytes("one"));
    ASSERT_EQ(::chmod(path().c_str(), 0620), 0);
    EXPECT_TRUE(kept().load().empty());
    ASSERT_EQ(::chmod(path().c_str(), 0600), 0);
    std::filesystem::rename(path(), top_ + "/elsewhere");
    std::filesystem::create_symlink(top_ + "/elsewhere", path());
    EXPECT_TRUE(kept().load().empty());
}

TEST_F(Kept, WhereItCannotBeThereIsNone) {
    KeptPipelines none;
    none.save(bytes("one"));
    EXPECT_TRUE(none.load().empty());
    KeptPipelines nowhere("/proc/nowhere", device_);
    nowhere.save(bytes("one"));
    EXPECT_TRUE(nowhere.load().empty());
    device_.uuid.clear();
    KeptPipelines unknown = kept();
    unknown.save(bytes("one"));
    EXPECT_FALSE(std::filesystem::exists(folder()));
}

TEST_F(Kept, SeveralMayWriteAtOnce) {
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
        writers.emplace_back([this, i] {
            for (int k = 0; k < 50; ++k) {
                kept().save(bytes(std::string(1000, static_cast<char>('a' + (i + k) % 26))));
                static_cast<void>(kept().load());
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    EXPECT_EQ(kept().load().size(), 1000U);
}

TEST(CacheFolder, IsWhereTheEnvironmentSays) {
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    const std::string before = cache == nullptr ? "" : cache;
    ::setenv("XDG_CACHE_HOME", "/tmp/x", 1);
    EXPECT_EQ(default_cache_folder(), "/tmp/x/repartir");
    ::setenv("XDG_CACHE_HOME", "relative", 1);
    ::setenv("HOME", "/tmp/home", 1);
    EXPECT_EQ(default_cache_folder(), "/tmp/home/.cache/repartir");
    cache == nullptr ? ::unsetenv("XDG_CACHE_HOME") : ::setenv("XDG_CACHE_HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace repartir::gpu
