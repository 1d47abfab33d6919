// SPDX-License-Identifier: MIT
#include "core/cost.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

constexpr SiteSet both = 0b11;

Site here(std::uint32_t slots) { return Site{Backend::cpu, slots, slots, 0, 0, false}; }

Site there(std::uint32_t slots, base::BootTime round_trip) {
    Site site{Backend::remote, slots, slots, 0, 0, false};
    site.elastic = true;
    site.running_slots = slots;
    site.round_trip = round_trip;
    return site;
}

void fill(Site& site) { site.free_slots = 0; }

Question ask(const Learnt* learnt, std::span<const base::BootTime> queue = {}) {
    return {Demand{Backend::any, Affinity::remote_allowed, 1, 0, false}, both, 0, learnt, 0, queue};
}

TEST(CostBook, SmoothsWhatItLearnsPerNameAndSite) {
    CostBook book;
    EXPECT_EQ(book.find("a"), nullptr);
    book.ran("a", 1, 100ms, 4000);
    const Learnt& a = *book.find("a");
    EXPECT_EQ(a.seen_at(0), std::nullopt);
    EXPECT_EQ(a.seen_at(1), 100ms);
    EXPECT_EQ(a.run_at(0), 100ms) << "the best guess";
    EXPECT_EQ(a.run_at(7), 100ms);
    EXPECT_EQ(a.output_bytes(), 4000U);
    book.ran("a", 1, 200ms, 8000);
    book.ran("a", 0, 1s, 5000);
    EXPECT_EQ(book.find("a")->run_at(1), 125ms);
    EXPECT_EQ(book.find("a")->run_at(0), 1s);
    EXPECT_EQ(book.find("a")->output_bytes(), 5000U);
    EXPECT_EQ(book.find("b"), nullptr);
}

TEST(CostBook, ForgetsTheNameThatWasLearntOfTheLongestTimeAgo) {
    CostBook book(3);
    for (const char* name : {"a", "b", "c", "a", "d"}) {
        book.ran(name, 0, 1ms, 0);
    }
    EXPECT_EQ(book.size(), 3U);
    EXPECT_NE(book.find("a"), nullptr);
    EXPECT_EQ(book.find("b"), nullptr);
    EXPECT_NE(book.find("d"), nullptr);
    for (int i = 0; i < 10'000; ++i) {
        book.ran("name " + std::to_string(i), 2, 1ms, 0);
    }
    EXPECT_EQ(book.size(), 3U);
    EXPECT_NE(book.find("name 9999"), nullptr);
}

TEST(CostBook, NoSampleIsTooWild) {
    CostBook book;
    book.ran("a", 0, base::BootTime::max(), UINT64_MAX);
    EXPECT_EQ(book.find("a")->run_at(0), run_max);
    book.ran("a", 0, base::BootTime::min(), UINT64_MAX);
    EXPECT_EQ(book.find("a")->run_at(0), run_max - run_max / 4);
    std::vector<Site> sites{here(1), there(1, base::BootTime::max())};
    sites[1].mean_run = run_max;
    sites[1].bytes_per_second = 1;
    sites[1].overbooked_slots = UINT32_MAX;
    const std::array<base::BootTime, 2> queue{run_max, run_max};
    fill(sites[0]), fill(sites[1]);
    Question question = ask(book.find("a"), queue);
    question.bytes = UINT64_MAX;
    EXPECT_GT(prospect(question, 1, sites).finish(), base::BootTime(0)) << "it does not overflow";
    EXPECT_EQ(choose(question, sites).site, std::nullopt);
}

TEST(Choose, WhileNothingIsKnownNearBeforeFarAndFarBeforeWaiting) {
    std::vector<Site> sites{there(1, 50ms), here(1)};
    EXPECT_EQ(choose(ask(nullptr), sites).site, 1U) << "although it was registered later";
    fill(sites[1]);
    EXPECT_EQ(choose(ask(nullptr), sites).site, 0U) << "that is how it becomes known";
    fill(sites[0]);
    const Choice waits = choose(ask(nullptr), sites);
    EXPECT_EQ(waits.site, std::nullopt);
    EXPECT_EQ(waits.waits_for, both);
    resize(sites[0], 0, 0);
    EXPECT_EQ(choose(ask(nullptr), sites).waits_for, 0b10U) << "nobody is there";
}

TEST(Choose, NearOfEquals) {
    CostBook book;
    book.ran("a", 0, 1s, 0);
    std::vector<Site> sites{there(1, 0ms), here(1)};
    EXPECT_EQ(choose(ask(book.find("a")), sites).site, 1U);
    fill(sites[1]);
    EXPECT_EQ(choose(ask(book.find("a")), sites).site, 0U) << "waiting is never as good";
}

TEST(Choose, WhereItIsDoneFirst) {
    CostBook book;
    book.ran("a", 0, 10s, 0);
    book.ran("a", 1, 1s, 0);
    std::vector<Site> sites{here(1), there(1, 50ms)};
    EXPECT_EQ(choose(ask(book.find("a")), sites).site, 1U) << "a faster machine";
    sites[1].bytes_per_second = 1'000'000;
    Question heavy = ask(book.find("a"));
    heavy.bytes = 8'900'000;
    EXPECT_EQ(choose(heavy, sites).site, 1U) << "8.9 s on the way";
    heavy.bytes = 9'000'000;
    EXPECT_EQ(choose(heavy, sites).site, 0U);
    fill(sites[1]);
    const std::array<base::BootTime, 2> queue{0s, 2s};
    const Choice waits = choose(ask(book.find("a"), queue), sites);
    EXPECT_EQ(waits.site, std::nullopt) << "rather than 10 s here";
    EXPECT_EQ(waits.waits_for, 0b10U) << "it holds nobody back here";
    EXPECT_EQ(choose(heavy, sites).site, 0U);
}

TEST(Choose, WhatWaitsThereAlreadyCounts) {
    CostBook book;
    book.ran("a", 0, 1s, 0);
    std::vector<Site> sites{here(1), there(4, 50ms)};
    fill(sites[0]);
    sites[1].running_slots = 2;
    sites[1].mean_run = 1s;
    const std::array<base::BootTime, 2> queue{1s, 500ms};  // itself, and nothing else
    sites[1].free_slots = 3;                               // one runs
    EXPECT_EQ(prospect(ask(book.find("a"), queue), 1, sites).wait, 0s);
    EXPECT_EQ(choose(ask(book.find("a"), queue), sites).site, 1U);
    sites[1].free_slots = 1;  // two run, one waits
    EXPECT_EQ(prospect(ask(book.find("a"), queue), 1, sites).wait, 1s);
    const Choice waits = choose(ask(book.find("a"), queue), sites);
    EXPECT_EQ(waits.site, std::nullopt);
    EXPECT_EQ(waits.waits_for, 0b01U);
    sites[1].free_slots = 4;
    sites[1].busy_slots = 2;  // with what was not booked here
    EXPECT_EQ(prospect(ask(book.find("a"), queue), 1, sites).wait, 1s);
    sites[1].busy_slots = 1;
    EXPECT_EQ(prospect(ask(book.find("a"), queue), 1, sites).wait, 0s);
}

TEST(Choose, AShortTaskTravelsOnlyWhenTheWorkHereIsWorthTwentyTrips) {
    CostBook book;
    book.ran("a", 0, 1ms, 0);
    std::vector<Site> sites{here(2), there(2, 50ms)};
    fill(sites[0]);
    const auto with_queue = [&](base::BootTime time) {
        const std::array<base::BootTime, 2> queue{time, 0s};
        return choose(ask(book.find("a"), queue), sites);
    };
    EXPECT_EQ(with_queue(100ms).site, std::nullopt);
    EXPECT_EQ(with_queue(100ms).waits_for, 0b01U);
    EXPECT_EQ(with_queue(1s).site, std::nullopt);
    EXPECT_EQ(with_queue(1001ms).site, 1U);
    book.ran("long", 0, 60ms, 0);
    const std::array<base::BootTime, 2> queue{60ms, 0s};
    EXPECT_EQ(choose(ask(book.find("long"), queue), sites).site, 1U) << "longer than the trip";
    Question elsewhere = ask(book.find("a"), queue);
    elsewhere.among = 0b10;
    EXPECT_EQ(choose(elsewhere, sites).site, 1U) << "it has no choice";
}

TEST(Choose, WhereAnotherWaitsAheadThereIsNoRoom) {
    CostBook book;
    book.ran("a", 0, 1s, 0);
    std::vector<Site> sites{here(2), there(2, 50ms)};
    Question question = ask(book.find("a"));
    question.blocked = 0b01;
    const std::array<base::BootTime, 2> queue{500ms, 0s};
    question.queue = queue;
    EXPECT_EQ(choose(question, sites).site, 1U);
    question.blocked = both;
    EXPECT_EQ(choose(question, sites).site, std::nullopt);
}

TEST(BetterBack, OnlyWhatWouldBeDoneSoonerHere) {
    CostBook book;
    book.ran("a", 0, 1s, 0);
    book.ran("short", 0, 1ms, 0);
    std::vector<Site> sites{here(1), there(8, 50ms)};
    Site& far = sites[1];
    far.running_slots = 2;
    far.mean_run = 1s;
    far.free_slots = 6;
    EXPECT_FALSE(better_back(ask(book.find("a")), 1, 0, sites)) << "all of them run";
    far.free_slots = 5;
    EXPECT_TRUE(better_back(ask(book.find("a")), 1, 0, sites));
    EXPECT_TRUE(better_back(ask(nullptr), 1, 0, sites));
    far.free_slots = 7;
    EXPECT_FALSE(better_back(ask(book.find("a")), 1, 0, sites)) << "the only one runs";
    far.busy_slots = 2;
    EXPECT_TRUE(better_back(ask(book.find("a")), 1, 0, sites)) << "others' work runs";
    far.busy_slots = 0;
    far.free_slots = 5;
    far.mean_run = 1ms;
    EXPECT_FALSE(better_back(ask(book.find("short")), 1, 0, sites))
        << "it is done before it is back";
    fill(sites[0]);
    far.mean_run = 1s;
    EXPECT_FALSE(better_back(ask(book.find("a")), 1, 0, sites)) << "there is no room here";
    sites[0].free_slots = 1;
    resize(far, 0, 0);
    EXPECT_TRUE(better_back(ask(book.find("short")), 1, 0, sites)) << "nobody is there any more";
}

TEST(QueueTime, OneBehindTheOtherOnEachSlot) {
    EXPECT_EQ(queue_time(2000, 1ms, 1, here(2)), 1s);
    EXPECT_EQ(queue_time(3, 1s, 2, here(4)), 1500ms);
    EXPECT_EQ(queue_time(3, base::BootTime(-1), 2, here(4)), 0s) << "not known";
    EXPECT_EQ(queue_time(UINT64_MAX / 8, run_max, 2, here(4)), run_max);
    EXPECT_EQ(queue_time(1, 1s, 1, there(0, 1ms)), run_max);
}

TEST(Learnt, OverdueIsThreeTimesAndASecondAndLongerThanEver) {
    CostBook book;
    book.ran("a", 0, 3s, 0);
    book.ran("a", 0, 3s, 0);
    EXPECT_FALSE(book.find("a")->overdue(0, 1h)) << "few to compare with";
    book.ran("a", 0, 3s, 0);
    EXPECT_FALSE(book.find("a")->overdue(0, 10s));
    EXPECT_TRUE(book.find("a")->overdue(0, 10s + 1ns));
    EXPECT_FALSE(book.find("a")->overdue(1, 1h)) << "elsewhere";
    book.ran("a", 0, 100s, 0);
    for (int i = 0; i < 40; ++i) {
        book.ran("a", 0, 3s, 0);
    }
    EXPECT_FALSE(book.find("a")->overdue(0, 90s)) << "some take that long";
    EXPECT_TRUE(book.find("a")->overdue(0, 101s));
    for (int i = 0; i < 40; ++i) {
        book.ran("short", 0, 1us, 0);
        book.ran("long", 0, base::BootTime::max(), 0);
    }
    EXPECT_FALSE(book.find("short")->overdue(0, 900ms)) << "not worth a word";
    EXPECT_FALSE(book.find("long")->overdue(0, base::BootTime::max()));
}

TEST(BytesToMove, ProgramsAndInput) {
    const Task task = Task::pipeline(Task::binary("cat", "x").stdin_bytes(std::string(1000, 'x')),
                                     Task::binary("wc"));
    EXPECT_EQ(bytes_to_move(task), 1000U + 6U + 3U);
}

}  // namespace
}  // namespace repartir::core
