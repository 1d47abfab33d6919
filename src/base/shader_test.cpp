// SPDX-License-Identifier: MIT
#include "repartir/shader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace repartir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ShaderFiles : public testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string path(std::string_view name) const {
        return folder_ + "/" + std::string(name);
    }
    [[nodiscard]] std::string file(std::string_view name, std::string_view bytes) const {
        std::ofstream(path(name), std::ios::binary) << bytes;
        return path(name);
    }
    static void expect_refused(const std::string& path, Code code, const char* words) {
        const Result<Shader> shader = Shader::from_file(path);
        ASSERT_FALSE(shader.has_value()) << path;
        EXPECT_EQ(shader.error().domain(), Domain::gpu);
        EXPECT_EQ(shader.error().code(), code) << shader.error().sentence();
        EXPECT_THAT(shader.error().sentence(), HasSubstr(words));
        EXPECT_THAT(shader.error().sentence(), HasSubstr(path));
    }

  private:
    std::string folder_ = testing::TempDir() + "repartir-shader-XXXXXX";
};

TEST(Shader, NoneIsEmpty) {
    const Shader none;
    EXPECT_TRUE(none.empty());
    EXPECT_TRUE(none.words().empty());
    EXPECT_EQ(none.source(), "");
    EXPECT_EQ(none.name(), "");
    EXPECT_EQ(none, Shader::spirv({}));
    EXPECT_NE(none, Shader::glsl(""));
}

TEST(Shader, HoldsTextAndWords) {
    const Shader glsl = Shader::glsl("void main() {}");
    EXPECT_EQ(glsl.language(), ShaderLanguage::glsl);
    EXPECT_EQ(glsl.source(), "void main() {}");
    EXPECT_TRUE(glsl.words().empty());
    EXPECT_NE(glsl, Shader::wgsl("void main() {}"));
    const std::array words{0x07230203U, 7U};
    const Shader spirv = Shader::spirv(words);
    EXPECT_THAT(spirv.words(), ElementsAre(0x07230203U, 7U));
    EXPECT_EQ(spirv.source().size(), 8U);
    EXPECT_EQ(to_string(spirv.language()), "SPIR-V");
    EXPECT_EQ(to_string(glsl.language()), "GLSL");
    EXPECT_EQ(to_string(Shader::wgsl("").language()), "WGSL");
}

TEST(Shader, CopiesShareTheirBody) {
    const Shader one = Shader::wgsl("fn main() {}");
    const Shader two = one;
    EXPECT_EQ(one.source().data(), two.source().data());
    EXPECT_EQ(one, Shader::wgsl("fn main() {}"));
}

TEST_F(ShaderFiles, TheEndingTellsTheLanguage) {
    EXPECT_EQ(Shader::from_file(file("a.wgsl", "x"))->language(), ShaderLanguage::wgsl);
    EXPECT_EQ(Shader::from_file(file("a.glsl", "x"))->language(), ShaderLanguage::glsl);
    const Result<Shader> comp = Shader::from_file(file("a.comp", "x"));
    EXPECT_EQ(*comp, Shader::glsl("x"));
    EXPECT_EQ(comp->name(), path("a.comp"));
    expect_refused(file("a.txt", "x"), Code::invalid_argument, "name's end: .spv");
}

TEST_F(ShaderFiles, SpirvOfEitherByteOrder) {
    using std::string_view_literals::operator""sv;
    const auto little = Shader::from_file(file("a.spv", "\x03\x02\x23\x07\x01\0\0\0"sv));
    const auto big = Shader::from_file(file("b.spv", "\x07\x23\x02\x03\0\0\0\x01"sv));
    EXPECT_THAT(little->words(), ElementsAre(0x07230203U, 1U));
    EXPECT_EQ(*little, *big);
}

TEST_F(ShaderFiles, WhatIsNoSpirv) {
    expect_refused(file("a.spv", ""), Code::malformed, "is no SPIR-V");
    expect_refused(file("b.spv", "\x03\x02\x23\x07\x01"), Code::malformed, "whole words");
    expect_refused(file("c.spv", "fn main() {}"), Code::malformed, "0x07230203");
}

TEST_F(ShaderFiles, WhatCannotBeRead) {
    expect_refused(path("none.spv"), Code::not_found, "No such file");
    std::filesystem::create_directory(path("folder.glsl"));
    const Result<Shader> folder = Shader::from_file(path("folder.glsl"));
    ASSERT_FALSE(folder.has_value());
    EXPECT_THAT(folder.error().sentence(), HasSubstr("Is a directory"));
    if (::geteuid() != 0) {
        const std::string hidden = file("hidden.wgsl", "x");
        std::filesystem::permissions(hidden, std::filesystem::perms::none);
        expect_refused(hidden, Code::permission_denied, "Permission denied");
    }
}

TEST_F(ShaderFiles, TooLarge) {
    const std::string large = file("large.glsl", "");
    std::filesystem::resize_file(large, shader_bytes_max);
    EXPECT_TRUE(Shader::from_file(large).has_value());
    std::filesystem::resize_file(large, shader_bytes_max + 1);
    expect_refused(large, Code::too_large, "larger than 16 MiB");
}

}  // namespace
}  // namespace repartir
