// SPDX-License-Identifier: MIT
#include "cli/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie there");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t dimensions_max = 32;  // NumPy's own limit, before 2.0

/// What stands in a header: a Python dictionary of strings, booleans and tuples of numbers.
class HeaderReader {
  public:
    explicit HeaderReader(std::string_view text) : left_(text) {}

    /// Takes one of these characters, after blanks. @return 0 when another one stands there.
    char take(std::string_view any_of) {
        skip_blanks();
        if (left_.empty() || !any_of.contains(left_.front())) {
            return 0;
        }
        const char taken = left_.front();
        left_.remove_prefix(1);
        return taken;
    }
    std::optional<std::string_view> string() {
        const char quote = take("'\"");
        const std::size_t end = quote == 0 ? std::string_view::npos : left_.find(quote);
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        const std::string_view text = left_.substr(0, end);
        left_.remove_prefix(end + 1);
        return text;
    }
    std::optional<bool> boolean() {
        skip_blanks();
        for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
            if (left_.starts_with(word)) {
                left_.remove_prefix(std::string_view(word).size());
                return value;
            }
        }
        return std::nullopt;
    }
    std::optional<std::vector<std::uint64_t>> tuple() {
        if (take("(") == 0) {
            return std::nullopt;
        }
        std::vector<std::uint64_t> numbers;
        while (take(")") == 0) {
            skip_blanks();
            std::uint64_t number = 0;
            const auto read = std::from_chars(left_.data(), left_.data() + left_.size(), number);
            if (read.ec != std::errc() || numbers.size() == dimensions_max) {
                return std::nullopt;
            }
            left_.remove_prefix(static_cast<std::size_t>(read.ptr - left_.data()));
            left_.remove_prefix(left_.starts_with('L') ? 1 : 0);  // Python 2's long
            numbers.push_back(number);
            if (take(",") == 0 && !left_.starts_with(')')) {
                return std::nullopt;
            }
        }
        return numbers;
    }
    [[nodiscard]] bool at_end() {
        skip_blanks();
        return left_.empty();
    }

  private:
    void skip_blanks() {
        left_.remove_prefix(std::min(left_.find_first_not_of(" \n\t"), left_.size()));
    }
    std::string_view left_;
};

struct Dictionary {
    std::optional<std::string_view> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::uint64_t>> shape;
};

/// @return what it says; a member is missing where it is not there, or not understood.
Dictionary read_dictionary(std::string_view text) {
    HeaderReader reader(text);
    Dictionary found;
    if (reader.take("{") == 0) {
        return found;
    }
    while (reader.take("}") == 0) {
        const std::optional<std::string_view> key = reader.string();
        if (!key || reader.take(":") == 0) {
            return {};
        }
        if (*key == "descr") {
            found.descr = reader.string();
        } else if (*key == "fortran_order") {
            found.fortran_order = reader.boolean();
        } else if (*key == "shape") {
            found.shape = reader.tuple();
        } else {
            return {};
        }
        if (reader.take(",") == 0) {
            return reader.take("}") != 0 && reader.at_end() ? found : Dictionary();
        }
    }
    return reader.at_end() ? found : Dictionary();
}

std::unexpected<Error> refuse(Code code, std::string_view name, std::string_view why) {
    return fail(Error(Domain::config, code, Fault::user, cat({printable(name), why})));
}

std::unexpected<Error> no_npy(std::string_view name) {
    return refuse(Code::malformed, name,
                  " is no .npy file that NumPy wrote; give it another ending to pass it as bytes");
}

/// Reads such as "<f4".
std::optional<ElementType> parse_descr(std::string_view descr) noexcept {
    constexpr std::string_view kinds = "fiub";
    if (descr.size() != 3 || !std::string_view("<|=").contains(descr[0]) ||
        !kinds.contains(descr[1]) || !std::string_view("1248").contains(descr[2])) {
        return std::nullopt;
    }
    const ElementType element{descr[1], static_cast<std::uint8_t>(descr[2] - '0')};
    if ((element.kind == 'f' && element.bytes == 1) ||
        (element.kind == 'b' && element.bytes != 1)) {
        return std::nullopt;
    }
    return element;
}

/// @return where the dictionary is; nothing when there is none.
std::optional<std::pair<std::size_t, std::size_t>> find_dictionary(std::string_view file) {
    constexpr std::size_t version_at = magic.size();
    constexpr std::size_t length_at = version_at + 2;
    if (!file.starts_with(magic) || file.size() < length_at + 4) {
        return std::nullopt;
    }
    const char version = file[version_at];
    if (version < 1 || version > 3) {
        return std::nullopt;
    }
    const std::size_t length_bytes = version == 1 ? 2 : 4;
    std::uint32_t length = 0;
    std::memcpy(&length, file.data() + length_at, length_bytes);
    const std::size_t begin = length_at + length_bytes;
    if (length > npy_header_bytes_max - begin || length > file.size() - begin) {
        return std::nullopt;
    }
    return std::pair{begin, std::size_t{length}};
}

template <class T>
T load(std::span<const std::byte> data, std::size_t at) {
    T value;
    std::memcpy(&value, data.subspan(at, sizeof value).data(), sizeof value);
    return value;
}

/// @return IEEE 754's binary16 as a float, which has all of its values.
float half(std::uint16_t bits) noexcept {
    constexpr int fraction_bits = 10;
    const int exponent = (bits >> fraction_bits) & 0x1F;
    const auto fraction = static_cast<float>(bits & 0x3FF);
    float value = 0;
    if (exponent == 0x1F) {
        value = fraction == 0 ? HUGE_VALF : NAN;
    } else if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else {
        value = std::ldexp(1024.0F + fraction, exponent - 25);
    }
    return (bits & 0x8000U) != 0 ? -value : value;
}

template <class T>
void append(std::string& into, T value) {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    into.append(text.data(), end);
}

void append_element(std::string& into, ElementType type, std::span<const std::byte> data,
                    std::size_t at) {
    const bool is_signed = type.kind == 'i';
    if (type.kind == 'f') {
        type.bytes == 8   ? append(into, load<double>(data, at))
        : type.bytes == 4 ? append(into, load<float>(data, at))
                          : append(into, half(load<std::uint16_t>(data, at)));
        return;
    }
    switch (type.bytes) {
        case 1:
            return is_signed ? append(into, int{load<std::int8_t>(data, at)})
                             : append(into, unsigned{load<std::uint8_t>(data, at)});
        case 2:
            return is_signed ? append(into, load<std::int16_t>(data, at))
                             : append(into, load<std::uint16_t>(data, at));
        case 4:
            return is_signed ? append(into, load<std::int32_t>(data, at))
                             : append(into, load<std::uint32_t>(data, at));
        default:
            return is_signed ? append(into, load<std::int64_t>(data, at))
                             : append(into, load<std::uint64_t>(data, at));
    }
}

}  // namespace

std::optional<ElementType> parse_element(std::string_view name) noexcept {
    struct Named {
        std::string_view name;
        ElementType type;
    };
    constexpr std::array all{
        Named{"float16", {'f', 2}}, Named{"float32", {'f', 4}}, Named{"float64", {'f', 8}},
        Named{"int8", {'i', 1}},    Named{"int16", {'i', 2}},   Named{"int32", {'i', 4}},
        Named{"int64", {'i', 8}},   Named{"uint8", {'u', 1}},   Named{"uint16", {'u', 2}},
        Named{"uint32", {'u', 4}},  Named{"uint64", {'u', 8}},  Named{"f16", {'f', 2}},
        Named{"f32", {'f', 4}},     Named{"f64", {'f', 8}},     Named{"i16", {'i', 2}},
        Named{"i32", {'i', 4}},     Named{"i64", {'i', 8}},     Named{"u16", {'u', 2}},
        Named{"u32", {'u', 4}},     Named{"u64", {'u', 8}}};
    const auto* const found = std::ranges::find(all, name, &Named::name);
    return found == all.end() ? std::nullopt : std::optional(found->type);
}

std::optional<std::uint64_t> ArrayType::bytes() const noexcept {
    constexpr std::uint64_t most = 1ULL << 63U;
    if (std::ranges::find(shape, 0U) != shape.end()) {
        return 0;
    }
    std::uint64_t count = element.bytes;
    for (const std::uint64_t length : shape) {
        if (count > most / length) {
            return std::nullopt;
        }
        count *= length;
    }
    return count;
}

Result<NpyHeader> read_npy_header(std::string_view file, std::string_view name) {
    const auto place = find_dictionary(file);
    if (!place) {
        return no_npy(name);
    }
    Dictionary said = read_dictionary(file.substr(place->first, place->second));
    if (!said.descr || !said.fortran_order || !said.shape) {
        return file.substr(place->first, place->second).contains("[(")
                   ? refuse(Code::unsupported, name,
                            " holds structures, not numbers; write their bytes to a file with"
                            " another ending")
                   : no_npy(name);
    }
    const std::optional<ElementType> element = parse_descr(*said.descr);
    if (!element) {
        return refuse(Code::unsupported, name,
                      cat({" holds values of the type '", printable(*said.descr),
                           "'; convert it with astype to a little-endian float, int, uint or bool"
                           " of 1 to 8 bytes"}));
    }
    NpyHeader header{{*element, *std::move(said.shape)}, place->first + place->second};
    if (*said.fortran_order && header.type.shape.size() > 1) {
        return refuse(Code::unsupported, name,
                      " is in Fortran's order, columns first; convert it with"
                      " numpy.ascontiguousarray");
    }
    if (!header.type.bytes()) {
        return no_npy(name);
    }
    return header;
}

std::string npy_header(const ArrayType& type) {
    constexpr std::size_t alignment = 64;
    const char order = type.element.bytes == 1 ? '|' : '<';
    std::string text = cat({"{'descr': '", std::string(1, order), std::string(1, type.element.kind),
                            number(type.element.bytes), "', 'fortran_order': False, 'shape': ("});
    for (const std::uint64_t length : type.shape) {
        text += number(length);
        text += type.shape.size() == 1 ? "," : &length == &type.shape.back() ? "" : ", ";
    }
    text += "), }";
    const std::size_t before = magic.size() + 4;
    text.resize((before + text.size() + 1 + alignment - 1) / alignment * alignment - before - 1,
                ' ');
    text += '\n';
    std::string all(magic);
    all += '\x01';
    all += '\0';
    all += static_cast<char>(text.size() & 0xFFU);
    all += static_cast<char>(text.size() >> 8U);
    return all + text;
}

std::string array_text(const ArrayType& type, std::span<const std::byte> data) {
    const std::uint64_t row = type.shape.empty() ? 1 : type.shape.back();
    std::string text;
    std::uint64_t column = 0;
    for (std::size_t at = 0; at < data.size(); at += type.element.bytes) {
        append_element(text, type.element, data, at);
        text += ++column % row == 0 ? '\n' : ' ';
    }
    return text;
}

}  // namespace repartir::cli
