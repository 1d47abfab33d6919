// SPDX-License-Identifier: MIT
#include "view.hpp"

namespace repartir::model {

namespace {

bool writes(Kind kind) noexcept { return kind != Kind::load; }

bool is_fence(Kind kind) noexcept {
    return kind == Kind::fence || kind == Kind::light || kind == Kind::heavy;
}

}  // namespace

bool dependent(const Op& one, const Op& other) noexcept {
    if (is_fence(one.kind) || is_fence(other.kind)) {
        if (one.kind == Kind::light || other.kind == Kind::light) {
            return one.kind == Kind::heavy || other.kind == Kind::heavy;
        }
        return one.seq_cst && other.seq_cst;
    }
    return one.location < locations_max && one.location == other.location &&
           (writes(one.kind) || writes(other.kind));
}

std::string describe(const Op& op) {
    static constexpr std::array<const char*, 12> names = {
        "start",       "load",           "store",        "rmw",  "fence", "light fence",
        "heavy fence", "wait (compare)", "wait (sleep)", "wake", "yield", "end"};
    std::string text = names[static_cast<std::size_t>(op.kind)];
    text += op.seq_cst ? " seq_cst" : "";
    if (op.location < locations_max) {
        text += " L" + std::to_string(op.location);
    }
    return text;
}

}  // namespace repartir::model
