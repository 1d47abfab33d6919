// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/kernels.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace repartir::gpu {
namespace {

std::size_t hash_of(const Shader& shader, std::string_view entry) {
    constexpr std::size_t spread = 0x9E3779B97F4A7C15U;
    const std::hash<std::string_view> hash;
    return hash(shader.source()) * spread + hash(entry) +
           static_cast<std::size_t>(shader.language());
}

}  // namespace

Result<KernelPtr> Kernels::get(const Shader& shader, std::string_view entry,
                               std::span<const NamedConstant> constants) {
    const std::size_t hash = hash_of(shader, entry);
    const auto find = [&] {
        const auto [first, last] = by_hash_.equal_range(hash);
        return std::find_if(first, last, [&](const auto& one) {
            const Kept& kept = *one.second;
            return kept.entry == entry && std::ranges::equal(kept.constants, constants) &&
                   kept.shader == shader;
        });
    };
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = find(); found != by_hash_.end()) {
            kept_.splice(kept_.end(), kept_, found->second);
            return found->second->kernel;
        }
        if (shader.language() == ShaderLanguage::glsl && !glsl_) {
            glsl_ = std::make_unique<GlslTables>();
        }
    }
    Result<Compiled> compiled = compile(shader, entry, constants);
    if (!compiled) {
        return fail(std::move(compiled).error());
    }
    auto kernel = std::make_shared<const Compiled>(*std::move(compiled));
    const std::lock_guard lock(mutex_);
    if (const auto found = find(); found != by_hash_.end()) {
        return found->second->kernel;  // somebody else was faster
    }
    kept_.push_back({shader, std::string(entry), {constants.begin(), constants.end()}, kernel});
    by_hash_.emplace(hash, std::prev(kept_.end()));
    if (kept_.size() > kept_max) {
        const auto oldest = kept_.begin();
        const auto [first, last] = by_hash_.equal_range(hash_of(oldest->shader, oldest->entry));
        by_hash_.erase(
            std::find_if(first, last, [&](const auto& one) { return one.second == oldest; }));
        kept_.pop_front();
    }
    return kernel;
}

}  // namespace repartir::gpu
