// SPDX-License-Identifier: MIT
#include "worker/daemon/short_calls.hpp"

#include <utility>

namespace repartir::worker {

void ShortCalls::load(std::vector<Call>& calls) {
    calls_.clear();
    calls_.swap(calls);
    called_.clear();
    called_.resize(calls_.size());
    begun_ = 0;
}

void ShortCalls::make(std::vector<Called>& called) {
    const auto count = static_cast<std::uint32_t>(calls_.size());
    base::BootTime now = base::now();
    for (std::uint32_t i = 0; i <= count; ++i) {
        std::uint32_t begun = i;
        if (!begun_.compare_exchange_strong(begun, i < count ? i + 1 : over)) {
            if (i != 0) {  // somebody stepped in while the last one was made
                called.push_back(*std::exchange(called_[i - 1], std::nullopt));
            }
            return;
        }
        if (i < count) {
            called_[i] = Runner::make(calls_[i], now);
            now = called_[i]->ended;
        }
    }
    for (std::optional<Called>& one : called_) {
        called.push_back(*std::move(one));
    }
}

void ShortCalls::step_in(std::vector<Called>& called, std::vector<Call>& calls) {
    const std::uint32_t begun = begun_.exchange(over);
    if (begun == over) {
        return;
    }
    for (std::uint32_t i = 0; i + 1 < begun; ++i) {
        called.push_back(*std::move(called_[i]));
    }
    for (std::uint32_t i = begun; i < calls_.size(); ++i) {
        calls.push_back(std::move(calls_[i]));
    }
}

}  // namespace repartir::worker
