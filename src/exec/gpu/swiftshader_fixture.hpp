// SPDX-License-Identifier: MIT
#pragma once
/// @file swiftshader_fixture.hpp Tests on a real driver that needs no GPU.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace repartir::gpu {

/// SwiftShader is the only Vulkan driver. Skipped where it is not there.
class OnSwiftShader : public testing::Test {
  protected:
    void SetUp() override {
        const char* ours = std::getenv("REPARTIR_SWIFTSHADER");
        for (const char* file : {ours, "/usr/lib/chromium/vk_swiftshader_icd.json"}) {
            if (file != nullptr && std::filesystem::exists(file)) {
                ::setenv("VK_DRIVER_FILES", file, 1);
                return;
            }
        }
        GTEST_SKIP() << "no SwiftShader; ./dev test fetches it (Debian: chromium-common)";
    }
};

}  // namespace repartir::gpu
