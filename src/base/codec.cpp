// SPDX-License-Identifier: MIT
#include "repartir/codec.hpp"

namespace repartir::codec {

std::string_view to_string(Problem problem) noexcept {
    switch (problem) {
        case Problem::none:
            return "none";
        case Problem::truncated:
            return "truncated";
        case Problem::value:
            return "value";
        case Problem::excess:
            return "excess";
    }
    return "?";
}

Error malformed(std::string_view what, Problem problem) {
    std::string sentence = "these bytes are no " + std::string(what) + ": ";
    switch (problem) {
        case Problem::truncated:
            sentence += "they end too early";
            break;
        case Problem::excess:
            sentence += "too many follow";
            break;
        default:
            sentence += "one of them has a value that it cannot have";
            break;
    }
    sentence += "; both sides must agree on its fields, to which new ones are only appended";
    return Error(Domain::wire, Code::malformed, Fault::user, std::move(sentence));
}

}  // namespace repartir::codec
