// SPDX-License-Identifier: MIT
#pragma once
/// @file flow.hpp Which invocations do what, how often, and how they wait for each other.
///
/// Bodies are functions that record once; they capture by reference. A value that was made in a
/// body ends with it: what has to outlive it goes into a gpu::Var.
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "repartir/gpu/op.hpp"
#include "repartir/gpu/operators.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {

/// What may follow an If: `If(a, ...).ElseIf(b, ...).Else(...)`.
class Branches {
  public:
    explicit Branches(const detail::Chain& chain) noexcept : chain_(chain) {}
    /// The condition is computed only where none before it held.
    template <std::invocable F>
    Branches ElseIf(const Bool& condition, F&& body) && {
        detail::begin_else(chain_, false);
        detail::begin_if(condition.node());
        std::forward<F>(body)();
        const std::uint32_t end = detail::end_if().end;
        detail::end_else(chain_);
        return Branches({end, chain_.values, chain_.depth + 1});
    }
    template <std::invocable F>
    void Else(F&& body) && {
        detail::begin_else(chain_, true);
        std::forward<F>(body)();
        detail::end_else(chain_);
    }

  private:
    detail::Chain chain_;
};

/// The invocations for which the condition holds take the body.
template <std::invocable F>
Branches If(const Bool& condition, F&& body) {
    detail::begin_if(condition.node());
    std::forward<F>(body)();
    return Branches(detail::end_if());
}

/// Repeats the body for each invocation as long as its condition holds.
/// @param condition a function that gives a Bool: it is asked again in each round
template <class C, std::invocable F>
void While(C&& condition, F&& body) {
    static_assert(std::is_invocable_r_v<Bool, C>,
                  "gpu::While asks its condition in each round: give it a function, such as "
                  "[&] { return i < n; }");
    detail::begin_loop();
    const Bool over = !Bool(std::forward<C>(condition)());
    detail::begin_if(over.node());
    detail::act(Op::leave);
    static_cast<void>(detail::end_if());
    std::forward<F>(body)();
    detail::end_loop();
}

/// Repeats the body until one calls gpu::Break().
template <std::invocable F>
void Loop(F&& body) {
    detail::begin_loop();
    std::forward<F>(body)();
    detail::end_loop();
}

/// Repeats the body for from, from + step, ... below `to`. It takes a UInt or an Int, which the
/// others are too. A step of 0 is an endless loop.
template <class From, class To, class Step, class F>
    requires std::invocable<F, UInt> || std::invocable<F, Int>
void For(const From& from, const To& to, const Step& step, F&& body) {
    using Round = std::conditional_t<std::is_invocable_v<F, UInt>, UInt, Int>;
    static_assert(std::is_convertible_v<From, Round> && std::is_convertible_v<To, Round> &&
                      std::is_convertible_v<Step, Round>,
                  "gpu::For's bounds and step have the type that its body takes: gpu::UInt or "
                  "gpu::Int");
    const Round round(detail::begin_for(Round(from).node(), Round(to).node(), Round(step).node()));
    std::forward<F>(body)(round);
    detail::end_loop();
}
/// As above, by steps of 1.
template <class From, class To, class F>
    requires std::invocable<F, UInt> || std::invocable<F, Int>
void For(const From& from, const To& to, F&& body) {
    For(from, to, 1, std::forward<F>(body));
}

/// Leaves the innermost loop. Nothing can follow it in its body.
inline void Break() { detail::act(Op::leave); }
/// Goes on with the innermost loop's next round. Nothing can follow it in its body.
inline void Continue() { detail::act(Op::next); }

/// All invocations of the workgroup wait here for each other; what each wrote to workgroup memory
/// and buffers, all see. All of them must come here, equally often: in the body of an If or a loop
/// only where its condition is the same for all. run_on_cpu() checks that; on a GPU one that does
/// not may hang.
inline void barrier() { detail::act(Op::barrier); }
/// What this invocation wrote before is seen by whoever sees what it writes after, in all
/// workgroups. Waits for nobody.
inline void memory_barrier() { detail::act(Op::memory_barrier); }

}  // namespace repartir::gpu
