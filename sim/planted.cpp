// SPDX-License-Identifier: MIT
// Which of the faults of faults.py repartir-sim-faulty shows, and which condition of mutants.py
// repartir-sim-mutants forces.
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

bool repartir_planted(int number);
bool repartir_forced(int number, bool value);

namespace {

/// @return the number in a variable of the environment; -1 where there is none.
int chosen_in(const char* name) {
    const char* const text = std::getenv(name);
    const std::string_view digits = text == nullptr ? "" : text;
    int value = -1;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

/// Which conditions were ever true, and which false: at its end it prints, to the standard error,
/// the numbers that would have made a difference.
class Seen {
  public:
    ~Seen() {
        for (std::size_t i = 0; i < differed_.size(); ++i) {
            if (differed_[i]) {
                std::fprintf(stderr, "%zu\n", i);
            }
        }
    }
    void note(std::size_t number, bool value) {
        if (number + 1 < differed_.size()) {
            differed_[number] = differed_[number] || !value;         // forced true
            differed_[number + 1] = differed_[number + 1] || value;  // forced false
        }
    }

  private:
    std::array<bool, 4096> differed_{};
};

}  // namespace

bool repartir_planted(int number) {
    static const int chosen = chosen_in("REPARTIR_FAULT");
    return number == chosen;
}

/// Of two numbers, the first one forces true and the second one false; of a case that can be left
/// out, which gives false, there is the first one only.
bool repartir_forced(int number, bool value) {
    static const int chosen = chosen_in("REPARTIR_MUTANT");
    static const bool trace = std::getenv("REPARTIR_MUTANTS_SEEN") != nullptr;
    if (trace) {
        static Seen seen;
        seen.note(static_cast<std::size_t>(number), value);
    }
    return number == chosen || (value && number + 1 != chosen);
}
