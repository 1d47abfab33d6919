// SPDX-License-Identifier: MIT
#pragma once
/// @file on_worker.hpp Runs a function on a worker while the caller only sleeps.
///
/// get() would run a function that has not begun on the calling thread, and that thread would then
/// work beside the pool: one thread more than --workers says, and more than the peers have.
#include <chrono>
#include <utility>

#include "repartir/pool.hpp"

namespace bench {

/// @return what `work` gave, as its Pending does.
template <class F>
auto on_worker(repartir::Pool& pool, F&& work) {
    auto pending = pool.submit(std::forward<F>(work));
    pending.wait_for(std::chrono::hours(1));  // starts nothing on this thread
    return std::move(pending).get();
}

}  // namespace bench
