// SPDX-License-Identifier: MIT
#pragma once
/// @file machine.hpp A workgroup on the CPU: all invocations take each step together, those that do
/// not take a body are masked out of it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/kernel.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu::dsl {

struct Machine;
struct Prepared;
/// Takes one step for all invocations of the workgroup.
using Take = void (*)(const Prepared&, Machine&);

/// A step, ready to be taken: where its values lie. A value is a row of as many numbers as there
/// are invocations; rows of one step follow each other.
struct Prepared {
    Take take = nullptr;  ///< nullptr for flow, which the interpreter sees to
    Op op = Op::add;
    std::byte* result = nullptr;
    const std::byte *a = nullptr, *b = nullptr, *c = nullptr;
    const std::byte *index = nullptr, *inside = nullptr;  ///< of an access
    std::uint32_t object = 0, unit = 0, count = 0;        ///< of an access
    std::size_t row = 0;                                  ///< bytes from one result to the next
    std::span<const std::byte* const> values;             ///< of a store
    std::uint32_t partner = 0;                            ///< the step that belongs to this one
    ValueType type = ValueType::boolean;                  ///< of the result
};

/// An object's memory as a workgroup sees it.
struct View {
    std::byte* data = nullptr;
    const std::byte* readable = nullptr;
    std::uint32_t length = 0;  ///< elements
    std::uint32_t stride = 0;  ///< units of an element
    std::size_t per_lane = 0;  ///< bytes, of a local array
};

struct Machine {
    std::uint32_t lanes = 0;
    std::uint32_t subgroup_size = 1;
    const std::uint8_t* mask = nullptr;  ///< which lanes take the step: 0 or 1 for each
    std::vector<View> objects;
};

/// @return how a step that computes a value is taken.
/// @param of the type of its operands, for a choice of its last @param to what it gives
[[nodiscard]] Take take_value(Op op, ValueType of, ValueType to);
/// @param type of what is loaded, stored or changed
[[nodiscard]] Take take_memory(Op op, ValueType type);
/// @param of the type of its operand
[[nodiscard]] Take take_subgroup(Op op, ValueType of);

/// SAFETY of all rows: they begin at multiples of 64 in memory that was allocated as bytes, hold
/// numbers of one type, and are only ever seen as that type.
template <class T>
[[nodiscard]] T* row(std::byte* bytes) {
    return std::launder(reinterpret_cast<T*>(bytes));  // SAFETY: see above
}
template <class T>
[[nodiscard]] const T* row(const std::byte* bytes) {
    return std::launder(reinterpret_cast<const T*>(bytes));  // SAFETY: see above
}

/// Calls `f.template operator()<T>()` for the C++ type of a number or bool.
template <class F>
Take by_type(ValueType type, F f) {
    switch (type) {
        case ValueType::boolean:
            return f.template operator()<bool>();
        case ValueType::i32:
            return f.template operator()<std::int32_t>();
        case ValueType::u32:
            return f.template operator()<std::uint32_t>();
        case ValueType::f32:
            return f.template operator()<float>();
        case ValueType::i64:
            return f.template operator()<std::int64_t>();
        case ValueType::u64:
            return f.template operator()<std::uint64_t>();
        case ValueType::f64:
            return f.template operator()<double>();
    }
    return nullptr;
}

/// Bytes that begin at a multiple of 64.
class AlignedBytes {
  public:
    explicit AlignedBytes(std::size_t size)
        : bytes_(static_cast<std::byte*>(::operator new(size, std::align_val_t{64}))) {
        std::uninitialized_fill_n(bytes_.get(), size, std::byte{0});
    }
    [[nodiscard]] std::byte* data() const noexcept { return bytes_.get(); }

  private:
    struct Free {
        void operator()(std::byte* bytes) const noexcept {
            ::operator delete(bytes, std::align_val_t{64});
        }
    };
    std::unique_ptr<std::byte, Free> bytes_;
};

/// @return the memory that a workgroup of the kernel takes on the CPU.
[[nodiscard]] std::size_t bytes_needed(const Kernel::Body& kernel) noexcept;
inline constexpr std::size_t cpu_bytes_max = std::size_t{1} << 30U;  ///< of that, at most

/// Runs one kernel's workgroups, one after the other. Immovable: its code points into itself.
class Interpreter {
  public:
    /// @param kernel outlives it @param run was checked against the kernel; outlives it
    Interpreter(const Kernel::Body& kernel, const CpuRun& run);
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;
    /// Runs the workgroup at that position, x first.
    [[nodiscard]] Result<void> workgroup(std::uint64_t position);

  private:
    struct Frame {
        std::uint32_t step = 0;  ///< that began the body
        bool is_loop = false;
    };

    [[nodiscard]] std::size_t row_bytes(ValueType type) const;
    void lay_out();
    void set_inputs();
    [[nodiscard]] std::uint64_t bits_of(const Input& input) const;
    void set_builtins(std::uint64_t position);
    void translate();
    void translate_value(const Step& step, Prepared& code);
    void translate_memory(const Step& step, Prepared& code);
    void translate_access(const Step& step, Prepared& code);
    void flow(const Prepared& code);
    void begin_if(const Prepared& code);
    void begin_loop(const Prepared& code);
    void end(const Prepared& code);
    bool next_round(const Prepared& begin);
    void leave(const Prepared& code);
    void barrier();
    void skip_if_idle();
    [[nodiscard]] std::uint8_t* mask(std::size_t level) {
        return masks_.data() + 2 * level * machine_.lanes;
    }
    /// Of an if: who takes its else. Of a loop: who waits for the next round.
    [[nodiscard]] std::uint8_t* waiting(std::size_t level) { return mask(level) + machine_.lanes; }
    [[nodiscard]] bool any(const std::uint8_t* lanes) const;
    void push(std::uint32_t step, bool is_loop);
    void pop();

    const Kernel::Body& kernel_;
    const CpuRun& run_;
    Machine machine_;
    std::vector<std::size_t> rows_;       ///< where each value's row is
    std::vector<std::size_t> variables_;  ///< and each variable's
    std::size_t memory_from_ = 0;         ///< where variables, arrays and workgroup memory begin
    std::size_t bytes_all_ = 0;
    std::optional<AlignedBytes> bytes_;
    std::vector<std::uint8_t> masks_;
    std::vector<const std::byte*> stored_;  ///< what Prepared::values views
    std::vector<Prepared> code_;
    std::vector<Frame> frames_;
    std::uint32_t at_ = 0;  ///< the step that is taken
    std::uint64_t rounds_ = 0;
    std::optional<Error> problem_;
};

}  // namespace repartir::gpu::dsl
