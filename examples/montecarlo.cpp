// SPDX-License-Identifier: MIT
// A compiled simulation, as one sweeps over a thousand parameter sets: the probability that water
// finds a way from the top to the bottom of a random lattice (site percolation).
//
//     montecarlo --size L --p P [--trials N] [--seed S]
//
// opens each of L x L sites with probability P, looks for an open path from the first row to the
// last, repeats that N times, and prints one line of CSV: size,p,trials,seed,probability,error. The
// same arguments give the same line on every machine. On a large lattice the probability jumps from
// 0 to 1 near P = 0.5927; `./dev demo` sweeps P for several sizes and plots the curves.
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

struct Parameters {
    std::uint32_t size = 64;
    double p = 0.5927;
    std::uint32_t trials = 100;
    std::uint64_t seed = 1;
};

/// Reads one number that fills `text`. @return whether it did.
template <class Number>
bool read(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse(int argc, char** argv, Parameters& parameters) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view key = argv[i];
        const std::string_view value = argv[i + 1];
        const bool known = (key == "--size" && read(value, parameters.size)) ||
                           (key == "--p" && read(value, parameters.p)) ||
                           (key == "--trials" && read(value, parameters.trials)) ||
                           (key == "--seed" && read(value, parameters.seed));
        if (!known) {
            return false;
        }
    }
    return argc % 2 == 1 && parameters.size >= 2 && parameters.size <= 4096 && parameters.p >= 0 &&
           parameters.p <= 1 && parameters.trials >= 1;
}

/// splitmix64: S. Vigna's public-domain generator; one state, equal on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t x = state_;
        x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
        x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
        return x ^ (x >> 31U);
    }

  private:
    std::uint64_t state_;
};

/// A square lattice with a closed border, so that the search needs no bounds checks.
class Lattice {
  public:
    explicit Lattice(std::uint32_t size)
        : size_(size), width_(size + 2U), open_(width_ * width_, 0) {}

    /// Opens each site with probability `threshold` / 2^53.
    void fill(Random& random, std::uint64_t threshold) {
        for (std::size_t row = 1; row <= size_; ++row) {
            for (std::size_t column = 1; column <= size_; ++column) {
                open_[row * width_ + column] = (random.next() >> 11U) < threshold ? 1 : 0;
            }
        }
    }

    /// Floods from the first row and closes what it reaches. @return whether it reached the last
    /// row.
    bool flood() {
        reached_.clear();
        for (std::size_t column = 1; column <= size_; ++column) {
            visit(width_ + column);
        }
        const std::size_t last_row = size_ * width_;
        while (!reached_.empty()) {
            const std::size_t site = reached_.back();
            reached_.pop_back();
            if (site > last_row) {
                return true;
            }
            visit(site - width_);
            visit(site - 1);
            visit(site + 1);
            visit(site + width_);  // last in, first out: downwards is tried first
        }
        return false;
    }

  private:
    void visit(std::size_t site) {
        if (open_[site] != 0) {
            open_[site] = 0;
            reached_.push_back(site);
        }
    }

    std::size_t size_;
    std::size_t width_;
    std::vector<std::uint8_t> open_;
    std::vector<std::size_t> reached_;
};

}  // namespace

int main(int argc, char** argv) {
    Parameters parameters;
    if (!parse(argc, argv, parameters)) {
        std::fputs("usage: montecarlo --size 2..4096 --p 0..1 [--trials N] [--seed S]\n", stderr);
        return 2;
    }
    Random random(parameters.seed);
    Lattice lattice(parameters.size);
    const auto threshold = static_cast<std::uint64_t>(parameters.p * 0x1.0p53);
    std::uint32_t spanning = 0;
    for (std::uint32_t trial = 0; trial < parameters.trials; ++trial) {
        lattice.fill(random, threshold);
        spanning += lattice.flood() ? 1 : 0;
    }
    const double probability = static_cast<double>(spanning) / parameters.trials;
    const double error = std::sqrt(probability * (1 - probability) / parameters.trials);
    std::printf("%u,%.6g,%u,%llu,%.6f,%.6f\n", parameters.size, parameters.p, parameters.trials,
                static_cast<unsigned long long>(parameters.seed), probability, error);
    return 0;
}
