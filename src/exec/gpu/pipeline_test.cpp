// SPDX-License-Identifier: MIT
#include "exec/gpu/pipeline.hpp"

#include <gtest/gtest.h>

#include "exec/gpu/engine_fixture.hpp"

namespace repartir::gpu {
namespace {

class PipelineCache : public OnDevice {};

TEST_F(PipelineCache, EachIsCompiledOnce) {
    const auto first = pipeline(twice_glsl);
    EXPECT_EQ(pipeline(twice_glsl), first);
    EXPECT_NE(pipeline(add_glsl), first);
    EXPECT_EQ(engine_->pipelines().compiled(), 2U);
    EXPECT_EQ(first->set_layouts().size(), 1U);
}

TEST_F(PipelineCache, WhatTheDriverKnowsCanBeKept) {
    static_cast<void>(pipeline(twice_glsl));
    const std::vector<std::byte> saved = engine_->pipelines().saved();
    EXPECT_GE(saved.size(), sizeof(VkPipelineCacheHeaderVersionOne));
    Pipelines again(*device_, saved);
    const KernelPtr kernel = kernel_of(twice_glsl);
    EXPECT_TRUE(again.get(kernel->words, kernel->interface).has_value());
    EXPECT_EQ(again.compiled(), 1U);
}

}  // namespace
}  // namespace repartir::gpu
