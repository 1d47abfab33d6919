// SPDX-License-Identifier: MIT
#include "exec/gpu/device.hpp"

#include <gtest/gtest.h>

#include "exec/gpu/engine_fixture.hpp"

namespace repartir::gpu {
namespace {

class OpenedDevice : public OnDevice {};

TEST_F(OpenedDevice, SwiftShaderIsOneWithItsHost) {
    EXPECT_TRUE(device_->unified());
    EXPECT_TRUE(device_->memory_type(Place::device).has_value());
    EXPECT_TRUE(device_->memory_type(Place::download).has_value());
    EXPECT_FALSE(device_->features().has(Feature::float64));
    EXPECT_TRUE(device_->features().has(Feature::memory_model));
    EXPECT_GE(device_->buffer_bytes_max(), 1ULL << 30U);
}

}  // namespace
}  // namespace repartir::gpu
