// SPDX-License-Identifier: MIT
#include "cli/service_manager.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// @return a variable's whole number; 0 when it is unset or no such number.
std::uint64_t number_of(const EnvLookup& env, std::string_view name) {
    const std::optional<std::string> text = env(name);
    constexpr auto most =
        static_cast<std::uint64_t>(std::numeric_limits<std::chrono::microseconds::rep>::max());
    return text ? parse_count(name, *text, 0, most).value_or(0) : 0;
}

}  // namespace

ServiceManager::ServiceManager(const EnvLookup& env, pid_t supervisor) {
    const std::uint64_t meant_for = number_of(env, "WATCHDOG_PID");
    if (meant_for == 0 || meant_for == static_cast<std::uint64_t>(::getpid()) ||
        (supervisor > 0 && meant_for == static_cast<std::uint64_t>(supervisor))) {
        watchdog_ = std::chrono::microseconds(number_of(env, "WATCHDOG_USEC"));
    }
    const std::string path = env("NOTIFY_SOCKET").value_or("");
    const bool named = path.starts_with('/') || path.starts_with('@');
    if (!named || path.size() < 2 || path.size() >= sizeof address_.sun_path) {
        return;
    }
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, path.data(), path.size());
    if (path.front() == '@') {  // a name in the kernel's own table begins with a NUL
        address_.sun_path[0] = '\0';
    }
    bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    socket_ = base::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool ServiceManager::tell(std::string_view state) const noexcept {
    if (bytes_ == 0) {
        return true;
    }
    // SAFETY: this is how the socket calls take every kind of address.
    const auto* const to = reinterpret_cast<const sockaddr*>(&address_);
    return ::sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL, to, bytes_) >= 0;
}

void ServiceManager::clear_environment() noexcept {
    for (const char* const name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
        ::unsetenv(name);
    }
}

}  // namespace repartir::cli
