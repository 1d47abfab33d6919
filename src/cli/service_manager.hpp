// SPDX-License-Identifier: MIT
#pragma once
/// @file service_manager.hpp What systemd, or whoever speaks its protocol, is told of a daemon
/// (sd_notify(3)); nothing of it is needed to run one.
#include <sys/types.h>
#include <sys/un.h>

#include <chrono>
#include <string_view>

#include "base/fd.hpp"
#include "cli/args.hpp"

namespace repartir::cli {

/// The service manager that started us, when one did. tell() from any thread.
class ServiceManager {
  public:
    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. @param supervisor the parent for whom a
    /// watchdog may be meant; 0: none
    ServiceManager(const EnvLookup& env, pid_t supervisor);

    /// Sends "READY=1", "STOPPING=1", "WATCHDOG=1", ... @return whether it was sent; true where
    /// nobody wants to know.
    bool tell(std::string_view state) const noexcept;
    /// @return within which time "WATCHDOG=1" is expected again and again; 0: it is not.
    [[nodiscard]] std::chrono::microseconds watchdog() const noexcept { return watchdog_; }

    /// The variables that are meant for us and not for what we start.
    static void clear_environment() noexcept;

  private:
    sockaddr_un address_{};
    socklen_t bytes_ = 0;  // of address_; 0: there is no manager
    base::Fd socket_;
    std::chrono::microseconds watchdog_{0};
};

}  // namespace repartir::cli
