// SPDX-License-Identifier: MIT
#include "cli/machine_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

MachineReport two_cpus() {
    MachineReport report;
    report.kernel = "Linux";
    report.topology.cpus = {Cpu{0, 0, 0, 0, 0}, Cpu{1, 0, 0, 0, 0}, Cpu{2, 1, 0, 1, 0}};
    report.topology.quota_centi_cpus = 105;
    report.memory_total_bytes = 8ULL << 30U;
    report.memory_granted_bytes = 2ULL << 30U;
    report.caches = {CacheKind{1, "Data", "32K", 2}};
    report.features = {Feature{"landlock", true, "ABI 4"}, Feature{"seccomp", false, ""}};
    return report;
}

TEST(MachineReport, ForPeople) {
    const std::string text = report_text(two_cpus());
    EXPECT_THAT(text, HasSubstr("3 usable, on 2 cores, 1 sockets, 2 NUMA nodes"));
    EXPECT_THAT(text, HasSubstr("1.05 CPUs by cgroup"));
    EXPECT_THAT(text, HasSubstr("workers     2 by default"));
    EXPECT_THAT(text, HasSubstr("8.0 GiB, of which a cgroup grants 2.0 GiB"));
    EXPECT_THAT(text, HasSubstr("L1 Data 32K x 2"));
    EXPECT_THAT(text, HasSubstr("yes         landlock: ABI 4"));
    EXPECT_THAT(text, HasSubstr("no          seccomp\n"));
}

TEST(MachineReport, WhatIsNotKnownIsNotZero) {
    const std::string text = report_text(MachineReport{});
    EXPECT_THAT(text, HasSubstr("processor   not known without /proc\n"));
    EXPECT_THAT(text, HasSubstr("memory      not known\n"));
    EXPECT_GT(read_machine().memory_total_bytes, 0U);
}

TEST(MachineReport, ForPrograms) {
    const auto json = nlohmann::json::parse(report_json(two_cpus()));
    EXPECT_EQ(json["v"], 1);
    EXPECT_EQ(json["cpus"].size(), 3U);
    EXPECT_EQ(json["cpus"][2]["numa_node"], 1);
    EXPECT_EQ(json["default_workers"], 2);
    EXPECT_EQ(json["caches"][0]["size"], "32K");
    EXPECT_EQ(json["features"][0]["available"], true);
}

TEST(MachineReport, SharedCachesCountOnce) {
    namespace fs = std::filesystem;
    std::string pattern = testing::TempDir() + "caches-XXXXXX";
    const fs::path folder = ::mkdtemp(pattern.data());
    const auto write = [&](const char* cpu, const char* index, const char* level,
                           const char* shared) {
        const fs::path at = folder / cpu / "cache" / index;
        fs::create_directories(at);
        std::ofstream(at / "level") << level << "\n";
        std::ofstream(at / "type") << "Unified\n";
        std::ofstream(at / "size") << "1M\n";
        std::ofstream(at / "shared_cpu_list") << shared << "\n";
    };
    write("cpu0", "index0", "2", "0");
    write("cpu1", "index0", "2", "1");
    write("cpu0", "index1", "3", "0-1");
    write("cpu1", "index1", "3", "0-1");
    fs::create_directories(folder / "cpufreq");
    EXPECT_THAT(read_caches(folder.string()),
                ElementsAre(CacheKind{2, "Unified", "1M", 2}, CacheKind{3, "Unified", "1M", 1}));
    fs::remove_all(folder);
    EXPECT_TRUE(read_caches("/nonexistent").empty());
}

}  // namespace
}  // namespace repartir::cli
