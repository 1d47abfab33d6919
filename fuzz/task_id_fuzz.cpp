// SPDX-License-Identifier: MIT
// Whatever parse_task_id accepts is exactly what to_string writes.
#include "check.hpp"
#include "repartir/id.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = repartir::fuzz::text_of(data, size);
    const auto id = repartir::parse_task_id(text);
    if (id) {
        repartir::fuzz::check(repartir::to_string(*id) == text);
    }
    return 0;
}
