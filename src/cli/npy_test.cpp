// SPDX-License-Identifier: MIT
#include "cli/npy.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace repartir::cli {
namespace {

/// A file as NumPy writes it, without values.
std::string file_of(std::string_view dictionary, char version = 1) {
    std::string file = "\x93NUMPY";
    file += version;
    file += '\0';
    file += static_cast<char>(dictionary.size() & 0xFFU);
    file += static_cast<char>(dictionary.size() >> 8U);
    if (version > 1) {
        file += std::string(2, '\0');
    }
    return file += dictionary;
}

std::string refusal(std::string_view file) {
    const Result<NpyHeader> header = read_npy_header(file, "a.npy");
    return header ? "read" : header.error().sentence();
}

const std::string no_npy =
    "a.npy is no .npy file that NumPy wrote; give it another ending to pass it as bytes";

TEST(Npy, ReadsWhatNumPyWrites) {
    const std::string file =
        file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }        \n");
    const Result<NpyHeader> header = read_npy_header(file, "a.npy");
    ASSERT_TRUE(header) << header.error().sentence();
    EXPECT_EQ(header->type, (ArrayType{{'f', 4}, {2, 3}}));
    EXPECT_EQ(header->data_at, file.size());
    EXPECT_EQ(header->type.bytes(), 24U);
}

TEST(Npy, ReadsEveryVersionAndShape) {
    for (const char version : std::string_view("\1\2\3")) {
        const auto header = read_npy_header(
            file_of("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", version), "a");
        ASSERT_TRUE(header);
        EXPECT_EQ(header->type, (ArrayType{{'u', 1}, {5}}));
    }
    const auto one =
        read_npy_header(file_of("{\"shape\":(),\"fortran_order\":False,\"descr\":\"<i8\"}"), "a");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->type.bytes(), 8U);
    const auto none = read_npy_header(
        file_of("{'descr': '<i8', 'fortran_order': False, 'shape': (0, 18446744073709551615, 9)}"),
        "a");
    ASSERT_TRUE(none);
    EXPECT_EQ(none->type.bytes(), 0U);
    EXPECT_TRUE(
        read_npy_header(file_of("{'descr': '<i8', 'fortran_order': True, 'shape': (4,), }"), "a"));
}

TEST(Npy, SaysWhatItCannotRead) {
    const auto with = [](std::string_view descr, std::string_view rest) {
        return refusal(file_of("{'descr': " + std::string(descr) + std::string(rest)));
    };
    constexpr std::string_view rest = ", 'fortran_order': False, 'shape': (2,), }";
    EXPECT_EQ(with("'>f4'", rest),
              "a.npy holds values of the type '>f4'; convert it with astype to a little-endian"
              " float, int, uint or bool of 1 to 8 bytes");
    EXPECT_NE(with("'|O'", rest).find("type '|O'"), std::string::npos);
    EXPECT_NE(with("'<c8'", rest).find("type '<c8'"), std::string::npos);
    EXPECT_NE(with("'<f1'", rest).find("type '<f1'"), std::string::npos);
    EXPECT_EQ(with("[('a', '<f4')]", rest),
              "a.npy holds structures, not numbers; write their bytes to a file with another"
              " ending");
    EXPECT_EQ(with("'<f4'", ", 'fortran_order': True, 'shape': (2, 3), }"),
              "a.npy is in Fortran's order, columns first; convert it with"
              " numpy.ascontiguousarray");
}

TEST(Npy, IsNotTakenIn) {
    const std::string good = file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
    for (std::size_t length = 0; length < good.size(); ++length) {
        EXPECT_EQ(refusal(std::string_view(good).substr(0, length)), no_npy) << length;
    }
    for (const std::string_view text :
         {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2 2)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
          "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}"}) {
        EXPECT_EQ(refusal(file_of(text)), no_npy) << text;
    }
    EXPECT_EQ(refusal(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4)),
              no_npy);
}

TEST(Npy, WritesWhatItReads) {
    for (const ArrayType& type : {ArrayType{{'f', 2}, {}}, ArrayType{{'u', 1}, {7}},
                                  ArrayType{{'i', 8}, {1, 0, 3}}, ArrayType{{'b', 1}, {2, 2}}}) {
        const std::string text = npy_header(type);
        EXPECT_EQ(text.size() % 64, 0U);
        EXPECT_EQ(text.back(), '\n');
        const Result<NpyHeader> header = read_npy_header(text, "a");
        ASSERT_TRUE(header) << text;
        EXPECT_EQ(header->type, type);
        EXPECT_EQ(header->data_at, text.size());
    }
    EXPECT_NE(npy_header({{'f', 4}, {3}})
                  .find("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }  "),
              std::string::npos);
}

TEST(Elements, HaveNames) {
    EXPECT_EQ(parse_element("float32"), (ElementType{'f', 4}));
    EXPECT_EQ(parse_element("f32"), (ElementType{'f', 4}));
    EXPECT_EQ(parse_element("uint8"), (ElementType{'u', 1}));
    EXPECT_FALSE(parse_element("u8")) << "8 bytes to NumPy, 8 bits to shaders";
    EXPECT_FALSE(parse_element("f4"));
    EXPECT_FALSE(parse_element(""));
}

template <class T, std::size_t count>
std::string text_of(ArrayType type, const std::array<T, count>& values) {
    return array_text(type, std::as_bytes(std::span(values)));
}

TEST(Arrays, AreText) {
    EXPECT_EQ(text_of({{'f', 4}, {2, 2}}, std::array{1.0F, 0.1F, -2.5e10F, 3.0F}),
              "1 0.1\n-2.5e+10 3\n");
    EXPECT_EQ(text_of({{'f', 8}, {}}, std::array{0.1}), "0.1\n");
    EXPECT_EQ(text_of({{'u', 1}, {3}}, std::array<std::uint8_t, 3>{0, 7, 255}), "0 7 255\n");
    EXPECT_EQ(text_of({{'i', 1}, {1}}, std::array<std::int8_t, 1>{-1}), "-1\n");
    EXPECT_EQ(text_of({{'i', 8}, {1}}, std::array{INT64_MIN}), "-9223372036854775808\n");
    EXPECT_EQ(text_of({{'f', 2}, {6}},
                      std::array<std::uint16_t, 6>{0x3C00, 0xC000, 0x0001, 0x7C00, 0xFBFF, 0x7E00}),
              "1 -2 5.9604645e-08 inf -65504 nan\n");
    EXPECT_EQ(array_text({{'f', 4}, {0}}, {}), "");
}

}  // namespace
}  // namespace repartir::cli
