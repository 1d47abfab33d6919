// SPDX-License-Identifier: MIT
#include "exec/gpu/vulkan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "exec/gpu/swiftshader_fixture.hpp"

namespace repartir::gpu {
namespace {

using testing::HasSubstr;

class VulkanOnSwiftShader : public OnSwiftShader {};

Error refused(const std::string& loader) {
    const auto vulkan = Vulkan::open(loader);
    EXPECT_FALSE(vulkan);
    return vulkan ? Error(Domain::gpu, Code::internal, Fault::node, "it opened") : vulkan.error();
}

TEST(Vulkan, ALoaderThatIsNotThereIsAnOrdinaryAnswer) {
    const Error error = refused("libno-such-vulkan.so.1");
    EXPECT_EQ(error.domain(), Domain::gpu);
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_FALSE(error.retryable());
    EXPECT_EQ(error.sentence(),
              "no Vulkan loader (libno-such-vulkan.so.1) is installed; Debian's"
              " is in the package libvulkan1");
}

TEST(Vulkan, WhatIsNoLoader) {
    EXPECT_THAT(refused("/dev/null").sentence(), HasSubstr("cannot be opened: /dev/null"));
    EXPECT_THAT(refused("libm.so.6").sentence(), HasSubstr("it has no vkGetInstanceProcAddr"));
    EXPECT_EQ(refused("libm.so.6").code(), Code::unsupported);
}

TEST(Vulkan, NoDriverNamesTheVariableThatHidesThem) {
    ::setenv("VK_DRIVER_FILES", "/nonexistent.json", 1);
    const Error error = refused(vulkan_loader);
    ::unsetenv("VK_DRIVER_FILES");
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_THAT(error.sentence(), HasSubstr("VK_DRIVER_FILES names: /nonexistent.json"));
    ::setenv("VK_ICD_FILENAMES", "/other.json", 1);
    EXPECT_THAT(refused(vulkan_loader).sentence(), HasSubstr("VK_ICD_FILENAMES names: /other"));
    ::unsetenv("VK_ICD_FILENAMES");
}

TEST(Vulkan, ResultsHaveNames) {
    for (const VkResult result :
         {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY,
          VK_ERROR_INITIALIZATION_FAILED, VK_ERROR_DEVICE_LOST, VK_ERROR_LAYER_NOT_PRESENT,
          VK_ERROR_EXTENSION_NOT_PRESENT, VK_ERROR_INCOMPATIBLE_DRIVER}) {
        EXPECT_THAT(name_of(result), testing::StartsWith("VK_ERROR_"));
    }
    EXPECT_EQ(name_of(VK_ERROR_FRAGMENTED_POOL), "VkResult -12");
}

TEST_F(VulkanOnSwiftShader, OpensAndFindsItsDevice) {
    for (int time = 0; time < 3; ++time) {  // it can be closed and opened again
        const auto vulkan = Vulkan::open();
        ASSERT_TRUE(vulkan) << vulkan.error().sentence();
        const auto devices = (*vulkan)->devices();
        ASSERT_TRUE(devices) << devices.error().sentence();
        EXPECT_EQ(devices->size(), 1U);
    }
}

}  // namespace
}  // namespace repartir::gpu
