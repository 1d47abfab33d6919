// SPDX-License-Identifier: MIT
#include "cli/line_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "base/logfmt.hpp"
#include "cli/text.hpp"

namespace repartir::cli {

std::string time_text() {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    const std::time_t seconds = std::chrono::system_clock::to_time_t(second);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::array<char, 8> rest{};
    std::snprintf(rest.data(), rest.size(), ".%03dZ", static_cast<int>((now - second).count()));
    return cat({std::string_view(text.data(), length), rest.data()});
}

bool LineLog::put(LogLevel level, std::string_view line) const {
    // A pipe that is ready takes a line of up to 4 KiB whole.
    pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
        return false;
    }
    const std::string whole =
        cat({"time=", time_text(), " level=", to_string(level), " ", line, "\n"});
    return ::write(fd_, whole.data(), whole.size()) > 0;
}

void LineLog::write(LogLevel level, std::string_view line) {
    const std::scoped_lock lock(mutex_);
    if (lost_ > 0 &&
        put(LogLevel::warning, base::Logfmt("log-lines-lost").add("count", number(lost_)).take())) {
        lost_ = 0;
    }
    if (lost_ > 0 || !put(level, line)) {
        ++lost_;
    }
}

}  // namespace repartir::cli
