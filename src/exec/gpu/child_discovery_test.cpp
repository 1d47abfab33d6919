// SPDX-License-Identifier: MIT
#include "exec/gpu/child_discovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "exec/gpu/swiftshader_fixture.hpp"

namespace repartir::gpu {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

class ChildOnSwiftShader : public OnSwiftShader {};

/// What a child of this command line gives; nothing of it is left afterwards.
Result<std::vector<DeviceInfo>> by(std::vector<std::string> arguments,
                                   milliseconds limit = std::chrono::minutes(1)) {
    DiscoveryChild child;
    child.program = arguments.front();
    child.arguments = std::move(arguments);
    child.limit = limit;
    Result<std::vector<DeviceInfo>> found = devices_by_child(child);
    EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD) << "a child is left";
    return found;
}

Error failure(const std::string& script, milliseconds limit = std::chrono::minutes(1)) {
    const auto found = by({"/bin/sh", "-c", script}, limit);
    EXPECT_FALSE(found) << script;
    return found ? Error(Domain::gpu, Code::internal, Fault::user, "") : found.error();
}

/// This program again, as the child that looks.
Result<std::vector<DeviceInfo>> by_ourselves(bool allow_cpu) {
    return by({"/proc/self/exe", "--gtest_also_run_disabled_tests",
               std::string("--gtest_filter=TheChild.DISABLED_Looks") +
                   (allow_cpu ? "WithCpu" : "WithoutCpu")});
}

TEST(TheChild, DISABLED_LooksWithoutCpu) { ::_exit(report_devices({})); }
TEST(TheChild, DISABLED_LooksWithCpu) {
    DiscoveryOptions options;
    options.allow_cpu = true;
    ::_exit(report_devices(options));
}

TEST(ChildDiscovery, ACrashIsASentence) {
    const Error error = failure("kill -SEGV $$");
    EXPECT_EQ(error.domain(), Domain::gpu);
    EXPECT_EQ(error.code(), Code::driver_failed);
    EXPECT_EQ(error.sentence(),
              "a Vulkan driver crashed (signal 11, SIGSEGV); VK_DRIVER_FILES, set to the files of"
              " other drivers, leaves it out");
}

TEST(ChildDiscovery, AHangIsEnded) {
    const Error error = failure("sleep 600", milliseconds(50));
    EXPECT_EQ(error.code(), Code::driver_failed);
    EXPECT_THAT(error.sentence(),
                AllOf(HasSubstr("did not answer within 50.0 ms"), HasSubstr("VK_DRIVER_FILES")));
}

TEST(ChildDiscovery, WhatTheChildStartedEndsWithIt) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);  // inherited by nobody but through /proc
    const std::string mine = "/proc/" + std::to_string(::getpid()) + "/fd/";
    failure("exec 9> " + mine + std::to_string(ends[1]) + "; sleep 600 & exit 3");
    ::close(ends[1]);
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "the last writer is gone";
    ::close(ends[0]);
}

TEST(ChildDiscovery, AnEndWithoutAReport) {
    EXPECT_THAT(failure("exit 3").sentence(), HasSubstr("(exit code 3)"));
    EXPECT_EQ(failure("exit 0").code(), Code::driver_failed);
    EXPECT_EQ(failure("echo junk >&3").code(), Code::driver_failed);
    EXPECT_EQ(failure("echo words on standard output").code(), Code::driver_failed);
    EXPECT_EQ(failure("head -c 9000000 /dev/zero >&3").code(), Code::driver_failed);
}

TEST(ChildDiscovery, TooLittleMemory) {
    const Error error = failure("exit 6");
    EXPECT_EQ(error.code(), Code::out_of_resources);
    EXPECT_TRUE(error.retryable());
}

TEST(ChildDiscovery, AProgramThatIsNotThere) {
    const auto found = by({"/no/such/program"});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::not_found);
}

TEST(ChildDiscovery, WhereNobodyCanWaitForChildren) {
    struct sigaction ignore{};
    struct sigaction before{};
    ignore.sa_handler = SIG_IGN;
    ASSERT_EQ(::sigaction(SIGCHLD, &ignore, &before), 0);
    EXPECT_EQ(failure("exit 0").code(), Code::invalid_argument);
    ASSERT_EQ(::sigaction(SIGCHLD, &before, nullptr), 0);
}

TEST(ChildDiscovery, ThatThereIsNoneTravels) {
    ::setenv("VK_DRIVER_FILES", "/nonexistent.json", 1);
    const auto found = by_ourselves(true);
    ::unsetenv("VK_DRIVER_FILES");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::unsupported);
    EXPECT_EQ(found.error().fault(), Fault::user);
    EXPECT_THAT(found.error().sentence(), HasSubstr("/nonexistent.json"));
}

TEST(ChildDiscovery, AReportThatCannotBeWritten) {
    ::close(report_descriptor);  // which this program has no use for
    ::setenv("VK_DRIVER_FILES", "/nonexistent.json", 1);
    EXPECT_EQ(report_devices({}), 1);
    ::unsetenv("VK_DRIVER_FILES");
}

TEST_F(ChildOnSwiftShader, GivesWhatTheProcessItselfWouldFind) {
    DiscoveryOptions options;
    options.allow_cpu = true;
    const auto here = devices(options);
    ASSERT_TRUE(here) << here.error().sentence();
    const auto there = by_ourselves(true);
    ASSERT_TRUE(there) << there.error().sentence();
    EXPECT_EQ(*there, *here);
    EXPECT_FALSE(by_ourselves(false));
}

}  // namespace
}  // namespace repartir::gpu
