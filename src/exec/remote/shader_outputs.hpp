// SPDX-License-Identifier: MIT
#pragma once
/// @file shader_outputs.hpp What a shader task on a worker gives, as it comes.
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "repartir/dispatch.hpp"
#include "repartir/result.hpp"

namespace repartir::exec {

/// The outputs of one shader task. What is told again, since a connection broke, is taken again.
/// One thread.
class ShaderOutputs {
  public:
    /// @param task outlives this
    explicit ShaderOutputs(const gpu::Dispatch& task) : task_(task) {}

    /// Takes a piece of what the worker sends: all outputs, one after the other.
    void take(std::uint64_t offset, std::string_view bytes);
    /// Takes the last piece. @return the outputs; those that were to go into a SharedBuffer are
    /// that one
    /// Errors: malformed (the worker sent more, or less, than the task has), out_of_resources,
    /// invalid_argument (a SharedBuffer that is sealed)
    [[nodiscard]] Result<std::vector<gpu::Bytes>> finish(std::uint64_t offset,
                                                         std::string_view bytes);

  private:
    struct Output {
        std::uint64_t size = 0;
        std::unique_ptr<std::byte[]> bytes;
    };
    void make_room();

    const gpu::Dispatch& task_;
    std::vector<Output> outputs_;  // once a piece came
    std::uint64_t filled_ = 0;     // so far they are filled, from the first byte
    bool short_ = false;           // of memory
    bool strange_ = false;         // what came was not what was to come
};

}  // namespace repartir::exec
