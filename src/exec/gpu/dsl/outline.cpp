// SPDX-License-Identifier: MIT
// Checks a module and finds out what emitting and interpreting it need to know.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu::dsl {
namespace {

class Checker {
  public:
    explicit Checker(const Module& module) : module_(module) {}
    Result<Outline> check();

  private:
    /// A body that is open: the step that began it.
    struct Open {
        std::uint32_t step;
        std::uint32_t values;  ///< how many there were before it
        bool is_loop;
    };

    bool refuse(std::string sentence, Code code = Code::malformed) {
        if (!problem_) {
            problem_ = Error(Domain::gpu, code, Fault::user, std::move(sentence));
        }
        return false;
    }
    bool refuse_step(std::string_view why) {
        return refuse("step " + std::to_string(at_) + " of the kernel, " +
                      std::string(rule_of(module_.steps[at_].op).name) + ", " + std::string(why));
    }
    bool frame();
    bool objects();
    bool object(const Object& object);
    bool inputs();
    bool input(const Input& input);
    bool step(const Step& step);
    bool operands(const Step& step);
    bool plain(const Step& step, const OpRule& rule);
    bool memory(const Step& step);
    bool place(const Step& step, std::uint32_t units);
    bool variable(const Step& step);
    bool flow(const Step& step);
    bool begin(const Step& step);
    bool end();
    bool leave();
    void needs(const Step& step);
    void need(ValueType type);

    /// @return whether `arg` is a value that can be used here, of one of these types.
    bool value(std::uint32_t arg, std::uint8_t types) {
        if (arg >= outline_.types.size() || !usable_[arg]) {
            return refuse_step("uses a value that does not exist there");
        }
        if ((types >> static_cast<unsigned>(outline_.types[arg]) & 1U) == 0) {
            return refuse_step("has an operand of a type that it does not take");
        }
        return true;
    }
    bool value(std::uint32_t arg, ValueType type) {
        return value(arg, static_cast<std::uint8_t>(1U << static_cast<unsigned>(type)));
    }
    void give(ValueType type, std::uint32_t count, std::uint32_t most) {
        need(type);
        outline_.at_most.insert(outline_.at_most.end(), count, most);
        outline_.types.insert(outline_.types.end(), count, type);
        usable_.insert(usable_.end(), count, true);
    }
    /// @return what the step gives at most.
    [[nodiscard]] std::uint32_t most_of(const Step& step) const {
        std::vector<std::uint32_t> operands;
        if (step.op < Op::load || step.op == Op::begin_for) {
            for (const std::uint32_t arg : step.args) {
                operands.push_back(outline_.at_most[arg]);
            }
        }
        return at_most(step.op, step.type, operands);
    }
    void close_values(std::uint32_t from) {
        for (std::size_t v = from; v < usable_.size(); ++v) {
            usable_[v] = false;
        }
    }

    const Module& module_;
    Outline outline_;
    std::vector<bool> usable_;
    std::vector<Open> open_;
    std::uint32_t at_ = 0;
    std::optional<Error> problem_;
};

bool known(ValueType type) { return type <= ValueType::f64; }

void Checker::need(ValueType type) {
    DeviceNeeds& needs = outline_.interface.needs;
    needs.int64 = needs.int64 || type == ValueType::i64 || type == ValueType::u64;
    needs.float64 = needs.float64 || type == ValueType::f64;
}

bool Checker::frame() {
    std::uint64_t invocations = 1;
    for (const std::uint32_t count : module_.workgroup) {
        if (count == 0 || count > workgroup_invocations_max) {
            invocations = workgroup_invocations_max + 1;
            break;
        }
        invocations *= count;
    }
    if (invocations > workgroup_invocations_max) {
        return refuse("a workgroup has 1 to " + std::to_string(workgroup_invocations_max) +
                          " invocations; KernelOptions::workgroup says otherwise",
                      Code::too_large);
    }
    if (module_.push_constant_bytes > push_constant_bytes_max ||
        module_.push_constant_bytes % 4 != 0) {
        return refuse("the parameters by value take " +
                          std::to_string(module_.push_constant_bytes) + " bytes; " +
                          std::to_string(push_constant_bytes_max) +
                          " are the limit: put them into a buffer",
                      Code::too_large);
    }
    if (module_.steps.size() > steps_max) {
        return refuse("the kernel has more than " + std::to_string(steps_max) +
                          " steps: use gpu::For where C++ loops unroll",
                      Code::too_large);
    }
    outline_.interface.workgroup = module_.workgroup;
    outline_.interface.push_constant_bytes = module_.push_constant_bytes;
    for (const Constant& constant : module_.constants) {
        if (!known(constant.type) || constant.type == ValueType::boolean) {
            return refuse("a constant has no type that constants have");
        }
        need(constant.type);
        outline_.interface.constants.push_back({constant.name, constant.type, constant.otherwise});
    }
    for (const ValueType type : module_.variables) {
        if (!known(type)) {
            return refuse("a variable has no type that there is");
        }
        need(type);
    }
    return true;
}

bool Checker::object(const Object& object) {
    if (!known(object.type) || object.type == ValueType::boolean || object.space > Space::local ||
        object.access > BufferAccess::in_out || object.stride == 0 ||
        object.stride > element_bytes_max / bytes_of(object.type)) {
        return refuse("a buffer or array has elements that cannot be");
    }
    need(object.type);
    const std::uint64_t bytes = std::uint64_t{object.count} * object.stride * bytes_of(object.type);
    if (object.space == Space::buffer) {
        auto& buffers = outline_.interface.buffers;
        buffers.push_back(
            {object.access, static_cast<std::uint32_t>(object.stride * bytes_of(object.type))});
        return (object.count == 0 && buffers.size() <= buffers_max) ||
               refuse("a kernel takes at most " + std::to_string(buffers_max) + " buffers",
                      Code::too_large);
    }
    const std::uint64_t limit =
        object.space == Space::workgroup ? shared_bytes_max : local_bytes_max;
    if (object.count == 0 || bytes > limit) {
        return refuse("an array of a kernel has at least one element and at most " +
                          std::to_string(limit) + " bytes",
                      Code::too_large);
    }
    return true;
}

bool Checker::objects() {
    std::uint64_t local = 0;
    std::uint64_t shared = 0;
    for (std::size_t i = 0; i < module_.objects.size(); ++i) {
        const Object& it = module_.objects[i];
        if (!object(it)) {
            return false;
        }
        if (it.space == Space::buffer && outline_.interface.buffers.size() != i + 1) {
            return refuse("a buffer stands behind an array");
        }
        (it.space == Space::workgroup ? shared : local) +=
            std::uint64_t{it.count} * it.stride * bytes_of(it.type);
    }
    outline_.interface.shared_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(shared, shared_bytes_max));
    return (shared <= shared_bytes_max && local <= local_bytes_max) ||
           refuse("workgroup memory is at most " + std::to_string(shared_bytes_max) +
                      " bytes, an invocation's arrays " + std::to_string(local_bytes_max),
                  Code::too_large);
}

bool Checker::input(const Input& input) {
    if (!known(input.type)) {
        return false;
    }
    const bool number = input.type != ValueType::boolean;
    switch (input.kind) {
        case Input::Kind::number:
            return bytes_of(input.type) == 8 || input.bits >> (8 * bytes_of(input.type)) == 0;
        case Input::Kind::constant:
            return input.index < module_.constants.size() &&
                   input.type == module_.constants[input.index].type && input.bits == 0;
        case Input::Kind::push_constant:
            return number && input.bits == 0 && input.index % bytes_of(input.type) == 0 &&
                   input.index + bytes_of(input.type) <= module_.push_constant_bytes;
        case Input::Kind::builtin:
            return input.type == ValueType::u32 && input.bits == 0 &&
                   input.index <= static_cast<std::uint32_t>(Builtin::subgroup_invocation);
        case Input::Kind::length:
            return input.type == ValueType::u32 && input.bits == 0 &&
                   input.index < outline_.interface.buffers.size();
    }
    return false;
}

bool Checker::inputs() {
    for (const Input& it : module_.inputs) {
        if (!input(it)) {
            return refuse("an input of the kernel is none that there is");
        }
        // a bool is 0 or 1
        if (it.kind == Input::Kind::number && it.type == ValueType::boolean && it.bits > 1) {
            return refuse("an input of the kernel is a bool that is neither true nor false");
        }
        if (it.kind == Input::Kind::builtin &&
            it.index >= static_cast<std::uint32_t>(Builtin::subgroup_size)) {
            outline_.interface.needs.subgroups = true;
        }
        give(it.type, 1, at_most(it, module_.workgroup));
    }
    return true;
}

bool Checker::plain(const Step& step, const OpRule& rule) {
    for (const std::uint32_t arg : step.args) {
        if (!value(arg, rule.types)) {
            return false;
        }
    }
    // all operands but a choice's condition and a shuffle's number are of one type
    const bool is_select = step.op == Op::select;
    const bool is_shuffle = step.op == Op::subgroup_shuffle;
    const ValueType type =
        step.args.empty() ? ValueType::boolean : outline_.types[step.args[is_select ? 1 : 0]];
    for (std::size_t a = 0; a < step.args.size(); ++a) {
        ValueType wanted = type;
        if (is_select && a == 0) {
            wanted = ValueType::boolean;
        } else if (is_shuffle && a == 1) {
            wanted = ValueType::u32;
        }
        if (outline_.types[step.args[a]] != wanted) {
            return refuse_step("has operands of types that do not go together");
        }
    }
    if (step.op == Op::subgroup_ballot) {
        return step.type == ValueType::u32 || refuse_step("gives a type that it does not give");
    }
    switch (rule.gives) {
        case Gives::same:
            return step.type == type || refuse_step("gives a type that it does not give");
        case Gives::boolean:
        case Gives::nothing:
            return step.type == ValueType::boolean ||
                   refuse_step("gives a type that it does not give");
        default:
            break;
    }
    return (step.type != ValueType::boolean &&
            (step.op != Op::bit_cast || bytes_of(step.type) == bytes_of(type))) ||
           refuse_step("gives a type that it cannot give");
}

bool Checker::place(const Step& step, std::uint32_t units) {
    const Object& object = module_.objects[step.args[0]];
    if (step.args[1] >= object.stride || units > object.stride - step.args[1]) {
        return refuse_step("reaches over the end of an element");
    }
    const std::size_t at = values_begin(step.op);
    return value(step.args[at], ValueType::u32) &&
           (step.args[at + 1] == no_value || value(step.args[at + 1], ValueType::u32));
}

bool Checker::memory(const Step& step) {
    const std::size_t fixed = step.op == Op::clear ? 1 : step.op == Op::load ? 5 : 4;
    const std::size_t values = step.args.size() - fixed;
    if (step.args.size() < fixed || step.args[0] >= module_.objects.size()) {
        return refuse_step("accesses nothing that there is");
    }
    const Object& object = module_.objects[step.args[0]];
    bool fits = true;
    switch (step.op) {
        case Op::clear:
            return (values == 0 && object.space == Space::local &&
                    step.type == ValueType::boolean) ||
                   refuse_step("is for local arrays");
        case Op::load:
            fits = values == 0 && object.access != BufferAccess::out && step.type == object.type &&
                   step.args[2] > 0;
            return (fits || refuse_step("cannot read that")) && place(step, step.args[2]);
        case Op::store:
            fits =
                values > 0 && object.access != BufferAccess::in && step.type == ValueType::boolean;
            break;
        default:
            fits = values == (step.op == Op::atomic_compare_exchange ? 2 : 1) &&
                   object.access == BufferAccess::in_out && object.space != Space::local &&
                   step.type == object.type && !is_float(object.type);
    }
    for (std::size_t a = fixed; a < step.args.size(); ++a) {
        fits = fits && value(step.args[a], object.type);
    }
    return (fits || refuse_step("cannot be done there: atomic operations are for whole numbers in "
                                "workgroup memory and in buffers that are read and written")) &&
           place(step, step.op == Op::store ? static_cast<std::uint32_t>(values) : 1);
}

bool Checker::variable(const Step& step) {
    const bool is_set = step.op == Op::set;
    if (step.args.size() != (is_set ? 2 : 1) || step.args[0] >= module_.variables.size()) {
        return refuse_step("needs a variable that there is");
    }
    const ValueType type = module_.variables[step.args[0]];
    if (step.type != (is_set ? ValueType::boolean : type)) {
        return refuse_step("gives a type that it does not give");
    }
    return !is_set || value(step.args[1], type);
}

bool Checker::begin(const Step& step) {
    const auto values = static_cast<std::uint32_t>(outline_.types.size());
    if (open_.size() >= depth_max) {
        return refuse_step("is nested too deeply");
    }
    open_.push_back({at_, values, step.op != Op::begin_if});
    outline_.depth = std::max(outline_.depth, static_cast<std::uint32_t>(open_.size()));
    return true;
}

bool Checker::end() {
    if (open_.empty()) {
        return refuse_step("ends nothing");
    }
    outline_.partner[open_.back().step] = at_;
    outline_.partner[at_] = open_.back().step;
    close_values(open_.back().values);
    open_.pop_back();
    return true;
}

bool Checker::leave() {
    const bool last =
        at_ + 1 < module_.steps.size() &&
        (module_.steps[at_ + 1].op == Op::end || module_.steps[at_ + 1].op == Op::begin_else);
    for (std::size_t i = open_.size(); i-- > 0;) {
        if (open_[i].is_loop) {
            outline_.partner[at_] = open_[i].step;
            return last || refuse_step("is not the last step of its body");
        }
    }
    return refuse_step("stands in no loop");
}

bool Checker::flow(const Step& step) {
    switch (step.op) {
        case Op::begin_if:
        case Op::begin_for:
        case Op::begin_loop:
            return begin(step);
        case Op::begin_else: {
            const bool fits = !open_.empty() && module_.steps[open_.back().step].op == Op::begin_if;
            if (!fits) {
                return refuse_step("belongs to no if");
            }
            const std::uint32_t values = open_.back().values;
            if (!end()) {
                return false;
            }
            open_.push_back({at_, values, false});
            return true;
        }
        case Op::end:
            return end();
        case Op::leave:
        case Op::next:
            return leave();
        default:
            return true;
    }
}

void Checker::needs(const Step& step) {
    DeviceNeeds& needs = outline_.interface.needs;
    needs.subgroups = needs.subgroups || is_subgroup(step.op);
    if (is_atomic(step.op) && bytes_of(step.type) == 8) {
        const bool shared = module_.objects[step.args[0]].space == Space::workgroup;
        (shared ? needs.shared_atomics_int64 : needs.buffer_atomics_int64) = true;
    }
}

bool Checker::operands(const Step& step) {
    if (step.op == Op::get || step.op == Op::set) {
        return variable(step);
    }
    if (step.op == Op::load || step.op == Op::store || step.op == Op::clear || is_atomic(step.op)) {
        return memory(step);
    }
    const OpRule& rule = rule_of(step.op);
    std::size_t count = 0;
    switch (rule.operands) {
        case Operands::one:
            count = 1;
            break;
        case Operands::two:
            count = 2;
            break;
        case Operands::three:
            count = 3;
            break;
        case Operands::other:
            count = step.op == Op::select ? 3 : step.op == Op::subgroup_shuffle ? 2 : 0;
            break;
    }
    if (step.args.size() != count) {
        return refuse_step("has another number of operands");
    }
    return plain(step, rule);
}

bool Checker::step(const Step& step) {
    if (static_cast<std::size_t>(step.op) >= op_count || !known(step.type)) {
        return refuse("step " + std::to_string(at_) + " of the kernel is none that there is");
    }
    if (!operands(step) || !flow(step)) {
        return false;
    }
    needs(step);
    const std::uint32_t results = results_of(step);
    if (outline_.types.size() + results > values_max) {
        return refuse("the kernel has more than " + std::to_string(values_max) + " values",
                      Code::too_large);
    }
    outline_.first.push_back(static_cast<std::uint32_t>(outline_.types.size()));
    give(step.type, results, most_of(step));
    return true;
}

Result<Outline> Checker::check() {
    outline_.partner.assign(module_.steps.size(), 0);
    bool fine = frame() && objects() && inputs();
    for (at_ = 0; fine && at_ < module_.steps.size(); ++at_) {
        fine = step(module_.steps[at_]);
    }
    if (fine && !open_.empty()) {
        refuse("a body of the kernel does not end");
    }
    if (problem_) {
        return fail(*problem_);
    }
    return std::move(outline_);
}

}  // namespace

Result<Outline> outline(const Module& module) { return Checker(module).check(); }

}  // namespace repartir::gpu::dsl
