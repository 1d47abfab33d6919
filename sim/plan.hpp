// SPDX-License-Identifier: MIT
#pragma once
/// @file plan.hpp What a run of the simulator is, and what comes of it.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "repartir/policy.hpp"

namespace repartir::sim {

// When addresses die of workers that have two: the first for a while, or for good.
inline constexpr base::BootTime first_death = std::chrono::seconds(15);
inline constexpr base::BootTime first_return = std::chrono::seconds(45);
inline constexpr base::BootTime second_death = std::chrono::seconds(60);

/// What is simulated.
struct Plan {
    std::uint64_t seed = 1;
    std::uint32_t clients = 1;
    std::uint32_t workers = 4;
    std::uint32_t tasks = 100;  ///< of all clients together
    std::uint32_t twins = 0;    ///< workers, the first ones, that have a second address
    bool first_fails = false;   ///< the first address of those does not work
    bool first_dies = false;    ///< as above, from some time on; or then the second one
    bool varied = false;        ///< each worker has some of the functions, and others in each life
    bool heavy = false;         ///< much input and output
    bool gives = false;         ///< the clients ask for tasks back all the time
    bool broken = false;        ///< workers fail by themselves, again and again
    bool urgent = false;        ///< almost all tasks are
    bool lengthy = false;       ///< those that take long take much longer
    bool faults = true;
    base::BootTime trouble = std::chrono::seconds(60);   ///< how long things go wrong
    base::BootTime patience = std::chrono::minutes(30);  ///< by when all must have ended after it
    bool trace = false;                                  ///< keep what happened

    /// @return how urgent that job is.
    [[nodiscard]] Priority priority_of(std::uint32_t job) const {
        if (urgent) {
            return job % 31 == 3   ? Priority::low
                   : job % 31 == 5 ? Priority::normal
                                   : Priority::high;
        }
        if (lengthy) {
            return static_cast<Priority>(job % 3);
        }
        return job % 7 == 0 ? Priority::high : job % 7 == 3 ? Priority::low : Priority::normal;
    }
};

/// Of who starts what is less urgent now and then, before the rest.
struct Turns {
    std::uint64_t starts = 0;
    std::uint64_t taken = 0;
    std::uint64_t missed = 0;  ///< starts since the latest turn, while somebody waited for one
};

/// What came of it.
struct Report {
    std::vector<std::string> broken;  ///< invariants, a sentence each; empty when all held
    std::vector<std::string> trace;   ///< what happened, with times
    std::uint64_t hash = 0;           ///< of what happened: the same for the same seed
    std::uint64_t messages = 0;
    base::BootTime took{0};
    std::map<std::string, std::uint64_t, std::less<>> troubles;  ///< how often, by name
};

}  // namespace repartir::sim
