// SPDX-License-Identifier: MIT
#pragma once
/// @file invocation.hpp What an invocation is told: who it is, the constants of its pipeline, and
/// what the others of its subgroup have.
#include <array>
#include <cstdint>
#include <string_view>

#include "repartir/gpu/layout.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/operators.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {

namespace detail {
[[nodiscard]] UInt3 builtin3(Builtin which);
}  // namespace detail

/// @return which invocation of all this is.
[[nodiscard]] inline UInt3 global_id() { return detail::builtin3(Builtin::global_id); }
/// @return which one of its workgroup.
[[nodiscard]] inline UInt3 local_id() { return detail::builtin3(Builtin::local_id); }
/// @return the same as one number: x first, then y, then z.
[[nodiscard]] inline UInt local_index() { return UInt(detail::builtin(Builtin::local_index)); }
/// @return which workgroup it is in.
[[nodiscard]] inline UInt3 workgroup_id() { return detail::builtin3(Builtin::workgroup_id); }
/// @return how many workgroups there are.
[[nodiscard]] inline UInt3 workgroup_count() { return detail::builtin3(Builtin::workgroup_count); }
/// @return how many invocations a workgroup has: the kernel's option.
[[nodiscard]] UInt3 workgroup_size();

/// A number that is set when the kernel is prepared for a device, by name: the driver compiles it
/// in. The same name is the same constant.
template <NumberOf T>
[[nodiscard]] Scalar<T> constant(std::string_view name, T otherwise) {
    std::uint64_t bits = 0;
    if constexpr (sizeof(T) == 4) {
        bits = std::bit_cast<std::uint32_t>(otherwise);
    } else {
        bits = std::bit_cast<std::uint64_t>(otherwise);
    }
    return Scalar<T>(detail::constant(name, detail::scalar_type<T>(), bits));
}

// Subgroups: invocations of a workgroup that run in step and see each other's values; those of a
// body that they do not take do not count. How many there are is the device's choice, or
// CpuRun::subgroup_size. A device need.

[[nodiscard]] inline UInt subgroup_size() { return UInt(detail::builtin(Builtin::subgroup_size)); }
/// @return which one of its subgroup this is.
[[nodiscard]] inline UInt subgroup_invocation() {
    return UInt(detail::builtin(Builtin::subgroup_invocation));
}
template <NumberOf T>
[[nodiscard]] Scalar<T> subgroup_add(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_add, a.node()));
}
template <NumberOf T>
[[nodiscard]] Scalar<T> subgroup_min(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_min, a.node()));
}
template <NumberOf T>
[[nodiscard]] Scalar<T> subgroup_max(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_max, a.node()));
}
/// @return the sum of the values up to this one's.
template <NumberOf T>
[[nodiscard]] Scalar<T> subgroup_inclusive_add(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_inclusive_add, a.node()));
}
/// @return the sum of the values before this one's.
template <NumberOf T>
[[nodiscard]] Scalar<T> subgroup_exclusive_add(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_exclusive_add, a.node()));
}
/// @return the value of the first invocation.
template <ScalarOf T>
[[nodiscard]] Scalar<T> subgroup_first(const Scalar<T>& a) {
    return Scalar<T>(detail::apply(Op::subgroup_first, a.node()));
}
/// @return the value of the invocation with that number; anything where there is none.
template <ScalarOf T>
[[nodiscard]] Scalar<T> subgroup_shuffle(const Scalar<T>& a, const UInt& from) {
    return Scalar<T>(detail::apply(Op::subgroup_shuffle, a.node(), from.node()));
}
[[nodiscard]] inline Bool subgroup_any(const Bool& a) {
    return Bool(detail::apply(Op::subgroup_any, a.node()));
}
[[nodiscard]] inline Bool subgroup_all(const Bool& a) {
    return Bool(detail::apply(Op::subgroup_all, a.node()));
}
/// @return one bit for each invocation for which the condition holds.
[[nodiscard]] UInt4 subgroup_ballot(const Bool& condition);

}  // namespace repartir::gpu
