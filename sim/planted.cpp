// SPDX-License-Identifier: MIT
// Which of the faults of faults.py repartir-sim-faulty shows.
#include <charconv>
#include <cstdlib>
#include <string_view>

bool repartir_planted(int number);

bool repartir_planted(int number) {
    static const int chosen = [] {
        const char* const text = std::getenv("REPARTIR_FAULT");
        const std::string_view digits = text == nullptr ? "" : text;
        int value = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return value;
    }();
    return number == chosen;
}
