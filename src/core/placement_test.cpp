// SPDX-License-Identifier: MIT
#include "core/placement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace repartir::core {
namespace {

using testing::HasSubstr;

Site site(Backend backend, std::uint32_t slots, std::uint64_t memory = 0, bool cgroup = false) {
    return Site{backend, slots, slots, memory, memory, cgroup};
}

const std::vector<Site> three{site(Backend::cpu, 4, 1000), site(Backend::gpu, 1),
                              site(Backend::remote, 16, 0, true)};

TEST(Placement, DemandComesFromTheTask) {
    Limits limits;
    limits.resident_bytes = 1;
    const Demand demand = demand_of(Task::binary("p")
                                        .cores(3)
                                        .memory(77)
                                        .backend(Backend::cpu)
                                        .affinity(Affinity::cpu_only)
                                        .limits(limits));
    EXPECT_EQ(demand.cores, 3U);
    EXPECT_EQ(demand.memory_bytes, 77U);
    EXPECT_EQ(demand.backend, Backend::cpu);
    EXPECT_EQ(demand.affinity, Affinity::cpu_only);
    EXPECT_TRUE(demand.cgroup_limits);
}

TEST(Placement, AProgramGoesWhereThePoolHasCpusUnlessItSaysOtherwise) {
    const auto set = [](Backend backend, Affinity affinity) {
        return eligible(Demand{backend, affinity, 1, 0, false}, three);
    };
    EXPECT_EQ(set(Backend::any, Affinity::none), 0b101U);
    EXPECT_EQ(set(Backend::any, Affinity::remote_allowed), 0b101U);
    EXPECT_EQ(set(Backend::any, Affinity::gpu_required), 0b010U);
    EXPECT_EQ(set(Backend::any, Affinity::cpu_only), 0b001U);
    EXPECT_EQ(set(Backend::remote, Affinity::none), 0b100U);
    EXPECT_EQ(set(Backend::gpu, Affinity::none), 0b010U);
    EXPECT_EQ(set(Backend::gpu, Affinity::remote_allowed), 0b010U);
    EXPECT_EQ(set(Backend::cpu, Affinity::gpu_required), 0U);
}

TEST(Placement, AShaderGoesToACpuOnlyWhereItMay) {
    auto sites = three;
    const auto set = [&](Backend backend, Affinity affinity, bool cpu_fallback) {
        Demand demand{backend, affinity};
        demand.shader = true;
        demand.cpu_fallback = cpu_fallback;
        return eligible(demand, sites);
    };
    EXPECT_EQ(set(Backend::any, Affinity::none, false), 0b010U) << "no worker has a GPU";
    EXPECT_EQ(set(Backend::any, Affinity::none, true), 0b011U);
    EXPECT_EQ(set(Backend::gpu, Affinity::none, true), 0b010U);
    sites[2].gpus = true;
    EXPECT_EQ(set(Backend::any, Affinity::none, false), 0b110U);
    EXPECT_EQ(set(Backend::any, Affinity::none, true), 0b111U);
    EXPECT_EQ(set(Backend::gpu, Affinity::none, true), 0b110U);
    EXPECT_EQ(set(Backend::remote, Affinity::none, true), 0b100U);
    EXPECT_EQ(set(Backend::cpu, Affinity::none, false), 0b001U);
    EXPECT_EQ(set(Backend::any, Affinity::cpu_only, false), 0b001U);
    const Task task = Task::shader(Shader::wgsl("-")).cpu_fallback();
    EXPECT_TRUE(demand_of(task).cpu_fallback);
    EXPECT_FALSE(demand_of(Task(task).affinity(Affinity::gpu_required)).cpu_fallback);
}

TEST(Placement, AShaderWaitsForAWorkerWithAGpu) {
    Demand shader;
    shader.shader = true;
    Site workers{.backend = Backend::remote, .slots = 4, .free_slots = 4, .elastic = true};
    EXPECT_EQ(eligible(shader, std::span(&workers, 1)), 1U);
    EXPECT_FALSE(fits(shader, workers));
    EXPECT_FALSE(has_room(shader, workers));
    EXPECT_EQ(why_never(shader, std::span(&workers, 1)),
              "a shader needs a GPU, and no worker in reach has one: start one with a GPU");
    workers.gpus = true;
    EXPECT_TRUE(fits(shader, workers));
    EXPECT_TRUE(has_room(shader, workers));
    EXPECT_TRUE(has_room({}, workers));
}

TEST(Placement, AGpuIsPreferredToACpuForShadersOnly) {
    Demand shader;
    shader.shader = shader.cpu_fallback = true;
    EXPECT_EQ(preferred(shader, 0b111U, three), 0b110U);
    EXPECT_EQ(preferred(shader, 0b101U, three), 0b101U) << "no worker has a GPU yet";
    auto with_gpus = three;
    with_gpus[2].gpus = true;
    EXPECT_EQ(preferred(shader, 0b101U, with_gpus), 0b100U);
    EXPECT_EQ(preferred(shader, 0b011U, three), 0b010U);
    EXPECT_EQ(preferred(shader, 0b001U, three), 0b001U);
    EXPECT_EQ(preferred(shader, 0U, three), 0U);
    EXPECT_EQ(preferred({}, 0b111U, three), 0b111U);
}

TEST(Placement, SizeDecidesWhoIsEligible) {
    const auto set = [](std::uint32_t cores, std::uint64_t memory, bool cgroup) {
        return eligible(Demand{Backend::any, Affinity::remote_allowed, cores, memory, cgroup},
                        three);
    };
    EXPECT_EQ(set(4, 0, false), 0b101U);
    EXPECT_EQ(set(5, 0, false), 0b100U);
    EXPECT_EQ(set(17, 0, false), 0U);
    EXPECT_EQ(set(1, 1001, false), 0b100U);
    EXPECT_EQ(set(1, 0, true), 0b100U);
}

TEST(Placement, FirstWithRoomInOrderOfRegistration) {
    std::vector<Site> sites{site(Backend::cpu, 2), site(Backend::cpu, 2, 100)};
    const Demand demand{Backend::any, Affinity::none, 1, 60, false};
    const SiteSet all = eligible(demand, sites);
    EXPECT_EQ(all, 0b11U);
    EXPECT_EQ(place(demand, all, sites), 0U);
    take(demand, sites[0]);
    take(demand, sites[0]);
    EXPECT_EQ(place(demand, all, sites), 1U);
    EXPECT_EQ(place(demand, 0b01U, sites), std::nullopt);
    take(demand, sites[1]);
    EXPECT_EQ(sites[1].free_memory_bytes, 40U);
    EXPECT_EQ(place(demand, all, sites), std::nullopt) << "a slot is free, the memory is not";
    give_back(demand, sites[1]);
    EXPECT_EQ(sites[1].free_memory_bytes, 100U);
    EXPECT_EQ(sites[1].free_slots, 2U);
    give_back(demand, sites[0]);
    EXPECT_EQ(place(demand, all, sites), 0U);
}

TEST(Placement, AnElasticSiteIsEligibleWhateverItsSize) {
    std::vector<Site> sites{site(Backend::remote, 0, 0, true)};
    const Demand wide{Backend::remote, Affinity::none, 8, 1 << 20, true};
    EXPECT_EQ(eligible(wide, sites), 0U);
    sites[0].elastic = true;
    EXPECT_EQ(eligible(wide, sites), 1U);
    EXPECT_FALSE(fits(wide, sites[0]));
    EXPECT_EQ(place(wide, 1, sites), std::nullopt);
    resize(sites[0], 8, 1 << 20);
    EXPECT_TRUE(fits(wide, sites[0]));
    EXPECT_EQ(place(wide, 1, sites), 0U);
    sites[0].task_slots_max = 7;
    EXPECT_FALSE(fits(wide, sites[0]));
    EXPECT_EQ(place(wide, 1, sites), std::nullopt);
    sites[0].cgroup_limits = false;
    EXPECT_EQ(eligible(wide, sites), 0U) << "that does not grow";
}

TEST(Placement, WhatIsBookedStaysBookedWhenASiteShrinks) {
    Site one = site(Backend::remote, 8, 800);
    const Demand demand{Backend::any, Affinity::remote_allowed, 2, 200, false};
    take(demand, one), take(demand, one), take(demand, one);
    resize(one, 3, 300);
    EXPECT_EQ(one.free_slots, 0U);
    EXPECT_EQ(one.overbooked_slots, 3U);
    EXPECT_EQ(one.overbooked_bytes, 300U);
    give_back(demand, one);
    EXPECT_EQ(one.free_slots, 0U);
    EXPECT_EQ(one.overbooked_slots, 1U);
    give_back(demand, one);
    EXPECT_EQ(one.free_slots, 1U);
    EXPECT_EQ(one.free_memory_bytes, 100U);
    resize(one, 10, 1000);
    EXPECT_EQ(one.free_slots, 8U);
    EXPECT_EQ(one.free_memory_bytes, 800U);
    give_back(demand, one);
    EXPECT_EQ(one.free_slots, 10U);
    EXPECT_EQ(one.free_memory_bytes, 1000U);
    EXPECT_EQ(one.overbooked_slots, 0U);
}

TEST(Placement, MemoryThatWasNotCountedWhenItWasBookedIsNotGivenBack) {
    Site one = site(Backend::remote, 8);
    const Demand demand{Backend::any, Affinity::remote_allowed, 1, 200, false};
    take(demand, one);
    resize(one, 8, 300);
    give_back(demand, one);
    EXPECT_EQ(one.free_memory_bytes, 300U);
}

TEST(Placement, SaysWhyNeverWithTheNumbers) {
    EXPECT_THAT(why_never(Demand{}, {}), HasSubstr("no registered executor"));
    EXPECT_THAT(why_never(Demand{Backend::cpu, Affinity::none, 9, 0, false}, three),
                HasSubstr("9 cores, the largest executor has 4"));
    EXPECT_THAT(why_never(Demand{Backend::cpu, Affinity::none, 1, 5000, false}, three),
                HasSubstr("5000 bytes of memory, the largest executor has 1000"));
    EXPECT_THAT(why_never(Demand{Backend::cpu, Affinity::none, 1, 0, true}, three),
                HasSubstr("cgroup"));
    const std::vector<Site> split{site(Backend::cpu, 8, 10), site(Backend::cpu, 1, 1000)};
    EXPECT_THAT(why_never(Demand{Backend::cpu, Affinity::none, 8, 1000, false}, split),
                HasSubstr("in one place"));
}

}  // namespace
}  // namespace repartir::core
