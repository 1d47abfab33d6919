// SPDX-License-Identifier: MIT
#include "repartir/dispatch.hpp"

#include <algorithm>
#include <utility>

#include "repartir/task.hpp"

namespace repartir {
namespace gpu {

struct Bytes::Body {
    std::unique_ptr<std::byte[]> own;
    std::optional<SharedBuffer> shared;
};

Bytes::Bytes(std::unique_ptr<std::byte[]> bytes, std::size_t size)
    : body_(std::make_shared<const Body>(std::move(bytes), std::nullopt)),
      view_(body_->own.get(), size) {}

Bytes::Bytes(SharedBuffer buffer)
    : body_(std::make_shared<const Body>(nullptr, std::move(buffer))),
      view_(body_->shared->bytes()) {}

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
    auto own = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
    std::ranges::copy(bytes, own.get());
    return {std::move(own), bytes.size()};
}

const SharedBuffer* Bytes::shared() const noexcept {
    return body_ && body_->shared ? &*body_->shared : nullptr;
}

namespace detail {

void append_aligned(std::vector<std::byte>& bytes, std::span<const std::byte> value,
                    std::size_t alignment) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    bytes.insert(bytes.end(), value.begin(), value.end());
}

}  // namespace detail

}  // namespace gpu

Task Task::shader(Shader shader, std::string_view entry) {
    Task task;
    gpu::Dispatch& dispatch = task.mutable_extras().dispatch.emplace();
    dispatch.shader = std::move(shader);
    dispatch.entry = entry;
    return task;
}

Task Task::shader(std::string_view path, std::string_view entry) {
    Result<Shader> read = Shader::from_file(std::string(path));
    Task task = shader(read ? *std::move(read) : Shader(), entry);
    if (!read) {
        task.mutable_dispatch().error = std::move(read).error();
    }
    return task;
}

gpu::Dispatch& Task::mutable_dispatch() {
    std::optional<gpu::Dispatch>& dispatch = mutable_extras().dispatch;
    return dispatch ? *dispatch : dispatch.emplace();  // of a program, which validate() refuses
}

Task& Task::workgroups(std::uint32_t x, std::uint32_t y, std::uint32_t z) & {
    mutable_dispatch().workgroups = {x, y, z};
    return *this;
}

Task& Task::add_buffer(gpu::BufferArgument argument) {
    mutable_dispatch().buffers.push_back(std::move(argument));
    return *this;
}

Task& Task::input_buffer(gpu::Bytes bytes) & {
    const std::size_t size = bytes.size();
    return add_buffer({gpu::BufferUse::in, size, std::move(bytes), std::nullopt});
}

Task& Task::input_buffer(SharedBuffer buffer) & {
    return input_buffer(gpu::Bytes(std::move(buffer)));
}

Task& Task::output_buffer(std::uint64_t bytes) & {
    return add_buffer({gpu::BufferUse::out, bytes, {}, std::nullopt});
}

Task& Task::output_buffer(SharedBuffer into) & {
    return add_buffer({gpu::BufferUse::out, into.size(), {}, std::move(into)});
}

Task& Task::inout_buffer(gpu::Bytes bytes) & {
    const std::size_t size = bytes.size();
    return add_buffer({gpu::BufferUse::in_out, size, std::move(bytes), std::nullopt});
}

Task& Task::inout_buffer(SharedBuffer buffer) & {
    gpu::Bytes from(buffer);
    return add_buffer({gpu::BufferUse::in_out, buffer.size(), std::move(from), std::move(buffer)});
}

Task& Task::constant(std::string_view name, double value) & {
    mutable_dispatch().constants.push_back({std::string(name), value});
    return *this;
}

Task& Task::push_bytes(std::span<const std::byte> bytes) & {
    mutable_dispatch().push.assign(bytes.begin(), bytes.end());
    return *this;
}

Task& Task::cpu_fallback(bool allowed) & {
    mutable_dispatch().cpu_fallback = allowed;
    return *this;
}

}  // namespace repartir
