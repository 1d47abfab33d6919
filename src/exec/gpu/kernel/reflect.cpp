// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/reflect.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/layout.hpp"
#include "exec/gpu/kernel/refusal.hpp"

namespace repartir::gpu {
namespace {

using spv::StorageClass;

class Reflection {
  public:
    explicit Reflection(const Module& module) : module_(module) {}

    Result<Interface> run(std::string_view wanted) {
        const Result<const EntryPoint*> entry = choose(wanted);
        if (!entry) {
            return fail(entry.error());
        }
        interface_.entry = (*entry)->name;
        interface_.needs = module_.features;
        const std::map<Id, Access> used = used_from((*entry)->function);
        for (const auto& [id, variable] : ordered(module_.variables)) {
            const auto access = used.find(id);
            Result<void> fine =
                visit(id, variable, access == used.end() ? nullptr : &access->second);
            if (!fine) {
                return fail(std::move(fine).error());
            }
        }
        for (const auto& check : {&Reflection::limits, &Reflection::constants}) {
            if (Result<void> fine = (this->*check)(); !fine) {
                return fail(std::move(fine).error());
            }
        }
        if (Result<void> fine = workgroup_size(**entry); !fine) {
            return fail(std::move(fine).error());
        }
        return std::move(interface_);
    }

  private:
    template <class T>
    static std::map<Id, T> ordered(const std::unordered_map<Id, T>& map) {
        return {map.begin(), map.end()};
    }
    [[nodiscard]] const Type& type(Id id) const { return of(module_.types, id); }
    [[nodiscard]] const Decorations& decorations(Id id) const {
        return of(module_.decorations, id);
    }
    [[nodiscard]] const std::string& name(Id id) const { return of(module_.names, id); }

    [[nodiscard]] Result<const EntryPoint*> choose(std::string_view wanted) const {
        const std::vector<EntryPoint>& all = module_.entry_points;
        if (wanted.empty() && all.size() == 1) {
            return all.data();
        }
        const auto found = std::ranges::find(all, wanted, &EntryPoint::name);
        if (found != all.end() && !wanted.empty()) {
            return &*found;
        }
        std::string names;
        for (std::size_t at = 0; at < std::min<std::size_t>(all.size(), 8); ++at) {
            names += (names.empty() ? "" : ", ") + shown(all[at].name);
        }
        names += all.size() > 8 ? ", ..." : "";
        if (all.empty()) {
            return fail(refusal(Code::not_found,
                                "the shader has no entry point; it needs a compute shader's"));
        }
        return fail(refusal(Code::not_found,
                            wanted.empty() ? "the shader has several entry points, so one has to "
                                             "be named: " +
                                                 names
                                           : "the shader has no entry point " + shown(wanted) +
                                                 "; it has " + names));
    }

    /// The variables that an entry point's functions mention, and how they use them.
    [[nodiscard]] std::map<Id, Access> used_from(Id function) const {
        std::map<Id, Access> used;
        std::unordered_set<Id> seen{function};
        std::vector<Id> left{function};
        while (!left.empty()) {
            const Function& here = of(module_.functions, left.back());
            left.pop_back();
            for (const Access& access : here.accesses) {
                Access& sum = used[access.variable];
                sum.reads |= access.reads;
                sum.writes |= access.writes;
            }
            for (const Id called : here.calls) {
                if (seen.insert(called).second) {
                    left.push_back(called);
                }
            }
        }
        return used;
    }

    /// @param access how the entry point uses the variable; nullptr: not at all
    Result<void> visit(Id id, const Variable& variable, const Access* access) {
        const Type& pointee = type(type(variable.type).element);
        switch (variable.storage) {
            case StorageClass::Uniform:
            case StorageClass::StorageBuffer:
                return buffer(id, variable, access);
            case StorageClass::PushConstant:
                if (access != nullptr) {
                    push_constant_bytes_ = std::max(push_constant_bytes_, pointee.bytes);
                }
                return {};
            case StorageClass::Workgroup:
                if (access != nullptr) {
                    interface_.shared_bytes =
                        add_bytes(interface_.shared_bytes, pointee.plain_bytes);
                }
                return {};
            case StorageClass::Input:
                if (!decorations(id).built_in) {
                    return fail(
                        refusal(Code::unsupported,
                                "the input " + shown(name(id)) +
                                    " is no built-in variable, and a compute shader gets no "
                                    "others; use a buffer"));
                }
                return {};
            case StorageClass::Private:
                return {};
            case StorageClass::UniformConstant:
                return fail(refusal(Code::unsupported,
                                    place(id) +
                                        " is an image or a sampler, and those are not supported; "
                                        "use a storage buffer"));
            default:
                return fail(refusal(
                    Code::unsupported,
                    "the variable " + shown(name(id)) + " lies in storage class " +
                        std::to_string(static_cast<std::uint32_t>(variable.storage)) +
                        ", which compute shaders cannot use; use a buffer or workgroup memory"));
        }
    }

    [[nodiscard]] std::string place(Id id) const {
        const Decorations& own = decorations(id);
        return binding_in_words(own.set.value_or(0), own.binding.value_or(0), name(id));
    }

    Result<void> buffer(Id id, const Variable& variable, const Access* access) {
        const Id block = type(variable.type).element;
        const Type& layout = type(block);
        const Decorations& own = decorations(id);
        if (layout.kind != Type::Kind::structure) {
            return fail(refusal(Code::unsupported,
                                place(id) + " is an array of buffers, which is not supported; give "
                                            "each buffer a binding of its own"));
        }
        if (!own.set || !own.binding) {
            return fail(refusal(Code::malformed, "the buffer " + shown(name(id)) +
                                                     " has no set and binding; give it both"));
        }
        if (*own.set > set_number_max || *own.binding > binding_number_max) {
            return fail(refusal(Code::too_large, place(id) + " has too high a number: sets go to " +
                                                     std::to_string(set_number_max) +
                                                     ", bindings to " +
                                                     std::to_string(binding_number_max)));
        }
        if (access == nullptr) {
            return {};
        }
        Binding binding;
        binding.set = *own.set;
        binding.binding = *own.binding;
        const bool storage =
            variable.storage == StorageClass::StorageBuffer || decorations(block).buffer_block;
        binding.kind = storage ? BindingKind::storage : BindingKind::uniform;
        binding.readable = access->reads && !own.non_readable && !layout.all_write_only;
        binding.writable = storage && access->writes && !own.non_writable && !layout.all_read_only;
        binding.bytes_min = layout.bytes;
        binding.element_bytes = layout.tail_stride;
        binding.name = name(id).empty() ? name(block) : name(id);
        return add(std::move(binding));
    }

    /// Adds a binding, or joins it with another view of the same buffer.
    Result<void> add(Binding binding) {
        const std::uint64_t bytes_max =
            binding.kind == BindingKind::uniform ? uniform_bytes_max : bytes_endless - 1;
        const std::string where = binding_in_words(binding.set, binding.binding, binding.name);
        if (binding.bytes_min > bytes_max) {
            return fail(refusal(
                Code::too_large,
                where + " takes more than " + in_bytes(bytes_max) +
                    (binding.kind == BindingKind::uniform ? "; use a storage buffer" : "")));
        }
        std::vector<Binding>& all = interface_.bindings;
        const auto at = std::ranges::lower_bound(
            all, std::pair(binding.set, binding.binding), {},
            [](const Binding& one) { return std::pair(one.set, one.binding); });
        if (at == all.end() || at->set != binding.set || at->binding != binding.binding) {
            all.insert(at, std::move(binding));
            return {};
        }
        if (at->kind != binding.kind) {
            return fail(refusal(Code::malformed,
                                where + " is used as a storage and as a uniform buffer; give them "
                                        "bindings of their own"));
        }
        at->readable |= binding.readable;
        at->writable |= binding.writable;
        at->bytes_min = std::max(at->bytes_min, binding.bytes_min);
        if (at->element_bytes == 0 || binding.element_bytes == 0) {
            at->element_bytes = std::max(at->element_bytes, binding.element_bytes);
        } else {
            at->element_bytes = std::min(at->element_bytes, binding.element_bytes);
        }
        return {};
    }

    static Result<void> at_most(std::string_view what, std::uint64_t used, std::uint64_t max) {
        if (used <= max) {
            return {};
        }
        return fail(refusal(Code::too_large, std::string(what) +
                                                 " of the shader: " + std::to_string(used) + "; " +
                                                 std::to_string(max) + " are the most"));
    }

    Result<void> limits() {
        Result<void> fine = at_most("bindings", interface_.bindings.size(), bindings_max);
        fine = fine
                   ? at_most("bytes of workgroup memory", interface_.shared_bytes, shared_bytes_max)
                   : std::move(fine);
        fine =
            fine ? at_most("bytes of push constants", push_constant_bytes_, push_constant_bytes_max)
                 : std::move(fine);
        interface_.push_constant_bytes = static_cast<std::uint32_t>(push_constant_bytes_ + 3) & ~3U;
        return fine;
    }

    Result<void> constants() {
        for (const auto& [id, constant] : ordered(module_.constants)) {
            if (const auto spec_id = decorations(id).spec_id) {
                interface_.constants.push_back(
                    {*spec_id, scalar_type(type(constant.type)), constant.bits, name(id)});
            }
        }
        std::vector<Constant>& all = interface_.constants;
        std::ranges::sort(all, {}, &Constant::id);
        const auto twice = std::ranges::adjacent_find(all, {}, &Constant::id);
        if (twice != all.end()) {
            return fail(refusal(Code::malformed, "two constants of the shader have the id " +
                                                     std::to_string(twice->id) +
                                                     "; give each its own"));
        }
        return at_most("specialization constants", all.size(), constants_max);
    }

    static ScalarType scalar_type(const Type& type) {
        const bool is_signed = type.is_signed;
        switch (type.kind) {
            case Type::Kind::boolean:
                return ScalarType::boolean;
            case Type::Kind::floating:
                return type.width == 16   ? ScalarType::float16
                       : type.width == 32 ? ScalarType::float32
                                          : ScalarType::float64;
            default:
                break;
        }
        switch (type.width) {
            case 8:
                return is_signed ? ScalarType::int8 : ScalarType::uint8;
            case 16:
                return is_signed ? ScalarType::int16 : ScalarType::uint16;
            case 64:
                return is_signed ? ScalarType::int64 : ScalarType::uint64;
            default:
                return is_signed ? ScalarType::int32 : ScalarType::uint32;
        }
    }

    Result<void> workgroup_size(const EntryPoint& entry) {
        const std::vector<Id>& vector = of(module_.vectors, module_.workgroup_size);
        std::uint64_t invocations = 1;
        for (std::size_t i = 0; i < 3; ++i) {
            const Id id = i < vector.size() ? vector[i] : entry.size_ids.at(i);
            std::uint32_t& size = interface_.workgroup_size.at(i);
            size = entry.size.at(i);
            if (id != 0) {
                const auto found = module_.constants.find(id);
                if (found == module_.constants.end()) {
                    return fail(refusal(Code::unsupported,
                                        "the workgroup's size is computed in a way that Repartir "
                                        "does not follow; use plain constants"));
                }
                size = static_cast<std::uint32_t>(found->second.bits);
            }
            // Cannot wrap: each factor is below 2^32, and the product was small before it.
            invocations *= size;
            if (invocations == 0 || invocations > workgroup_invocations_max) {
                return fail(refusal(invocations == 0 ? Code::malformed : Code::too_large,
                                    "the workgroup has " + std::to_string(invocations) +
                                        " invocations in its first " + std::to_string(i + 1) +
                                        " dimensions; 1 to " +
                                        std::to_string(workgroup_invocations_max) +
                                        " are possible"));
            }
        }
        return {};
    }

    const Module& module_;
    Interface interface_;
    std::uint64_t push_constant_bytes_ = 0;
};

}  // namespace

Result<Interface> reflect(const Module& module, std::string_view entry) {
    return Reflection(module).run(entry);
}

}  // namespace repartir::gpu
