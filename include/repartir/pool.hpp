// SPDX-License-Identifier: MIT
#pragma once
/// @file pool.hpp One pool for functions, programs and pipelines.
// Interface (being built; signatures are settled):
//
// class Pool {                                            // move-only; destructor = shutdown(cancel)
//   static PoolBuilder builder();
//   template <class F> Pending<R> submit(F&& fn);         // any move-only callable, optionally taking a
//                                                         // std::stop_token; R = result, Result<U> flattened
//   template <class F> Pending<R> submit(FunctionTask<F>);// Task::function(fn) with priority, timeout, name
//   Pending<Outcome> submit(Task task);                   // refused: the Pending holds the Error
//   template <class Range, class F> Pending<std::vector<R>> map(Range inputs, F fn);   // owns its inputs
//   template <class F> Result<void> parallel_for(std::size_t first, std::size_t last, F body);  // blocks
//   Result<void> shutdown(Shutdown how);
//   Scheduler& scheduler(); SchedulerStats stats() const; std::uint32_t workers() const;
//   static bool on_pool_thread();
// };
// class PoolBuilder { cpu_workers(n) program_slots(n) gpu_workers(n) queue_capacity(n) on_full(OnFull)
//   pin_workers(bool) spare_workers(n) capture_limit(bytes) topology(Topology)
//   register_backend(Backend, unique_ptr<Executor>) ; Result<Pool> build() && ; }
