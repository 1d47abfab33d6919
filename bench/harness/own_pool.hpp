// SPDX-License-Identifier: MIT
#pragma once
/// @file own_pool.hpp The pool that our side of a problem is measured with.
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "bench/harness/harness.hpp"
#include "repartir/pool.hpp"

namespace bench {

/// @return what `builder` makes; ends the program with 1 and a sentence where it cannot.
[[nodiscard]] inline repartir::Pool own_pool(repartir::PoolBuilder&& builder) {
    auto pool = std::move(builder).build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        std::exit(1);
    }
    return *std::move(pool);
}

/// As above, with --workers workers.
[[nodiscard]] inline repartir::Pool own_pool(const Options& options) {
    return own_pool(repartir::Pool::builder().cpu_workers(options.workers));
}

}  // namespace bench
