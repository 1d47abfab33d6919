// SPDX-License-Identifier: MIT
// Random kernels: what the interpreter computes, the driver computes, bit by bit.
#include "random_programs.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "both_fixture.hpp"
#include "exec/gpu/dsl/emit.hpp"
#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu {
namespace {

class RandomPrograms : public OnBoth {};

TEST_P(RandomPrograms, GiveTheSameOnBoth) {
    const char* wanted = std::getenv("REPARTIR_RANDOM_KERNELS");
    const std::uint64_t count = wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = 0; seed < count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const dsl::Module module = random_program(seed);
        const Kernel kernel = dsl::compiled("random", module);
        ASSERT_EQ(kernel.error(), nullptr) << kernel.error()->sentence();
        ASSERT_EQ(spirv_problems(kernel.spirv()), "");
        const std::uint32_t lanes = module.workgroup[0] * module.workgroup[1];
        std::vector<std::uint32_t> in(47);  // elements of 3: the last one is cut short
        for (std::size_t i = 0; i < in.size(); ++i) {
            in[i] = static_cast<std::uint32_t>((seed + i) * 0x9E3779B9U) >> (i % 32);
        }
        std::vector<std::uint32_t> out(std::size_t{3} * lanes - 2, 5);
        std::vector<std::int32_t> both(std::size_t{6} * lanes, -3);
        const auto pushed = push_constants(static_cast<std::int32_t>(seed) - 7);
        auto expected_out = out;
        auto expected_both = both;
        const Result<void> ran = run_on_cpu(kernel, {.workgroups = {3, 1, 1},
                                                     .buffers = {in, expected_out, expected_both},
                                                     .push_constants = pushed,
                                                     .rounds_max = 1000000});
        ASSERT_TRUE(ran) << ran.error().sentence();
        run(kernel, {3, 1, 1}, pushed, in, out, both);
        ASSERT_EQ(out, expected_out);
        ASSERT_EQ(both, expected_both);
    }
}

INSTANTIATE_TEST_SUITE_P(On, RandomPrograms, testing::Values(On::interpreter, On::driver),
                         [](const auto& which) {
                             return which.param == On::driver ? "Driver" : "Interpreter";
                         });

}  // namespace
}  // namespace repartir::gpu
