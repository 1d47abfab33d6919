// SPDX-License-Identifier: MIT
#pragma once
/// @file emitter.hpp One kernel on its way to SPIR-V.
#include <cstdint>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"
#include "exec/gpu/dsl/spirv_writer.hpp"
#include "repartir/gpu/op.hpp"

namespace repartir::gpu::dsl {

class Emitter {
  public:
    Emitter(const Module& module, const Outline& outline);
    [[nodiscard]] std::vector<std::uint32_t> run();

  private:
    /// A body that is open, and where it is left.
    struct Frame {
        Op op = Op::begin_if;
        SpirvId merge = 0;
        SpirvId otherwise = 0;  ///< of an if: where its else begins; the merge without one
        SpirvId again = 0;      ///< of a loop: the block that goes back
        SpirvId header = 0;
        SpirvId variable = 0;  ///< of a for: the number of the round
        SpirvId to = 0, step = 0, round = 0;
        ValueType type = ValueType::u32;
    };
    /// What an access goes to, and whether it may.
    struct Access {
        SpirvId pointer = 0;
        SpirvId fits = 0;      ///< a bool; 0: it always does
        SpirvId position = 0;  ///< in the object, in units
    };

    void declare_objects();
    void declare_inputs();
    SpirvId input(const Input& input);
    SpirvId builtin(std::uint32_t index);
    SpirvId push_constant(const Input& input);
    SpirvId length_of(std::uint32_t object);
    void zero_workgroup_memory();

    void step(std::size_t at);
    bool value(const Step& step);
    SpirvId arithmetic(const Step& step);
    SpirvId divide(const Step& step);
    SpirvId shift(const Step& step);
    SpirvId convert(const Step& step);
    SpirvId whole_to_whole(ValueType from, ValueType to, SpirvId a);
    SpirvId float_to_whole(ValueType from, ValueType to, SpirvId a);
    void subgroup(const Step& step);

    void memory(const Step& step);
    void load(const Step& step);
    void store(const Step& step);
    void atomic(const Step& step);
    Access access(const Step& step, std::uint32_t units, bool clamp);
    SpirvId pointer(std::uint32_t object, SpirvId position);
    SpirvId further(SpirvId position, std::uint32_t units);
    /// Opens a branch that is taken where the access fits. @return the label behind it
    SpirvId open_guard(SpirvId fits);

    void flow(const Step& step, std::size_t at);
    void begin_if(const Step& step, std::size_t at);
    void begin_loop(const Step& step);
    void end();
    void branch(SpirvId to);
    void barrier(const Step& step);

    [[nodiscard]] SpirvId id(std::uint32_t value) const { return ids_[value]; }
    [[nodiscard]] ValueType type(std::uint32_t value) const { return outline_.types[value]; }
    void give(SpirvId id) { ids_.push_back(id); }
    /// @return the bits of a value that is a number of the program, or no_value.
    [[nodiscard]] std::uint64_t known(std::uint32_t value) const;

    const Module& module_;
    const Outline& outline_;
    SpirvWriter w_;
    std::vector<SpirvId> ids_;
    std::vector<SpirvId> objects_;
    std::vector<SpirvId> lengths_;  ///< of buffers, in elements; 0: not asked for yet
    std::vector<SpirvId> variables_;
    SpirvId pushed_ = 0;
    std::vector<Frame> frames_;
    bool over_ = false;  ///< the block has ended: by a leave or next
};

}  // namespace repartir::gpu::dsl
