// SPDX-License-Identifier: MIT
// A .npy file's header is a type and a shape that can be written and read again, or one sentence
// that begins with the file's name.
#include <string>

#include "check.hpp"
#include "cli/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using repartir::fuzz::check;
    const std::string_view file = repartir::fuzz::text_of(data, size);
    const auto header = repartir::cli::read_npy_header(file, "f");
    if (!header) {
        check(header.error().sentence().starts_with("f "));
        check(!header.error().sentence().contains('\n'));
        return 0;
    }
    check(header->data_at <= size);
    check(header->type.bytes().has_value());
    const std::string written = repartir::cli::npy_header(header->type);
    const auto again = repartir::cli::read_npy_header(written, "f");
    check(again.has_value());
    check(again->type == header->type);
    check(again->data_at == written.size());
    return 0;
}
