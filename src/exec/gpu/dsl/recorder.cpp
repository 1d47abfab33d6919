// SPDX-License-Identifier: MIT
#include "exec/gpu/dsl/recorder.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace repartir::gpu::dsl {

Current& current() noexcept {
    thread_local Current here;
    return here;
}

Recorder::Recorder(std::uint32_t tag, const KernelOptions& options) : tag_(tag) {
    module_.workgroup = options.workgroup;
    open_.push_back({0, Loop::no});
    is_open_.push_back(true);
}

void Recorder::complain(std::string_view sentence) {
    if (!mistake_) {
        mistake_ = std::string(sentence);
    }
}

bool Recorder::usable(Node node, const std::vector<Known>& among, std::string_view what) {
    if (mistake_) {
        return false;
    }
    if (node.kernel != tag_ || node.id >= among.size()) {
        complain(std::string(what) +
                 " is used that this kernel did not make: it is left over from"
                 " another kernel or from outside of any");
        return false;
    }
    if (!is_open_[among[node.id].body]) {
        complain(std::string(what) +
                 " is used behind the body of the If or loop that it was made in: what has to"
                 " outlive a body is a gpu::Var that is made before it");
        return false;
    }
    return true;
}

std::optional<ValueType> Recorder::type_of(Node node) {
    if (!usable(node, values_, "a value")) {
        return std::nullopt;
    }
    return values_[node.id].type;
}

Node Recorder::add_value(ValueType type) {
    values_.push_back({type, open_.back().body, no_value, no_value});
    return {static_cast<std::uint32_t>(values_.size() - 1), tag_};
}

Node Recorder::input(Input::Kind kind, ValueType type, std::uint32_t index, std::uint64_t bits) {
    if (mistake_) {
        return {};
    }
    const auto [it, is_new] = inputs_.try_emplace({kind, type, index, bits});
    if (is_new) {
        it->second = add_value(type);
        values_.back().body = 0;  // known everywhere
        values_.back().input = static_cast<std::uint32_t>(module_.inputs.size());
        module_.inputs.push_back({kind, type, index, bits});
        values_.back().at_most = at_most(module_.inputs.back(), module_.workgroup);
    }
    return it->second;
}

Node Recorder::constant(std::string_view name, ValueType type, std::uint64_t bits) {
    const auto same = std::ranges::find(module_.constants, name, &Constant::name);
    const auto index = static_cast<std::uint32_t>(same - module_.constants.begin());
    if (same == module_.constants.end()) {
        module_.constants.push_back({std::string(name), type, bits});
    } else if (same->type != type || same->otherwise != bits) {
        complain("the constant \"" + std::string(name) +
                 "\" is asked for twice, with different types or values");
    }
    return input(Input::Kind::constant, type, index);
}

Node Recorder::push_constant(ValueType type, std::uint32_t alignment) {
    const auto bytes = static_cast<std::uint32_t>(bytes_of(type));
    std::uint32_t& end = module_.push_constant_bytes;
    end = (end + alignment - 1) / alignment * alignment;
    if (end % bytes != 0) {
        complain("a parameter has a member of 64 bits that is not aligned: put it first");
    }
    const Node node = input(Input::Kind::push_constant, type, end);
    end += bytes;
    return node;
}

Node Recorder::length(Node object) {
    return usable(object, objects_, "a buffer")
               ? input(Input::Kind::length, ValueType::u32, object.id)
               : Node{};
}

Node Recorder::add(Op op, ValueType type, std::vector<std::uint32_t> args, std::uint32_t results) {
    if (mistake_) {
        return {};
    }
    std::vector<Step>& steps = module_.steps;
    const bool over =
        !steps.empty() && (steps.back().op == Op::leave || steps.back().op == Op::next);
    if (over && op != Op::end && op != Op::begin_else) {
        complain(
            "something follows gpu::Break() or gpu::Continue() in its body; no invocation"
            " would ever come there");
        return {};
    }
    if (steps.size() >= steps_max || values_.size() + results > values_max) {
        complain("the kernel is longer than " + std::to_string(steps_max) +
                 " steps: use gpu::For where C++ loops unroll");
        return {};
    }
    steps.push_back({op, type, std::move(args)});
    Node first;
    for (std::uint32_t r = 0; r < results; ++r) {
        const Node node = add_value(type);
        first = r == 0 ? node : first;
    }
    return first;
}

Node Recorder::apply(Op op, std::initializer_list<Node> operands, ValueType named) {
    std::vector<std::uint32_t> args;
    std::vector<std::uint32_t> most;
    ValueType type = ValueType::boolean;
    for (const Node node : operands) {
        const std::optional<ValueType> its = type_of(node);
        if (!its) {
            return {};
        }
        // the operands' common type; a choice begins with its condition
        if (args.size() == (op == Op::select ? 1 : 0)) {
            type = *its;
        }
        args.push_back(node.id);
        most.push_back(values_[node.id].at_most);
    }
    switch (rule_of(op).gives) {
        case Gives::same: {
            const Node result = add(op, type, std::move(args), 1);
            if (!mistake_) {
                values_[result.id].at_most = at_most(op, type, most);
            }
            return result;
        }
        case Gives::boolean:
            return add(op, ValueType::boolean, std::move(args), 1);
        case Gives::named:
            return add(op, named, std::move(args), 1);
        default:
            return add(op, ValueType::boolean, std::move(args), 0);
    }
}

void Recorder::ballot(Node condition, std::span<Node, 4> words) {
    if (!type_of(condition)) {
        return;
    }
    const Node first = add(Op::subgroup_ballot, ValueType::u32, {condition.id}, 4);
    for (std::uint32_t w = 0; w < 4; ++w) {
        words[w] = {first.id + w, first.kernel};
    }
}

Node Recorder::new_variable(std::span<const ValueType> leaves) {
    const auto first = static_cast<std::uint32_t>(variables_.size());
    for (const ValueType leaf : leaves) {
        variables_.push_back({leaf, open_.back().body, no_value, no_value});
        module_.variables.push_back(leaf);
    }
    return {first, tag_};
}

void Recorder::get(Node first, std::span<Node> values) {
    for (Node& value : values) {
        if (!usable(first, variables_, "a variable")) {
            return;
        }
        value = add(Op::get, variables_[first.id].type, {first.id}, 1);
        ++first.id;
    }
}

void Recorder::set(Node first, std::span<const Node> values) {
    for (const Node value : values) {
        if (!usable(first, variables_, "a variable") || !type_of(value)) {
            return;
        }
        add(Op::set, ValueType::boolean, {first.id, value.id}, 0);
        ++first.id;
    }
}

void Recorder::open(Loop loop) {
    const auto body = static_cast<std::uint32_t>(is_open_.size());
    is_open_.push_back(true);
    open_.push_back({body, loop});
}

void Recorder::close() {
    if (open_.size() > 1) {
        is_open_[open_.back().body] = false;
        open_.pop_back();
    }
    add(Op::end, ValueType::boolean, {}, 0);
}

void Recorder::begin_if(Node condition) {
    apply(Op::begin_if, {condition});
    open(Loop::no);
}

Chain Recorder::end_if() {
    close();
    const auto steps = static_cast<std::uint32_t>(module_.steps.size());
    return {steps == 0 ? 0 : steps - 1, static_cast<std::uint32_t>(values_.size()), 1};
}

void Recorder::begin_else(const Chain& chain, bool directly) {
    std::vector<Step>& steps = module_.steps;
    for (std::uint32_t d = 0; d < chain.depth; ++d) {
        open(Loop::no);
    }
    if (mistake_) {
        return;
    }
    const bool ends = chain.end + chain.depth <= steps.size() && steps[chain.end].op == Op::end;
    if (!ends || (directly && chain.end + chain.depth != steps.size())) {
        complain("an Else or ElseIf does not stand right behind its If");
        return;
    }
    // the ends of the chain go, but for the first, which becomes the else; what was recorded since
    // is the next condition, and belongs to it
    steps[chain.end].op = Op::begin_else;
    const auto behind = steps.begin() + chain.end + 1;
    steps.erase(behind, behind + chain.depth - 1);
    const std::uint32_t outer = open_[open_.size() - 1 - chain.depth].body;
    for (std::size_t v = chain.values; v < values_.size(); ++v) {
        if (values_[v].body == outer && values_[v].input == no_value) {
            values_[v].body = open_.back().body;
        }
    }
}

void Recorder::end_else(Chain& chain) {
    for (std::uint32_t d = 0; d < chain.depth; ++d) {
        close();
    }
    chain.values = static_cast<std::uint32_t>(values_.size());
}

void Recorder::begin_loop() {
    add(Op::begin_loop, ValueType::boolean, {}, 0);
    open(Loop::yes);
}

Node Recorder::begin_for(Node from, Node to, Node step) {
    const Node round = apply(Op::begin_for, {from, to, step});
    open(Loop::yes);
    if (!mistake_) {
        values_[round.id].body = open_.back().body;
    }
    return round;
}

void Recorder::end_loop() { close(); }

void Recorder::act(Op op) {
    const bool in_loop = std::ranges::find(open_, Loop::yes, &Open::loop) != open_.end();
    if ((op == Op::leave || op == Op::next) && !in_loop) {
        complain("gpu::Break() or gpu::Continue() stands in no loop");
    }
    add(op, ValueType::boolean, {}, 0);
}

Module Recorder::finish() {
    if (open_.size() > 1) {
        complain("an exception left the body of an If or a loop and was caught inside the kernel");
    }
    // inputs come first in a module; here they came when they were asked for
    std::vector<std::uint32_t> final(values_.size());
    auto next = static_cast<std::uint32_t>(module_.inputs.size());
    for (std::size_t v = 0; v < values_.size(); ++v) {
        final[v] = values_[v].input != no_value ? values_[v].input : next++;
    }
    // buffers come before arrays anyway: the lambda's parameters are made before it runs
    for (Step& step : module_.steps) {
        for (std::size_t a = values_begin(step.op); a < step.args.size(); ++a) {
            if (step.args[a] != no_value) {
                step.args[a] = final[step.args[a]];
            }
        }
    }
    return tidied(module_);
}

}  // namespace repartir::gpu::dsl
