// SPDX-License-Identifier: MIT
#include "exec/gpu/dsl/spirv_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace repartir::gpu::dsl {
namespace {

constexpr std::uint32_t version_1_3 = 0x00010300;

constexpr std::uint32_t word(auto value) { return static_cast<std::uint32_t>(value); }

/// Appends text as SPIR-V has it: four characters a word, ended by a zero.
void put_text(Words& operands, std::string_view text) {
    for (std::size_t at = 0; at <= text.size(); at += 4) {
        std::uint32_t packed = 0;
        for (std::size_t i = 0; i < 4 && at + i < text.size(); ++i) {
            packed |= word(static_cast<unsigned char>(text[at + i])) << (8 * i);
        }
        operands.push_back(packed);
    }
}

}  // namespace

void put(Words& out, spv::Op op, std::span<const std::uint32_t> operands) {
    out.push_back(word(operands.size() + 1) << spv::WordCountShift | word(op));
    out.insert(out.end(), operands.begin(), operands.end());
}

void put(Words& out, spv::Op op, std::initializer_list<std::uint32_t> operands) {
    put(out, op, std::span(operands.begin(), operands.size()));
}

SpirvWriter::SpirvWriter()
    : glsl_(new_id()), entry_(new_id()), first_label_(new_id()), block_(first_label_) {
    need(spv::Capability::Shader);
}

void SpirvWriter::name(SpirvId target, std::string_view name) {
    Words all{target};
    put_text(all, name);
    put(names_, spv::Op::OpName, all);
}

void SpirvWriter::decorate(SpirvId target, spv::Decoration decoration,
                           std::initializer_list<std::uint32_t> operands) {
    Words all{target, word(decoration)};
    all.insert(all.end(), operands);
    put(decorations_, spv::Op::OpDecorate, all);
}

SpirvId SpirvWriter::unique(spv::Op op, std::initializer_list<std::uint32_t> operands) {
    Words key{word(op)};
    key.insert(key.end(), operands);
    const auto [it, is_new] = unique_.try_emplace(key, 0);
    if (is_new) {
        it->second = own_type(op, operands);
    }
    return it->second;
}

SpirvId SpirvWriter::own_type(spv::Op op, std::initializer_list<std::uint32_t> operands) {
    const SpirvId id = new_id();
    Words all{id};
    all.insert(all.end(), operands);
    put(globals_, op, all);
    return id;
}

SpirvId SpirvWriter::typed_unique(spv::Op op, SpirvId type,
                                  std::initializer_list<std::uint32_t> operands) {
    Words key{word(op), type};
    key.insert(key.end(), operands);
    const auto [it, is_new] = unique_.try_emplace(key, 0);
    if (is_new) {
        it->second = global(op, type, operands);
    }
    return it->second;
}

SpirvId SpirvWriter::global(spv::Op op, SpirvId type,
                            std::initializer_list<std::uint32_t> operands) {
    const SpirvId id = new_id();
    Words all{type, id};
    all.insert(all.end(), operands);
    put(globals_, op, all);
    return id;
}

SpirvId SpirvWriter::type(ValueType type) {
    switch (type) {
        case ValueType::boolean:
            return unique(spv::Op::OpTypeBool, {});
        case ValueType::i32:
            return unique(spv::Op::OpTypeInt, {32, 1});
        case ValueType::u32:
            return unique(spv::Op::OpTypeInt, {32, 0});
        case ValueType::f32:
            return unique(spv::Op::OpTypeFloat, {32});
        case ValueType::i64:
            need(spv::Capability::Int64);
            return unique(spv::Op::OpTypeInt, {64, 1});
        case ValueType::u64:
            need(spv::Capability::Int64);
            return unique(spv::Op::OpTypeInt, {64, 0});
        case ValueType::f64:
            need(spv::Capability::Float64);
            return unique(spv::Op::OpTypeFloat, {64});
    }
    return 0;
}

SpirvId SpirvWriter::vector_type(ValueType type, std::uint32_t count) {
    return unique(spv::Op::OpTypeVector, {this->type(type), count});
}

SpirvId SpirvWriter::pointer_type(spv::StorageClass storage, SpirvId to) {
    return unique(spv::Op::OpTypePointer, {word(storage), to});
}

SpirvId SpirvWriter::array_type(SpirvId of, std::uint32_t count) {
    return unique(spv::Op::OpTypeArray, {of, number(count)});
}

SpirvId SpirvWriter::number(ValueType type, std::uint64_t bits) {
    const SpirvId its = this->type(type);
    if (type == ValueType::boolean) {
        return typed_unique(bits != 0 ? spv::Op::OpConstantTrue : spv::Op::OpConstantFalse, its,
                            {});
    }
    if (bytes_of(type) == 8) {
        return typed_unique(
            spv::Op::OpConstant, its,
            {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32U)});
    }
    return typed_unique(spv::Op::OpConstant, its, {static_cast<std::uint32_t>(bits)});
}

SpirvId SpirvWriter::block_type(ValueType of) {
    const auto [it, is_new] = blocks_.try_emplace(of, 0);
    if (is_new) {
        const SpirvId array = own_type(spv::Op::OpTypeRuntimeArray, {type(of)});
        decorate(array, spv::Decoration::ArrayStride, {word(bytes_of(of))});
        it->second = own_type(spv::Op::OpTypeStruct, {array});
        decorate(it->second, spv::Decoration::Block);
        put(decorations_, spv::Op::OpMemberDecorate,
            {it->second, 0, word(spv::Decoration::Offset), 0});
    }
    return it->second;
}

SpirvId SpirvWriter::push_constant_block(std::uint32_t words) {
    const SpirvId array = own_type(spv::Op::OpTypeArray, {type(ValueType::u32), number(words)});
    decorate(array, spv::Decoration::ArrayStride, {4});
    const SpirvId block = own_type(spv::Op::OpTypeStruct, {array});
    decorate(block, spv::Decoration::Block);
    put(decorations_, spv::Op::OpMemberDecorate, {block, 0, word(spv::Decoration::Offset), 0});
    return global(spv::Op::OpVariable, pointer_type(spv::StorageClass::PushConstant, block),
                  {word(spv::StorageClass::PushConstant)});
}

SpirvId SpirvWriter::input(SpirvId type, spv::BuiltIn builtin) {
    const auto [it, is_new] = inputs_.try_emplace(builtin, 0);
    if (is_new) {
        it->second = global(spv::Op::OpVariable, pointer_type(spv::StorageClass::Input, type),
                            {word(spv::StorageClass::Input)});
        decorate(it->second, spv::Decoration::BuiltIn, {word(builtin)});
        interface_.push_back(it->second);
    }
    return it->second;
}

SpirvId SpirvWriter::local(SpirvId type, bool zeroed) {
    const SpirvId pointer = pointer_type(spv::StorageClass::Function, type);
    const SpirvId id = new_id();
    Words all{pointer, id, word(spv::StorageClass::Function)};
    if (zeroed) {
        all.push_back(zero(type));
    }
    put(locals_, spv::Op::OpVariable, all);
    return id;
}

SpirvId SpirvWriter::op(spv::Op op, SpirvId type, const Words& operands) {
    const SpirvId id = new_id();
    Words all{type, id};
    all.insert(all.end(), operands.begin(), operands.end());
    put(body_, op, all);
    return id;
}

SpirvId SpirvWriter::glsl(std::uint32_t function, ValueType result, const Words& operands) {
    const SpirvId id = new_id();
    Words all{type(result), id, glsl_, function};
    all.insert(all.end(), operands.begin(), operands.end());
    put(body_, spv::Op::OpExtInst, all);
    return id;
}

void SpirvWriter::act(spv::Op op, std::initializer_list<std::uint32_t> operands) {
    put(body_, op, operands);
}

void SpirvWriter::label(SpirvId id) {
    put(body_, spv::Op::OpLabel, {id});
    block_ = id;
}

Words SpirvWriter::finish(std::span<const std::uint32_t, 3> workgroup) {
    const SpirvId nothing = unique(spv::Op::OpTypeVoid, {});
    const SpirvId function = unique(spv::Op::OpTypeFunction, {nothing});
    Words all{spv::MagicNumber, version_1_3, 0, 0, 0};
    for (const spv::Capability capability : capabilities_) {
        put(all, spv::Op::OpCapability, {word(capability)});
    }
    Words operands{glsl_};
    put_text(operands, "GLSL.std.450");
    put(all, spv::Op::OpExtInstImport, operands);
    put(all, spv::Op::OpMemoryModel,
        {word(spv::AddressingModel::Logical), word(spv::MemoryModel::GLSL450)});
    operands = {word(spv::ExecutionModel::GLCompute), entry_};
    put_text(operands, "main");
    operands.insert(operands.end(), interface_.begin(), interface_.end());
    put(all, spv::Op::OpEntryPoint, operands);
    put(all, spv::Op::OpExecutionMode,
        {entry_, word(spv::ExecutionMode::LocalSize), workgroup[0], workgroup[1], workgroup[2]});
    all.insert(all.end(), names_.begin(), names_.end());
    all.insert(all.end(), decorations_.begin(), decorations_.end());
    all.insert(all.end(), globals_.begin(), globals_.end());
    put(all, spv::Op::OpFunction, {nothing, entry_, 0, function});
    put(all, spv::Op::OpLabel, {first_label_});
    all.insert(all.end(), locals_.begin(), locals_.end());
    all.insert(all.end(), body_.begin(), body_.end());
    put(all, spv::Op::OpReturn, {});
    put(all, spv::Op::OpFunctionEnd, {});
    all[3] = next_;  // the bound of ids
    return all;
}

}  // namespace repartir::gpu::dsl
