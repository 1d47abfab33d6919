// SPDX-License-Identifier: MIT
#include "base/in_words.hpp"

#include <cstdint>

namespace repartir::base {

std::string in_words(std::chrono::nanoseconds time) {
    constexpr std::int64_t thousand = 1000;
    constexpr const char* units[] = {" ns", " us", " ms", " s"};
    std::int64_t whole = time.count();
    if (whole <= 0) {
        return "0 ms";
    }
    std::int64_t part = 0;  // thousandths of the unit
    std::size_t unit = 0;
    for (; whole >= thousand && unit < std::size(units) - 1; ++unit) {
        part = whole % thousand;
        whole /= thousand;
    }
    std::string text = std::to_string(whole);
    if (unit > 0 && whole < 100) {
        const std::string digits = std::to_string(thousand + part);  // "1" and three digits
        text += "." + digits.substr(1, whole < 10 ? 2 : 1);
    }
    return text + units[unit];
}

}  // namespace repartir::base
