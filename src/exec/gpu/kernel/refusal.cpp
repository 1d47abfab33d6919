// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/refusal.hpp"

#include <algorithm>
#include <utility>

namespace repartir::gpu {

Error refusal(Code code, std::string sentence) {
    return Error(Domain::gpu, code, Fault::user, std::move(sentence));
}

std::string shown(std::string_view text) {
    constexpr std::size_t bytes_max = 64;
    std::string part(text.substr(0, bytes_max));
    std::ranges::replace_if(part, [](char c) { return c < ' ' || c > '~'; }, '?');
    return "`" + part + (text.size() > bytes_max ? "...`" : "`");
}

std::string binding_in_words(std::uint32_t set, std::uint32_t binding, std::string_view name) {
    return "binding " + std::to_string(binding) + " of set " + std::to_string(set) +
           (name.empty() ? "" : " (" + shown(name) + ")");
}

}  // namespace repartir::gpu
