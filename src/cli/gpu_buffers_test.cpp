// SPDX-License-Identifier: MIT
#include "cli/gpu_buffers.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

namespace repartir::cli {
namespace {

using gpu::BufferUse;

class Files : public testing::Test {
  protected:
    std::string folder_ = testing::TempDir();
    [[nodiscard]] std::string write(const std::string& name, std::string_view content) const {
        std::ofstream(folder_ + name, std::ios::binary) << content;
        return folder_ + name;
    }
    [[nodiscard]] static std::string read(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

std::string refusal(BufferUse use, std::string_view text) {
    const Result<BufferSpec> spec = parse_buffer(use, text);
    return spec ? "" : spec.error().sentence();
}

TEST(BufferSpecs, AreRead) {
    const auto in = parse_buffer(BufferUse::in, "a:b.bin");
    ASSERT_TRUE(in);
    EXPECT_EQ(in->from, "a:b.bin");
    const auto out = parse_buffer(BufferUse::out, "4K:c:d");
    ASSERT_TRUE(out);
    EXPECT_EQ(out->bytes, 4096U);
    EXPECT_EQ(out->into, "c:d");
    EXPECT_FALSE(out->type);
    const auto array = parse_buffer(BufferUse::out, "float32x3x4");
    ASSERT_TRUE(array);
    EXPECT_EQ(array->bytes, 48U);
    EXPECT_EQ(array->into, "");
    EXPECT_EQ(array->type, (ArrayType{{'f', 4}, {3, 4}}));
    const auto both = parse_buffer(BufferUse::in_out, "a:b");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->from, "a");
    EXPECT_EQ(both->into, "b");
}

TEST(BufferSpecs, AreRefusedWithASentence) {
    const std::string size =
        "is no size; write bytes, like 4096 or 64K, or a type and lengths, like float32x1000 or"
        " u32x64x64";
    for (const char* text : {"much", "float32x", "float32x-1", "float32x2y", "float99x2", "-1",
                             "u32x99999999999999999999", "u32x4294967296x4294967296x9"}) {
        EXPECT_EQ(refusal(BufferUse::out, text), "--out: \"" + std::string(text) + "\" " + size);
    }
    for (const auto use : {BufferUse::in, BufferUse::out, BufferUse::in_out}) {
        EXPECT_NE(refusal(use, "").find("is no buffer"), std::string::npos);
    }
    EXPECT_NE(refusal(BufferUse::out, "4:").find("is no buffer"), std::string::npos);
    EXPECT_NE(refusal(BufferUse::in_out, ":a").find("is no buffer"), std::string::npos);
}

TEST(Push, LiesAsInAStruct) {
    std::vector<std::byte> push;
    for (const char* text : {"u32:7", "f64:0.5", "int8:-1", "f32:-2"}) {
        ASSERT_TRUE(append_push(text, push)) << text;
    }
    struct {
        std::uint32_t a;
        double b;
        std::int8_t c;
        float d;
    } read{};
    ASSERT_EQ(push.size(), sizeof read);
    std::memcpy(&read, push.data(), sizeof read);
    EXPECT_EQ(read.a, 7U);
    EXPECT_EQ(read.b, 0.5);
    EXPECT_EQ(read.c, -1);
    EXPECT_EQ(read.d, -2);
}

TEST(Push, IsRefusedWithASentence) {
    std::vector<std::byte> push;
    for (const char* text : {"", "7", "u32:", "u32:-1", "u32:7x", "u64:99999999999999999999",
                             "f16:1", "f32:one", "int8:128"}) {
        const Result<void> read = append_push(text, push);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().sentence(), "--push: \"" + std::string(text) +
                                               "\" is no TYPE:VALUE, such as u32:1000 or f32:0.5");
    }
    EXPECT_TRUE(push.empty());
}

TEST_F(Files, AreBytesOrArrays) {
    BufferSpec raw{.from = write("raw.bin", "12345")};
    const auto bytes = load_buffer(raw);
    ASSERT_TRUE(bytes) << bytes.error().sentence();
    EXPECT_EQ(bytes->text(), "12345");
    EXPECT_FALSE(raw.type);
    const ArrayType type{{'u', 1}, {2, 2}};
    BufferSpec array{.from = write("array.npy", npy_header(type) + "abcd and more")};
    const auto values = load_buffer(array);
    ASSERT_TRUE(values) << values.error().sentence();
    EXPECT_EQ(values->text(), "abcd");
    EXPECT_EQ(array.type, type);
    BufferSpec empty{.from = write("empty.bin", "")};
    const auto none = load_buffer(empty);
    ASSERT_TRUE(none) << none.error().sentence();
    EXPECT_EQ(none->size(), 0U);
}

TEST_F(Files, MayBePipes) {
    const std::string pipe = folder_ + "pipe.npy";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const std::string long_text(200'000, 'x');
    const std::string content = npy_header({{'u', 1}, {200'000}}) + long_text;
    std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << content; });
    BufferSpec spec{.from = pipe};
    const auto values = load_buffer(spec);
    writer.join();
    ::unlink(pipe.c_str());
    ASSERT_TRUE(values) << values.error().sentence();
    EXPECT_EQ(values->text(), long_text);
}

TEST_F(Files, ThatCannotBeUsedAreNamed) {
    const auto refused = [](std::string from) {
        BufferSpec spec{.from = std::move(from)};
        const auto loaded = load_buffer(spec);
        return loaded ? "" : loaded.error().sentence();
    };
    EXPECT_EQ(refused("/nonexistent"), "/nonexistent cannot be read: No such file or directory");
    EXPECT_EQ(refused("/tmp"), "/tmp cannot be read: Is a directory");
    const std::string cut = write("cut.npy", npy_header({{'u', 1}, {5}}) + "abcd");
    EXPECT_EQ(refused(cut), cut +
                                " is cut short: it says that it holds 5 bytes, and there are 4;"
                                " write it again");
    EXPECT_NE(refused(write("no.npy", "")).find("is no .npy file"), std::string::npos);
}

TEST_F(Files, AreWritten) {
    constexpr std::string_view data = "abcd";
    const auto bytes = std::as_bytes(std::span(data));
    BufferSpec raw{.use = BufferUse::out, .into = folder_ + "out.bin"};
    ASSERT_TRUE(store_buffer(raw, bytes));
    EXPECT_EQ(read(raw.into), "abcd");
    BufferSpec array{
        .use = BufferUse::out, .into = folder_ + "out.npy", .type = ArrayType{{'u', 2}, {2}}};
    ASSERT_TRUE(store_buffer(array, bytes));
    EXPECT_EQ(read(array.into), npy_header({{'u', 2}, {2}}) + "abcd");
    array.type.reset();
    ASSERT_TRUE(store_buffer(array, bytes));
    EXPECT_EQ(read(array.into), npy_header({{'u', 1}, {4}}) + "abcd");
    raw.into = "/nonexistent/a";
    const auto refused = store_buffer(raw, bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().sentence(),
              "/nonexistent/a cannot be written: No such file or directory");
    raw.into = "/dev/full";
    EXPECT_FALSE(store_buffer(raw, bytes));
}

}  // namespace
}  // namespace repartir::cli
