// SPDX-License-Identifier: MIT
#include "wire/dispatch.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "repartir/codec.hpp"

namespace repartir::wire {
namespace {

struct BufferView {
    gpu::BufferUse use = gpu::BufferUse::in;
    std::uint64_t bytes = 0;
    std::string_view from;  ///< in, in_out: all of them
    static constexpr auto codec_fields =
        std::tuple(&BufferView::use, &BufferView::bytes, &BufferView::from);
};

struct DispatchView {
    std::string_view words;
    std::string_view entry;
    std::array<std::uint32_t, 3> workgroups{};
    std::string_view push;
    codec::List<BufferView> buffers;
    static constexpr auto codec_fields =
        std::tuple(&DispatchView::words, &DispatchView::entry, &DispatchView::workgroups,
                   &DispatchView::push, &DispatchView::buffers);
};

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    // SAFETY: bytes may be looked at as characters.
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text));
}

std::unexpected<Error> malformed() {
    return fail(codec::malformed("shader task", codec::Problem::excess));
}

std::uint64_t sum(const gpu::Dispatch& task, gpu::BufferUse other) noexcept {
    std::uint64_t all = 0;
    for (const gpu::BufferArgument& buffer : task.buffers) {
        if (buffer.use != other) {
            all += std::min(buffer.bytes, UINT64_MAX - all);
        }
    }
    return all;
}

}  // namespace

std::string encode_dispatch(const gpu::Dispatch& task, std::span<const std::uint32_t> words,
                            std::string_view entry) {
    std::vector<BufferView> buffers;
    buffers.reserve(task.buffers.size());
    for (const gpu::BufferArgument& buffer : task.buffers) {
        const bool given = buffer.use != gpu::BufferUse::out;
        buffers.push_back(
            {buffer.use, buffer.bytes, given ? text_of(buffer.from.view()) : std::string_view()});
    }
    std::string list;
    DispatchView view;
    view.words = text_of(std::as_bytes(words));
    view.entry = entry;
    view.workgroups = task.workgroups;
    view.push = text_of(task.push);
    view.buffers = codec::list_of(std::span<const BufferView>(buffers), list);
    return codec::encode(view);
}

Result<gpu::Dispatch> read_dispatch(std::string_view arguments) {
    DispatchView view;
    const codec::Problem problem = codec::decode(arguments, view);
    if (problem != codec::Problem::none) {
        return fail(codec::malformed("shader task", problem));
    }
    gpu::Dispatch task;
    std::vector<std::uint32_t> words(view.words.size() / sizeof(std::uint32_t));
    if (words.size() * sizeof(std::uint32_t) != view.words.size()) {
        return malformed();
    }
    if (!words.empty()) {
        std::memcpy(words.data(), view.words.data(), view.words.size());
    }
    task.shader = Shader::spirv(words);
    task.entry = view.entry;
    task.workgroups = view.workgroups;
    const std::span<const std::byte> push = bytes_of(view.push);
    task.push.assign(push.begin(), push.end());
    bool good = true;
    const codec::Problem list = view.buffers.each([&](const BufferView& buffer) {
        const bool given = buffer.use != gpu::BufferUse::out;
        good = good && buffer.use <= gpu::BufferUse::in_out &&
               buffer.from.size() == (given ? buffer.bytes : 0);
        gpu::BufferArgument& argument = task.buffers.emplace_back();
        argument.use = buffer.use;
        argument.bytes = buffer.bytes;
        argument.from = gpu::Bytes::copy_of(bytes_of(buffer.from));
    });
    if (list != codec::Problem::none || !good) {
        return malformed();
    }
    return task;
}

std::uint64_t output_bytes(const gpu::Dispatch& task) noexcept {
    return sum(task, gpu::BufferUse::in);
}

std::uint64_t input_bytes(const gpu::Dispatch& task) noexcept {
    return sum(task, gpu::BufferUse::out);
}

}  // namespace repartir::wire
