// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/module.hpp"

#include <algorithm>
#include <utility>

#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/fold.hpp"
#include "exec/gpu/kernel/layout.hpp"
#include "exec/gpu/kernel/tools.hpp"

namespace repartir::gpu {
namespace {

using enum spv::Op;
using spv::StorageClass;
using Words = std::span<const std::uint32_t>;

bool is_id(spv_operand_type_t type) {
    return type == SPV_OPERAND_TYPE_ID || type == SPV_OPERAND_TYPE_SCOPE_ID ||
           type == SPV_OPERAND_TYPE_MEMORY_SEMANTICS_ID;
}

bool is_atomic(spv::Op op) { return op >= OpAtomicLoad && op <= OpAtomicXor; }

/// How an instruction uses the pointer that is its `position`th operand.
Access access_of(spv::Op op, std::size_t position) {
    switch (op) {
        case OpAccessChain:
        case OpInBoundsAccessChain:
        case OpCopyObject:
        case OpArrayLength:
            return {};
        case OpLoad:
        case OpAtomicLoad:
            return {0, true, false};
        case OpStore:
        case OpAtomicStore:
            return {0, false, true};
        case OpCopyMemory:
            return {0, position == 1, position == 0};
        default:  // other atomics; a call or a built-in function may do either
            return {0, true, true};
    }
}

class Reader {
  public:
    Result<void> operator()(const spv_parsed_instruction_t& instruction) {
        const std::size_t word = word_;
        word_ += instruction.num_words;
        const Words words(instruction.words, instruction.num_words);
        const auto op = static_cast<spv::Op>(instruction.opcode);
        if (function_ != nullptr || op == OpFunction) {
            return in_function(op, words, instruction);
        }
        switch (op) {
            case OpName:
                module_.names[words[1]] = literal(words.subspan(2));
                return {};
            case OpEntryPoint:
                module_.entry_points.push_back({words[2], literal(words.subspan(3)), {}, {}});
                return {};
            case OpExecutionMode:
            case OpExecutionModeId:
                execution_mode(words);
                return {};
            case OpDecorate:
                decorate(module_.decorations[words[1]], words.subspan(2));
                return {};
            case OpMemberDecorate:
                decorate(member(words[1], words[2]), words.subspan(3));
                return {};
            case OpDecorationGroup:
            case OpGroupDecorate:
            case OpGroupMemberDecorate:
                return fail(refusal(Code::unsupported,
                                    "the shader uses decoration groups, which no compiler of today "
                                    "writes; decorate each id by itself"));
            case OpVariable:
                return variable(words);
            default:
                return type_or_constant(op, words, word);
        }
    }

    Result<Module> done() && { return std::move(module_); }

  private:
    static void decorate(Decorations& into, Words words) {
        const std::uint32_t value = words.size() > 1 ? words[1] : 0;
        switch (static_cast<spv::Decoration>(words[0])) {
            case spv::Decoration::DescriptorSet:
                into.set = value;
                break;
            case spv::Decoration::Binding:
                into.binding = value;
                break;
            case spv::Decoration::BuiltIn:
                into.built_in = value;
                break;
            case spv::Decoration::Offset:
                into.offset = value;
                break;
            case spv::Decoration::SpecId:
                into.spec_id = value;
                break;
            case spv::Decoration::ArrayStride:
                into.array_stride = value;
                break;
            case spv::Decoration::MatrixStride:
                into.matrix_stride = value;
                break;
            case spv::Decoration::Block:
                into.block = true;
                break;
            case spv::Decoration::BufferBlock:
                into.buffer_block = true;
                break;
            case spv::Decoration::RowMajor:
                into.row_major = true;
                break;
            case spv::Decoration::NonWritable:
                into.non_writable = true;
                break;
            case spv::Decoration::NonReadable:
                into.non_readable = true;
                break;
            default:
                break;
        }
    }

    Decorations& member(Id structure, std::uint32_t index) {
        std::vector<Decorations>& members = module_.member_decorations[structure];
        // A valid module has no index past the members, and no more of those than this.
        constexpr std::uint32_t members_max = 1U << 14U;
        members.resize(std::max<std::size_t>(members.size(), std::min(index, members_max) + 1));
        return members[std::min(index, members_max)];
    }

    void execution_mode(Words words) {
        for (EntryPoint& entry : module_.entry_points) {
            const auto mode = static_cast<spv::ExecutionMode>(words[2]);
            if (entry.function == words[1] && mode == spv::ExecutionMode::LocalSize) {
                std::ranges::copy(words.subspan(3, 3), entry.size.begin());
            } else if (entry.function == words[1] && mode == spv::ExecutionMode::LocalSizeId) {
                std::ranges::copy(words.subspan(3, 3), entry.size_ids.begin());
                module_.features.add(Feature::local_size_id);
            }
        }
    }

    Result<void> type_or_constant(spv::Op op, Words words, std::size_t word) {
        switch (op) {
            case OpTypeForwardPointer:
                return fail(pointer_refusal());
            case OpConstantComposite:
            case OpSpecConstantComposite: {
                constexpr auto size = static_cast<std::uint32_t>(spv::BuiltIn::WorkgroupSize);
                if (of(module_.decorations, words[2]).built_in == size) {
                    module_.workgroup_size = words[2];
                }
                const Words parts = words.subspan(3);
                if (parts.size() <= 4) {
                    module_.vectors[words[2]].assign(parts.begin(), parts.end());
                }
                return {};
            }
            case OpConstantNull:
            case OpUndef:
                return without_value(op, words, word);
            default:
                break;
        }
        if (std::optional<ConstantValue> constant = fold(module_, op, words)) {
            constant->word = word;
            module_.constants[words[2]] = *constant;
            return {};
        }
        Result<std::optional<Type>> type = lay_out(module_, op, words);
        if (type && *type) {
            module_.types[words[1]] = **type;
        }
        return type ? Result<void>() : fail(std::move(type).error());
    }

    /// OpConstantNull and OpUndef: no pointers, and nothing huge.
    Result<void> without_value(spv::Op op, Words words, std::size_t word) {
        const Type& type = of(module_.types, words[1]);
        if (type.kind == Type::Kind::pointer) {
            return fail(pointer_refusal());
        }
        if (type.plain_bytes > invocation_bytes_max) {
            return fail(refusal(Code::too_large,
                                "the shader has a value of " + in_bytes(type.plain_bytes) + "; " +
                                    in_bytes(invocation_bytes_max) + " are the most"));
        }
        if (op == OpConstantNull) {
            module_.constants[words[2]] = {words[1], 0, word};
        }
        return {};
    }

    Result<void> variable(Words words) {
        const auto storage = static_cast<StorageClass>(words[3]);
        pointers_[words[2]] = words[1];
        if (storage == StorageClass::Function || storage == StorageClass::Private) {
            const Type& pointee = of(module_.types, of(module_.types, words[1]).element);
            module_.invocation_bytes = add_bytes(module_.invocation_bytes, pointee.plain_bytes);
            if (module_.invocation_bytes > invocation_bytes_max) {
                return fail(
                    refusal(Code::too_large, "the variables of one invocation take more than " +
                                                 in_bytes(invocation_bytes_max) +
                                                 "; make the arrays smaller, or use a buffer"));
            }
        }
        if (storage != StorageClass::Function) {
            module_.variables[words[2]] = {words[1], storage};
            roots_[words[2]] = words[2];
        }
        return {};
    }

    Result<void> in_function(spv::Op op, Words words, const spv_parsed_instruction_t& instruction) {
        switch (op) {
            case OpFunction:
                function_ = &module_.functions[words[2]];
                return {};
            case OpFunctionEnd:
                function_ = nullptr;
                return {};
            case OpVariable:
                return variable(words);
            case OpUndef:
                return without_value(op, words, 0);
            case OpFunctionCall:
                function_->calls.push_back(words[3]);
                break;
            default:
                break;
        }
        if (instruction.type_id != 0 &&
            of(module_.types, instruction.type_id).kind == Type::Kind::pointer) {
            pointers_[instruction.result_id] = instruction.type_id;
        }
        uses(op, words, {instruction.operands, instruction.num_operands});
        return {};
    }

    void uses(spv::Op op, Words words, std::span<const spv_parsed_operand_t> operands) {
        std::size_t position = 0;
        for (const spv_parsed_operand_t& operand : operands) {
            if (!is_id(operand.type)) {
                continue;
            }
            const Id id = words[operand.offset];
            if (const auto root = roots_.find(id); root != roots_.end()) {
                const Access access = access_of(op, position);
                function_->accesses.push_back({root->second, access.reads, access.writes});
                if (position == 0 &&
                    (op == OpAccessChain || op == OpInBoundsAccessChain || op == OpCopyObject)) {
                    roots_[words[2]] = root->second;
                }
            }
            if (position == 0 && is_atomic(op)) {
                atomic(id);
            }
            ++position;
        }
    }

    void atomic(Id pointer) {
        const Type& type = of(module_.types, of(pointers_, pointer));
        if (of(module_.types, type.element).width == 64) {
            module_.features.add(type.storage == StorageClass::Workgroup
                                     ? Feature::shared_atomics_int64
                                     : Feature::buffer_atomics_int64);
        }
    }

    Module module_;
    std::size_t word_ = 5;  // the header's
    Function* function_ = nullptr;
    std::unordered_map<Id, Id> pointers_;  // values that are pointers: their types
    std::unordered_map<Id, Id> roots_;     // pointers: the variable that they point into
};

}  // namespace

Result<Module> read_module(Words words) {
    Reader reader;
    if (Result<void> read = for_each_instruction(words, reader); !read) {
        return fail(std::move(read).error());
    }
    return std::move(reader).done();
}

}  // namespace repartir::gpu
