// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp How soon a sleeping pool starts a task, and what it costs while it sleeps.
///
/// Modes: `latency` lets the pool sleep for 3 ms, submits a function and takes the time until the
/// function's first instruction; `idle` watches a pool that has worked and has nothing to do for
/// --seconds, and reports the CPU time and the context switches of all its threads and helpers.
#include <cstdint>

#include "bench/harness/harness.hpp"

namespace bench::wake {

inline constexpr std::uint64_t samples = 300;
inline constexpr std::uint64_t pause_us = 3000;

}  // namespace bench::wake
