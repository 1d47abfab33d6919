// SPDX-License-Identifier: MIT
#include "sched/parker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sched/injector.hpp"

namespace repartir::sched {
namespace {

using detail::ParkWord;

/// The real thing, and counts its system calls.
struct CountingAtomics : FutexAtomics {
    static inline std::atomic<int> waits = 0;
    static inline std::atomic<int> wakes = 0;
    static void wait_while(const atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
        waits.fetch_add(1);
        FutexAtomics::wait_while(word, value);
    }
    static void wake_one(atomic<std::uint32_t>& word) noexcept {
        wakes.fetch_add(1);
        FutexAtomics::wake_one(word);
    }
};

using CountingParker = Parker<CountingAtomics>;

class ParkerTest : public testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        CountingAtomics::waits = 0;
        CountingAtomics::wakes = 0;
    }
    [[nodiscard]] ParkWord word() const { return ParkWord(parker.word().load()); }

    CountingParker parker{4, GetParam()};
};

TEST(ParkWord, WantsAWakeOnlyWhenSomebodySleepsAndNobodySearches) {
    const ParkWord quiet = ParkWord::initial(false);
    EXPECT_FALSE(quiet.wants_wake());
    EXPECT_TRUE(quiet.with(1, 0).wants_wake());
    EXPECT_TRUE(quiet.with(ParkWord::workers_max + 1, 0).wants_wake());
    EXPECT_FALSE(quiet.with(0, 1).wants_wake());
    EXPECT_FALSE(quiet.with(1, 1).wants_wake());
    EXPECT_TRUE(ParkWord::initial(true).wants_wake()) << "a fenced crew looks twice";
}

TEST(ParkWord, KeepsItsPartsApart) {
    ParkWord word = ParkWord::initial(true).with(ParkWord::workers_max + 1, 65535);
    EXPECT_EQ(word.top(), ParkWord::workers_max);
    EXPECT_EQ(word.searching(), 65535U);
    EXPECT_TRUE(word.fenced());
    const std::uint64_t tag = word.bits() >> 32U;
    word = word.with(0, -65535);
    EXPECT_EQ(word.searching(), 0U);
    EXPECT_FALSE(word.has_sleeper());
    EXPECT_TRUE(word.fenced());
    EXPECT_EQ(word.bits() >> 32U, tag + 1);
    const ParkWord last(0x7FFFFFFFFFFFFFFFULL);
    EXPECT_FALSE(last.with(0, 0).fenced()) << "the tag wraps without touching the fenced bit";
    EXPECT_EQ(last.with(0, 0).bits() >> 32U, 0U);
}

TEST_P(ParkerTest, NobodyAsleepMeansNoWakeUp) {
    parker.notify();
    parker.notify_after_release();
    parker.notify_own();
    EXPECT_FALSE(parker.wake_one());
    parker.begin_search();
    parker.notify();
    EXPECT_TRUE(parker.sole_searcher());
    EXPECT_FALSE(parker.end_search()) << "nobody sleeps: no duty to pass on";
    EXPECT_EQ(CountingAtomics::wakes, 0);
    EXPECT_EQ(word().searching(), 0U);
}

TEST_P(ParkerTest, AWakeBeforeTheWorkerParksCostsNoSystemCall) {
    parker.begin_search();
    parker.announce_sleep(2);
    EXPECT_EQ(word().searching(), 0U);
    parker.notify();
    parker.sleep(2);
    EXPECT_EQ(word().searching(), 1U) << "woken means searching";
    EXPECT_FALSE(word().has_sleeper());
    EXPECT_EQ(CountingAtomics::wakes, 0);
    EXPECT_EQ(CountingAtomics::waits, 0);
    parker.begin_search();
    EXPECT_FALSE(parker.sole_searcher());
}

TEST_P(ParkerTest, OneWakeUpAtATimeAndTheLastSearcherPassesTheDutyOn) {
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        parker.begin_search();
        parker.announce_sleep(worker);
    }
    parker.notify();
    parker.notify();
    EXPECT_EQ(word().searching(), 1U) << "the second submitter relies on the first's wake-up";
    EXPECT_EQ(word().top(), 1U);
    parker.sleep(2);
    EXPECT_TRUE(parker.end_search()) << "the last searcher, and others sleep";
    EXPECT_TRUE(parker.wake_one());
    parker.sleep(1);
    parker.begin_search();
    EXPECT_FALSE(parker.end_search()) << "another searcher is left";
    EXPECT_TRUE(parker.end_search());
    parker.notify_own();
    parker.sleep(0);
    EXPECT_FALSE(parker.end_search()) << "nobody is left asleep";
}

TEST_P(ParkerTest, ACancelledSleepLeavesAStaleEntryThatWakesNobody) {
    parker.begin_search();
    parker.announce_sleep(1);
    parker.cancel_sleep(1);
    EXPECT_EQ(word().searching(), 1U);
    static_cast<void>(parker.end_search());
    EXPECT_FALSE(parker.wake_one());
    EXPECT_EQ(word().searching(), 0U) << "the place as a searcher was given back";
    EXPECT_FALSE(word().has_sleeper()) << "the stale entry is gone";
    EXPECT_EQ(CountingAtomics::wakes, 0);
}

TEST_P(ParkerTest, AStaleEntryIsSkippedForTheNextSleeper) {
    for (std::uint32_t worker = 0; worker < 2; ++worker) {
        parker.begin_search();
        parker.announce_sleep(worker);
    }
    parker.cancel_sleep(1);
    static_cast<void>(parker.end_search());
    EXPECT_TRUE(parker.wake_one());
    parker.sleep(0);
    EXPECT_EQ(word().searching(), 1U);
    EXPECT_FALSE(word().has_sleeper());
}

TEST_P(ParkerTest, AStaleEntryIsRevivedByTheNextAnnouncement) {
    parker.begin_search();
    parker.announce_sleep(3);
    parker.cancel_sleep(3);
    parker.announce_sleep(3);
    EXPECT_EQ(word().searching(), 0U);
    EXPECT_EQ(word().top(), 3U);
    EXPECT_EQ(word().with(0, 0).head(), 0U);
    EXPECT_TRUE(parker.wake_one());
    EXPECT_FALSE(word().has_sleeper()) << "listed once only";
    parker.cancel_sleep(3);
    EXPECT_EQ(word().searching(), 1U) << "cancelling after a wake-up counts once";
}

TEST_P(ParkerTest, WakesTheLastSleeperFirstAndOnlyOne) {
    std::mutex mutex;
    std::vector<std::uint32_t> woken;
    std::atomic<int> count = 0;
    std::vector<std::jthread> threads;
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        std::latch announced(1);
        threads.emplace_back([&, worker] {
            parker.begin_search();
            parker.announce_sleep(worker);
            announced.count_down();
            parker.sleep(worker);
            {
                const std::lock_guard lock(mutex);
                woken.push_back(worker);
            }
            static_cast<void>(parker.end_search());
            count.fetch_add(1);
            count.notify_all();
        });
        announced.wait();
    }
    for (int expected = 1; expected <= 3; ++expected) {
        EXPECT_TRUE(parker.wake_one());
        count.wait(expected - 1);
    }
    EXPECT_EQ(woken, (std::vector<std::uint32_t>{2, 1, 0}));
    EXPECT_LE(CountingAtomics::wakes, 3);
}

TEST_P(ParkerTest, WakeAllReachesEverybody) {
    {
        std::vector<std::jthread> threads;
        std::latch announced(3);
        for (std::uint32_t worker = 0; worker < 3; ++worker) {
            threads.emplace_back([&, worker] {
                parker.begin_search();
                parker.announce_sleep(worker);
                announced.count_down();
                parker.sleep(worker);
            });
        }
        parker.begin_search();
        parker.announce_sleep(3);
        parker.cancel_sleep(3);
        announced.wait();
        parker.wake_all();
    }
    EXPECT_EQ(word().searching(), 4U) << "three who slept and the one who did not";
    EXPECT_FALSE(word().has_sleeper());
}

/// A small crew around one injector: how the class comment says to use the parker.
class SmallCrew {
  public:
    SmallCrew(std::uint32_t workers, bool asymmetric) : parker_(workers, asymmetric) {
        for (std::uint32_t worker = 0; worker < workers; ++worker) {
            threads_.emplace_back([this, worker] { work(worker); });
        }
    }
    ~SmallCrew() {
        stopping_.store(true);
        parker_.wake_all();
    }
    void submit() {
        while (!queue_.try_push(1)) {
            std::this_thread::yield();
        }
        parker_.notify();
    }
    std::atomic<std::uint64_t> ran = 0;

  private:
    void work(std::uint32_t worker) {
        for (;;) {
            while (queue_.try_pop()) {
                ran.fetch_add(1);
            }
            parker_.begin_search();
            while (queue_.empty()) {
                parker_.announce_sleep(worker);
                if (queue_.empty() && !stopping_.load()) {
                    parker_.sleep(worker);
                } else {
                    parker_.cancel_sleep(worker);
                }
                if (stopping_.load() && queue_.empty()) {
                    static_cast<void>(parker_.end_search());
                    return;
                }
            }
            const bool took = queue_.try_pop().has_value();
            if (parker_.end_search() && !queue_.empty()) {
                parker_.wake_one();
            }
            ran.fetch_add(took ? 1 : 0);
        }
    }

    CountingParker parker_;
    Injector<std::uint64_t> queue_{64};
    std::atomic<bool> stopping_ = false;
    std::vector<std::jthread> threads_;
};

TEST_P(ParkerTest, NoTaskIsLeftBehindUnderStress) {
    for (std::uint64_t round = 1; round <= 200; ++round) {
        SmallCrew crew(3, GetParam());
        std::vector<std::jthread> submitters;
        for (int submitter = 0; submitter < 2; ++submitter) {
            submitters.emplace_back([&] {
                for (std::uint64_t task = 0; task < round; ++task) {
                    crew.submit();
                }
            });
        }
        submitters.clear();
        // No more submissions come: a lost wake-up would leave tasks in the queue for ever.
        while (crew.ran.load() != 2 * round) {
            std::this_thread::yield();
        }
    }
}

TEST_P(ParkerTest, PingPongWakesOnceATaskAtMost) {
    SmallCrew crew(3, GetParam());
    for (std::uint64_t task = 1; task <= 2000; ++task) {
        crew.submit();
        while (crew.ran.load() != task) {
            std::this_thread::yield();
        }
    }
    EXPECT_LE(CountingAtomics::wakes, 2000);
}

INSTANTIATE_TEST_SUITE_P(Fences, ParkerTest, testing::Bool(),
                         [](const auto& name) { return name.param ? "Asymmetric" : "Symmetric"; });

}  // namespace
}  // namespace repartir::sched
