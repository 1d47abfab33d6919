// SPDX-License-Identifier: MIT
// A workgroup's walk through the steps: which lanes take which body, and how often.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "exec/gpu/dsl/machine.hpp"

namespace repartir::gpu::dsl {

bool Interpreter::any(const std::uint8_t* lanes) const {
    return std::memchr(lanes, 1, machine_.lanes) != nullptr;
}

void Interpreter::push(std::uint32_t step, bool is_loop) {
    frames_.push_back({step, is_loop});
    machine_.mask = mask(frames_.size());
}

void Interpreter::pop() {
    frames_.pop_back();
    machine_.mask = mask(frames_.size());
}

void Interpreter::skip_if_idle() {
    // Nobody is left in this body: all went on with a loop around it.
    if (!any(machine_.mask) && !frames_.empty()) {
        at_ = code_[frames_.back().step].partner - 1;  // the step after this one is its end or else
    }
}

void Interpreter::begin_if(const Prepared& code) {
    const std::size_t level = frames_.size();
    const bool* condition = row<bool>(code.a);
    const std::uint8_t* outer = mask(level);
    std::uint8_t* then = mask(level + 1);
    std::uint8_t* otherwise = waiting(level + 1);
    for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
        then[l] = outer[l] != 0 && condition[l] ? 1 : 0;
        otherwise[l] = outer[l] != 0 && !condition[l] ? 1 : 0;
    }
    push(at_, false);
    skip_if_idle();
}

void Interpreter::begin_loop(const Prepared& code) {
    const std::size_t level = frames_.size();
    const std::uint8_t* outer = mask(level);
    std::uint8_t* inner = mask(level + 1);
    std::copy_n(outer, machine_.lanes, inner);
    std::fill_n(waiting(level + 1), machine_.lanes, std::uint8_t{0});
    if (code.op == Op::begin_for) {
        const auto start = [&]<class T>() {
            const T* from = row<T>(code.a);
            const T* to = row<T>(code.b);
            T* round = row<T>(code.result);
            for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
                round[l] = from[l];
                inner[l] = inner[l] != 0 && from[l] < to[l] ? 1 : 0;
            }
        };
        code.type == ValueType::i32 ? start.operator()<std::int32_t>()
                                    : start.operator()<std::uint32_t>();
    }
    if (any(inner)) {
        push(at_, true);
    } else {
        at_ = code.partner;
    }
}

bool Interpreter::next_round(const Prepared& begin) {
    const std::size_t level = frames_.size();
    std::uint8_t* inner = mask(level);
    std::uint8_t* waited = waiting(level);
    for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
        inner[l] |= waited[l];
        waited[l] = 0;
    }
    if (begin.op == Op::begin_for) {
        const auto step = [&]<class T>() {
            const T* to = row<T>(begin.b);
            const T* by = row<T>(begin.c);
            T* round = row<T>(begin.result);
            for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
                const auto now = static_cast<std::uint32_t>(round[l]);
                const auto far = static_cast<std::uint32_t>(by[l]);
                const bool over = static_cast<std::uint32_t>(to[l]) - now <= far;
                round[l] = over ? to[l] : static_cast<T>(now + far);
                inner[l] = inner[l] != 0 && !over ? 1 : 0;
            }
        };
        begin.type == ValueType::i32 ? step.operator()<std::int32_t>()
                                     : step.operator()<std::uint32_t>();
    }
    return any(inner);
}

void Interpreter::end(const Prepared& code) {
    if (!frames_.back().is_loop) {
        pop();
        return skip_if_idle();
    }
    if (!next_round(code_[code.partner])) {
        return pop();
    }
    at_ = code.partner;
    ++rounds_;
    if (run_.rounds_max != 0 && rounds_ > run_.rounds_max) {
        problem_ = Error(Domain::gpu, Code::timed_out, Fault::task,
                         "the kernel \"" + kernel_.name +
                             "\" was ended: a workgroup's loops took "
                             "more than " +
                             std::to_string(run_.rounds_max) + " rounds");
    } else if (run_.stop.stop_requested()) {
        problem_ = Error(Domain::gpu, Code::cancelled, Fault::user,
                         "the kernel \"" + kernel_.name + "\" was stopped");
    }
}

void Interpreter::leave(const Prepared& code) {
    std::size_t level = frames_.size();
    const std::uint8_t* leaving = mask(level);
    while (!frames_[level - 1].is_loop) {
        --level;
    }
    if (code.op == Op::next) {
        std::uint8_t* waits = waiting(level);
        for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
            waits[l] |= leaving[l];
        }
    }
    for (; level < frames_.size(); ++level) {
        std::uint8_t* outer = mask(level);
        for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
            outer[l] = outer[l] != 0 && leaving[l] == 0 ? 1 : 0;
        }
    }
    std::fill_n(mask(level), machine_.lanes, std::uint8_t{0});
}

void Interpreter::barrier() {
    if (std::memchr(machine_.mask, 0, machine_.lanes) != nullptr) {
        problem_ = Error(Domain::gpu, Code::invalid_task, Fault::user,
                         "the kernel \"" + kernel_.name +
                             "\" has a barrier that only a part of a "
                             "workgroup comes to: call gpu::barrier() outside of bodies whose "
                             "condition differs between invocations");
    }
}

void Interpreter::flow(const Prepared& code) {
    switch (code.op) {
        case Op::begin_if:
            return begin_if(code);
        case Op::begin_else:
            // the same body goes on with the others
            std::copy_n(waiting(frames_.size()), machine_.lanes, mask(frames_.size()));
            frames_.back().step = at_;
            return skip_if_idle();
        case Op::begin_loop:
        case Op::begin_for:
            return begin_loop(code);
        case Op::end:
            return end(code);
        case Op::leave:
        case Op::next:
            return leave(code);
        case Op::barrier:
            return barrier();
        default:
            return;  // a memory barrier: steps are taken in order anyway
    }
}

Result<void> Interpreter::workgroup(std::uint64_t position) {
    if (run_.stop.stop_requested()) {
        return fail(Error(Domain::gpu, Code::cancelled, Fault::user,
                          "the kernel \"" + kernel_.name + "\" was stopped"));
    }
    set_builtins(position);
    std::memset(bytes_->data() + memory_from_, 0, bytes_all_ - memory_from_);
    frames_.clear();
    rounds_ = 0;
    std::fill_n(mask(0), machine_.lanes, std::uint8_t{1});
    machine_.mask = mask(0);
    for (at_ = 0; at_ < code_.size() && !problem_; ++at_) {
        const Prepared& code = code_[at_];
        if (code.take != nullptr) {
            code.take(code, machine_);
        } else {
            flow(code);
        }
    }
    if (problem_) {
        return fail(*std::exchange(problem_, std::nullopt));
    }
    return {};
}

}  // namespace repartir::gpu::dsl
