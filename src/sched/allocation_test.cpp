// SPDX-License-Identifier: MIT
// Nothing is allocated per spawned or submitted function once a pool is warm: every way into the
// allocator is counted. Sanitizers bring an allocator of their own; there the tests are skipped.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "repartir/task_group.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPARTIR_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPARTIR_COUNTS_ALLOCATIONS 0
#endif
#endif
#if !defined(REPARTIR_COUNTS_ALLOCATIONS)
#define REPARTIR_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

#if REPARTIR_COUNTS_ALLOCATIONS
// The C library's own functions, which it exports for those who replace the usual names.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
    allocations.fetch_add(1);
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    allocations.fetch_add(1);
    return __libc_calloc(count, bytes);
}
void* realloc(void* block, std::size_t bytes) {
    allocations.fetch_add(1);
    return __libc_realloc(block, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    allocations.fetch_add(1);
    return __libc_memalign(alignment, bytes);
}
}
#endif

namespace repartir::detail {
namespace {

class Allocation : public testing::Test {
  protected:
    void SetUp() override {
        if (REPARTIR_COUNTS_ALLOCATIONS == 0) {
            GTEST_SKIP() << "the sanitizer's allocator is not counted";
        }
    }
};

/// Runs `work` twice on a crew of two workers. @return what the second run allocated.
template <class Work>
std::uint64_t allocated_when_warm(Work&& work) {
    SchedulerOptions options;
    options.workers = 2;
    auto crew = Crew::create(options);
    if (!crew) {
        ADD_FAILURE() << crew.error().describe();
        return 0;
    }
    work(**crew);
    const std::uint64_t before = allocations.load();
    work(**crew);
    return allocations.load() - before;
}

std::uint64_t fib(Crew& crew, std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t forked = 0;
    TaskGroup group(crew);
    Spawned child([&] { forked = fib(crew, n - 1); });
    group.run(child);
    const std::uint64_t called = fib(crew, n - 2);
    static_cast<void>(group.wait());
    return forked + called;
}

TEST_F(Allocation, TheCounterCounts) {
    EXPECT_GE(allocated_when_warm([](Crew&) {
                  const std::unique_ptr<int> one = std::make_unique<int>(1);
                  int* volatile seen = one.get();  // not to be optimised away
                  EXPECT_NE(seen, nullptr);
              }),
              1U);
}

TEST_F(Allocation, NoneForSpawnedChildren) {
    EXPECT_EQ(allocated_when_warm([](Crew& crew) { EXPECT_EQ(fib(crew, 18), 2584U); }), 0U);
}

TEST_F(Allocation, NoneForClosuresInAGroup) {
    EXPECT_EQ(allocated_when_warm([](Crew& crew) {
                  for (int round = 0; round < 100; ++round) {
                      std::atomic<int> ran{0};
                      TaskGroup group(crew);
                      for (int i = 0; i < 100; ++i) {
                          group.run([&ran] { ran.fetch_add(1); });
                      }
                      EXPECT_TRUE(group.wait().has_value());
                      EXPECT_EQ(ran, 100);
                  }
              }),
              0U);
}

TEST_F(Allocation, NoneForSubmittedFunctions) {
    EXPECT_EQ(allocated_when_warm([](Crew& crew) {
                  for (int i = 0; i < 1000; ++i) {
                      auto pending = submit_function(crew, [i] { return i; }, Priority::normal);
                      // Not get(), which may run it here and leave its block in the queue.
                      EXPECT_TRUE(pending.wait_for(std::chrono::seconds(60)));
                      EXPECT_EQ(std::move(pending).get().value(), i);
                  }
              }),
              0U);
}

}  // namespace
}  // namespace repartir::detail
