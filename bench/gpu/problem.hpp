// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What it costs to have a GPU do something, beside what it does.
///
/// One mode is one kind of round, made again and again. `trip:direct` is the variant `direct` of
/// `trip`; only some sides have variants. --count is the size.
///
///   empty           one dispatch of an empty kernel, waited for
///   many            --count of them, waited for together
///   trip            --count bytes in, each number doubled, as many out
///   upload          --count bytes in, one number out
///   product         matrices of --count x --count, from host memory to host memory
///   kernel          ten such products one after the other of matrices that are on the device
///   fresh           the first use of a kernel that the driver has not seen
///   first           from a new process to its first result, which is a trip of 1 KiB
///   probe           says whether this side can take part, and on which device
///
/// What goes in lies in host memory that the device can reach, where the side has such memory, and
/// what comes out is read there. Every program checks a trip before it is timed, and the results of
/// every round that has any.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/harness.hpp"

namespace bench::gpu {

enum class Kind : std::uint8_t { empty, many, trip, upload, product, kernel, fresh };

/// What a round is to be.
struct Job {
    Kind kind = Kind::trip;
    std::string variant;      ///< what follows the colon of the mode
    std::uint64_t count = 0;  ///< bytes, dispatches, or rows of a matrix
};

inline constexpr std::uint64_t products_of_a_kernel_round = 10;
inline constexpr std::uint32_t stamp = 0x5eed1234;  ///< what is replaced in stamp.spv

/// A way to use the GPU. Ends the program by give_up() where it cannot go on.
class Side {
  public:
    Side() = default;
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;
    virtual ~Side() = default;
    [[nodiscard]] virtual std::string device() const = 0;
    /// Whether that is a driver that computes on the CPU.
    [[nodiscard]] virtual bool on_cpu() const { return false; }
    /// Makes what rounds of `job` use again and again. Outputs of earlier jobs are gone.
    virtual void prepare(const Job& job) = 0;
    /// What goes in: two matrices for products, else one buffer. Written between rounds.
    [[nodiscard]] virtual std::span<float> input(std::size_t which) = 0;
    /// Kind::kernel: brings the inputs to the device before the rounds, the result back after them.
    virtual void load() {}
    virtual void unload() {}
    /// One round, from the call to its result. @param number of Kind::fresh: what is to come out
    virtual void round(std::uint32_t number) = 0;
    [[nodiscard]] virtual std::span<const float> output() = 0;
};

/// Ends the program with 1 and a sentence: why this side does not take part, or failed.
[[noreturn]] void give_up(const std::string& why);

/// @return the words of `<name>.spv`, which lies beside the program. @param number in place of the
/// stamp; 0: as it is
[[nodiscard]] std::vector<std::uint32_t> spirv(std::string_view name, std::uint32_t number = 0);

/// Workgroups of 64 for a trip, which has a power of two of bytes.
struct Groups {
    std::uint32_t x = 1;  ///< not more than every device takes
    std::uint32_t y = 1;
};
[[nodiscard]] constexpr Groups groups_for(const Job& job) noexcept {
    if (job.kind != Kind::trip) {
        return {};
    }
    const auto all = static_cast<std::uint32_t>((job.count / sizeof(float) + 63) / 64);
    constexpr std::uint32_t row = 32'768;
    return all <= row ? Groups{all, 1} : Groups{row, all / row};
}

/// @return how many bytes inputs of a job have, each.
[[nodiscard]] std::uint64_t input_bytes(const Job& job) noexcept;
[[nodiscard]] std::uint64_t output_bytes(const Job& job) noexcept;
[[nodiscard]] bool is_product(const Job& job) noexcept;

/// The program: opens a side and measures what the command line names. @return the exit status
[[nodiscard]] int run(int argc, char** argv, std::string_view implementation,
                      std::unique_ptr<Side> (*open)(const Options&));

}  // namespace bench::gpu
