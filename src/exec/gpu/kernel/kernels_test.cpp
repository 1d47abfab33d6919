// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/kernels.hpp"

#include <gtest/gtest.h>

#include <string>

namespace repartir::gpu {
namespace {

std::string glsl(int number) {
    return "#version 450\nlayout(local_size_x = " + std::to_string(number) + ") in; void main() {}";
}

TEST(Kernels, EachIsCompiledOnce) {
    Kernels kernels;
    const KernelPtr first = kernels.get(Shader::glsl(glsl(1)), "main").value();
    EXPECT_EQ(kernels.get(Shader::glsl(glsl(1)), "main").value(), first);
    EXPECT_NE(kernels.get(Shader::glsl(glsl(2)), "main").value(), first);
    EXPECT_EQ(first->interface.workgroup_size[0], 1U);
    const KernelPtr same = kernels.get(Shader::spirv(first->words), "").value();
    EXPECT_EQ(same->words, first->words);
}

TEST(Kernels, TheOldestGo) {
    Kernels kernels;
    const KernelPtr first = kernels.get(Shader::glsl(glsl(1)), "main").value();
    for (int i = 2; i < 300; ++i) {
        ASSERT_TRUE(kernels.get(Shader::glsl(glsl(i)), "main").has_value());
    }
    EXPECT_EQ(first.use_count(), 1);
    EXPECT_NE(kernels.get(Shader::glsl(glsl(1)), "main").value(), first);
}

TEST(Kernels, FailuresAreToldAgain) {
    Kernels kernels;
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(kernels.get(Shader::glsl("void main() {"), "").error().code(), Code::malformed);
        EXPECT_EQ(kernels.get(Shader::glsl(glsl(1)), "other").error().code(), Code::not_found);
    }
}

}  // namespace
}  // namespace repartir::gpu
