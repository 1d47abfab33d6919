// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/interface.hpp"

#include <gtest/gtest.h>

#include <set>

namespace repartir::gpu {
namespace {

TEST(Interface, EveryFeatureHasItsOwnName) {
    std::set<std::string_view> names;
    for (std::size_t at = 0; at < feature_count; ++at) {
        names.insert(to_string(static_cast<Feature>(at)));
    }
    EXPECT_EQ(names.size(), feature_count);
    EXPECT_EQ(to_string(Feature::float16), "float16");
    EXPECT_EQ(to_string(Feature::subgroup_quad), "subgroup_quad");
    EXPECT_EQ(to_string(Feature::vulkan_1_3), "vulkan_1_3");
}

TEST(Interface, Features) {
    Features one;
    EXPECT_TRUE(one.empty());
    one.add(Feature::int64);
    Features two;
    two.add(Feature::vulkan_1_3);
    two.add(one);
    EXPECT_TRUE(two.has(Feature::int64) && two.has(Feature::vulkan_1_3));
    EXPECT_FALSE(two.has(Feature::int16));
    EXPECT_NE(one, two);
}

TEST(Interface, Names) {
    EXPECT_EQ(to_string(BindingKind::storage), "storage");
    EXPECT_EQ(to_string(BindingKind::uniform), "uniform");
    EXPECT_EQ(to_string(ScalarType::boolean), "bool");
    EXPECT_EQ(to_string(ScalarType::float16), "float16");
    EXPECT_EQ(to_string(ScalarType::float64), "float64");
}

}  // namespace
}  // namespace repartir::gpu
