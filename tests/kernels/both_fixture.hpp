// SPDX-License-Identifier: MIT
#pragma once
/// @file both_fixture.hpp The same kernel on the interpreter and on a Vulkan driver.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <spirv-tools/libspirv.hpp>
#include <string>
#include <vector>

#include "exec/gpu/kernel/check.hpp"
#include "repartir/kernel.hpp"
#include "vulkan_runner.hpp"

namespace repartir::gpu {

enum class On { interpreter, driver };

/// Tests take kernels here. The driver is SwiftShader, or whichever VK_DRIVER_FILES names where
/// REPARTIR_KERNELS_ON is "device". Skipped where there is none. One driver serves all of a suite.
class OnBoth : public testing::TestWithParam<On> {
  protected:
    static void TearDownTestSuite() { driver().reset(); }

    void SetUp() override {
        if (GetParam() == On::interpreter || driver()) {
            return;
        }
        const char* on = std::getenv("REPARTIR_KERNELS_ON");
        if (on == nullptr || std::string(on) != "device") {
            const char* ours = std::getenv("REPARTIR_SWIFTSHADER");
            const char* found = nullptr;
            for (const char* file : {ours, "/usr/lib/chromium/vk_swiftshader_icd.json"}) {
                if (found == nullptr && file != nullptr && std::filesystem::exists(file)) {
                    found = file;
                }
            }
            if (found == nullptr) {
                GTEST_SKIP() << "no SwiftShader; ./dev test fetches it";
            }
            ::setenv("VK_DRIVER_FILES", found, 1);
        }
        driver() = std::make_unique<VulkanRunner>();
    }

    /// Checks the kernel's SPIR-V and runs it. Ranges that are not const come back changed.
    template <class... R>
    void run(const Kernel& kernel, std::array<std::uint32_t, 3> workgroups,
             const std::vector<std::byte>& pushed, R&... ranges) {
        ASSERT_EQ(kernel.error(), nullptr) << kernel.error()->sentence();
        ASSERT_EQ(spirv_problems(kernel.spirv()), "");
        expect_accepted(kernel);
        if (GetParam() == On::interpreter) {
            const Result<void> ran = run_on_cpu(kernel, {.workgroups = workgroups,
                                                         .buffers = {HostBuffer(ranges)...},
                                                         .push_constants = pushed,
                                                         .subgroup_size = subgroup_size()});
            ASSERT_TRUE(ran) << ran.error().sentence();
            return;
        }
        std::vector<std::vector<std::byte>> copies;
        const auto copy = [&](const auto& range) {
            const auto bytes = std::as_bytes(std::span(range));
            copies.emplace_back(bytes.begin(), bytes.end());
        };
        (copy(ranges), ...);
        std::vector<std::span<std::byte>> buffers(copies.begin(), copies.end());
        driver()->run(kernel, workgroups, buffers, pushed);
        std::size_t at = 0;
        const auto take_back = [&](auto& range) {
            if constexpr (!std::is_const_v<std::remove_reference_t<decltype(range)>>) {
                std::ranges::copy(copies[at], std::as_writable_bytes(std::span(range)).begin());
            }
            ++at;
        };
        (take_back(ranges), ...);
    }

    [[nodiscard]] static DeviceNeeds has() {
        return GetParam() == On::interpreter ? DeviceNeeds{true, true, true, true, true}
                                             : driver()->has();
    }
    [[nodiscard]] static std::uint32_t subgroup_size() {
        return GetParam() == On::interpreter ? 8 : driver()->subgroup_size();
    }

    /// What is emitted passes the checks that everybody's shaders pass, which see the same in it.
    static void expect_accepted(const Kernel& kernel) {
        const Result<Interface> seen = inspect(kernel.spirv(), "main");
        ASSERT_TRUE(seen) << seen.error().sentence();
        EXPECT_EQ(seen->workgroup_size, kernel.interface().workgroup);
        EXPECT_EQ(seen->bindings.size(), kernel.interface().buffers.size());
    }
    /// @return what spirv-val says against it.
    static std::string spirv_problems(std::span<const std::uint32_t> words) {
        spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
        std::string problems;
        tools.SetMessageConsumer([&](spv_message_level_t /*level*/, const char* /*source*/,
                                     const spv_position_t& position, const char* message) {
            problems += std::to_string(position.index) + ": " + message + "\n";
        });
        if (!tools.Validate(words.data(), words.size()) && problems.empty()) {
            problems = "not valid";
        }
        return problems;
    }

    static std::unique_ptr<VulkanRunner>& driver() {
        static std::unique_ptr<VulkanRunner> runner;
        return runner;
    }
};

}  // namespace repartir::gpu
