// SPDX-License-Identifier: MIT
#include "cli/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

std::string rate_text(double rate) {
    std::array<char, 32> buffer{};
    const int length =
        std::snprintf(buffer.data(), buffer.size(), rate < 10 ? "%.1f/s" : "%.0f/s", rate);
    return std::string(buffer.data(), static_cast<std::size_t>(length));
}

/// @return the time left for people, whole seconds; empty when it cannot be told.
std::string time_left(const ProgressState& state) {
    if (!state.total || state.rate <= 0) {
        return {};
    }
    const std::uint64_t done = std::min(state.ended + state.skipped, *state.total);
    const double seconds = std::ceil(static_cast<double>(*state.total - done) / state.rate);
    constexpr double longest = 1e8;
    if (seconds > longest) {
        return {};
    }
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 60) {
        return cat({number(whole), " s"});
    }
    return human_duration(std::chrono::seconds(whole));
}

std::string counts(const ProgressState& state) {
    std::string text = number(state.ended + state.skipped);
    if (state.total) {
        text += cat({"/", number(*state.total)});
    }
    text += cat({" done, ", number(state.failed), " failed"});
    return text;
}

std::string tail(const ProgressState& state) {
    std::string text;
    for (const Busy& one : state.busy) {
        text += cat({text.empty() ? "" : ", ", to_string(one.backend), ": ", number(one.running)});
    }
    text += " running";
    if (state.rate > 0) {
        text += cat({", ", rate_text(state.rate)});
    }
    if (const std::string left = time_left(state); !left.empty()) {
        text += cat({", ", left, " left"});
    }
    return text;
}

}  // namespace

std::string progress_bar(const ProgressState& state, std::size_t width) {
    constexpr std::size_t bar_min = 8;
    constexpr std::size_t bar_max = 30;
    std::string text = cat({counts(state), ", ", tail(state)});
    if (state.total && *state.total > 0) {
        const std::uint64_t done = std::min(state.ended + state.skipped, *state.total);
        const double share = static_cast<double>(done) / static_cast<double>(*state.total);
        std::array<char, 8> percent{};
        std::snprintf(percent.data(), percent.size(), "%3d%% ", static_cast<int>(share * 100.0));
        text.insert(0, percent.data());
        if (width >= text.size() + bar_min + 3) {
            const std::size_t cells = std::min(bar_max, width - text.size() - 3);
            const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
            text.insert(0,
                        cat({"[", std::string(full, '#'), std::string(cells - full, '.'), "] "}));
        }
    }
    if (text.size() > width) {
        text.resize(width);
    }
    return text;
}

std::string progress_line(const ProgressState& state) {
    return cat({"repartir: ", counts(state), ", ", tail(state), ", ", human_duration(state.elapsed),
                " elapsed"});
}

void RateMeter::update(std::uint64_t ended, std::chrono::nanoseconds elapsed) noexcept {
    constexpr double half_life_seconds = 3.0;
    const double seconds = std::chrono::duration<double>(elapsed - elapsed_).count();
    if (seconds < 0.01) {
        return;
    }
    const double now = static_cast<double>(ended - ended_) / seconds;
    const bool first = ended_ == 0;
    const double kept = first ? 0.0 : std::exp2(-seconds / half_life_seconds);
    rate_ = rate_ * kept + now * (1.0 - kept);
    ended_ = ended;
    elapsed_ = elapsed;
}

}  // namespace repartir::cli
