// SPDX-License-Identifier: MIT
#pragma once
/// @file spirv_writer.hpp A SPIR-V module while it grows.
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <spirv/unified1/spirv.hpp11>
#include <string_view>
#include <vector>

#include "repartir/gpu/op.hpp"

namespace repartir::gpu::dsl {

using Words = std::vector<std::uint32_t>;
using SpirvId = std::uint32_t;

/// Appends an instruction.
void put(Words& out, spv::Op op, std::span<const std::uint32_t> operands);
void put(Words& out, spv::Op op, std::initializer_list<std::uint32_t> operands);

/// Collects the sections of a module with one entry, "main". Types and constants are there once.
class SpirvWriter {
  public:
    SpirvWriter();

    [[nodiscard]] SpirvId new_id() noexcept { return next_++; }
    void need(spv::Capability capability) { capabilities_.insert(capability); }
    /// For people, and for who gives a constant a value.
    void name(SpirvId target, std::string_view name);
    void decorate(SpirvId target, spv::Decoration decoration,
                  std::initializer_list<std::uint32_t> operands = {});

    /// @return the type, and declares what it needs.
    SpirvId type(ValueType type);
    SpirvId vector_type(ValueType type, std::uint32_t count);
    SpirvId pointer_type(spv::StorageClass storage, SpirvId to);
    SpirvId array_type(SpirvId of, std::uint32_t count);
    /// A type or constant by its instruction; the same again for the same operands. Those are what
    /// comes behind the result's id.
    SpirvId unique(spv::Op op, std::initializer_list<std::uint32_t> operands);
    SpirvId number(ValueType type, std::uint64_t bits);
    SpirvId number(std::uint32_t value) { return number(ValueType::u32, value); }
    SpirvId zero(SpirvId type) { return typed_unique(spv::Op::OpConstantNull, type, {}); }
    SpirvId typed_unique(spv::Op op, SpirvId type, std::initializer_list<std::uint32_t> operands);

    /// A global declaration of its own. @return its id
    SpirvId global(spv::Op op, SpirvId type, std::initializer_list<std::uint32_t> operands);
    /// A type of its own, for one that is decorated.
    SpirvId own_type(spv::Op op, std::initializer_list<std::uint32_t> operands);
    /// @return a buffer's type: as many numbers as there are.
    SpirvId block_type(ValueType of);
    /// @return the block of parameters by value: words.
    SpirvId push_constant_block(std::uint32_t words);
    /// An input variable of the entry.
    SpirvId input(SpirvId type, spv::BuiltIn builtin);
    /// A variable of the function. @return a pointer to it
    SpirvId local(SpirvId type, bool zeroed);

    /// Appends to the function. The first has a result of that type.
    SpirvId op(spv::Op op, SpirvId type, const Words& operands);
    SpirvId op(spv::Op op, ValueType result, const Words& operands) {
        return this->op(op, type(result), operands);
    }
    SpirvId glsl(std::uint32_t function, ValueType result, const Words& operands);
    void act(spv::Op op, std::initializer_list<std::uint32_t> operands);
    void label(SpirvId id);
    [[nodiscard]] SpirvId block() const noexcept { return block_; }  ///< the last label

    [[nodiscard]] Words finish(std::span<const std::uint32_t, 3> workgroup);

  private:
    SpirvId next_ = 1;
    SpirvId glsl_;
    SpirvId entry_;
    SpirvId first_label_;
    SpirvId block_;
    std::set<spv::Capability> capabilities_;
    std::map<Words, SpirvId> unique_;
    std::map<ValueType, SpirvId> blocks_;
    std::map<spv::BuiltIn, SpirvId> inputs_;
    Words interface_;
    Words names_;
    Words decorations_;
    Words globals_;
    Words locals_;
    Words body_;
};

}  // namespace repartir::gpu::dsl
