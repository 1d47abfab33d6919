// SPDX-License-Identifier: MIT
#include "cli/service_manager.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

EnvLookup variables(std::map<std::string, std::string, std::less<>> env) {
    return [env = std::move(env)](std::string_view name) {
        const auto found = env.find(name);
        return found == env.end() ? std::nullopt : std::optional(found->second);
    };
}

/// A manager's socket. @param path "@..." or a path
class Inbox {
  public:
    explicit Inbox(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        address.sun_path[0] = path.front() == '@' ? '\0' : path.front();
        // SAFETY: this is how the socket calls take every kind of address.
        const auto* const at = reinterpret_cast<const sockaddr*>(&address);
        EXPECT_EQ(::bind(fd_.get(), at,
                         static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())),
                  0);
    }
    std::string take() {
        std::array<char, 256> text{};
        const ssize_t got = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
    }

  private:
    base::Fd fd_;
};

TEST(ServiceManager, IsToldOverEitherKindOfSocket) {
    std::string folder = (std::filesystem::temp_directory_path() / "repartir-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    for (const std::string& path :
         {folder + "/notify", "@repartir-test-" + std::to_string(::getpid())}) {
        Inbox inbox(path);
        const ServiceManager manager(variables({{"NOTIFY_SOCKET", path}}), 0);
        EXPECT_TRUE(manager.tell("READY=1"));
        EXPECT_EQ(inbox.take(), "READY=1") << path;
    }
    std::filesystem::remove_all(folder);
}

TEST(ServiceManager, NobodyIsToldWhereNobodyAsked) {
    EXPECT_TRUE(ServiceManager(variables({}), 0).tell("READY=1"));
    EXPECT_TRUE(ServiceManager(variables({{"NOTIFY_SOCKET", "relative"}}), 0).tell("READY=1"));
    EXPECT_TRUE(
        ServiceManager(variables({{"NOTIFY_SOCKET", "/" + std::string(200, 'x')}}), 0).tell("x"));
    EXPECT_FALSE(
        ServiceManager(variables({{"NOTIFY_SOCKET", "/nowhere/at/all"}}), 0).tell("READY=1"));
}

TEST(ServiceManager, AWatchdogForAnotherProcessIsNotOurs) {
    const auto watchdog = [](const std::string& usec, const std::string& pid, pid_t supervisor) {
        return ServiceManager(variables({{"WATCHDOG_USEC", usec}, {"WATCHDOG_PID", pid}}),
                              supervisor)
            .watchdog();
    };
    EXPECT_EQ(watchdog("3000000", std::to_string(::getpid()), 0), 3s);
    EXPECT_EQ(watchdog("3000000", "1", 0), 0s);
    EXPECT_EQ(watchdog("3000000", "1", 1), 3s);
    EXPECT_EQ(watchdog("3000000", "", 0), 3s);
    EXPECT_EQ(watchdog("soon", "", 0), 0s);
}

TEST(ServiceManager, TheVariablesAreNotHandedOn) {
    ::setenv("NOTIFY_SOCKET", "/x", 1);
    ServiceManager::clear_environment();
    EXPECT_EQ(::getenv("NOTIFY_SOCKET"), nullptr);
}

}  // namespace
}  // namespace repartir::cli
