// SPDX-License-Identifier: MIT
// What a client sends to have a shader run is a dispatch whose buffers are as long as they say, and
// that is the same when it is written and read again; or one sentence.
#include <string>

#include "check.hpp"
#include "wire/dispatch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using repartir::fuzz::check;
    namespace gpu = repartir::gpu;
    namespace wire = repartir::wire;
    const std::string_view bytes = repartir::fuzz::text_of(data, size);
    const auto task = wire::read_dispatch(bytes);
    if (!task) {
        check(task.error().code() == repartir::Code::malformed);
        return 0;
    }
    check(wire::input_bytes(*task) <= size);
    for (const gpu::BufferArgument& buffer : task->buffers) {
        check(buffer.from.size() == (buffer.use == gpu::BufferUse::out ? 0 : buffer.bytes));
    }
    const std::string again = wire::encode_dispatch(*task, task->shader.words(), task->entry);
    const auto same = wire::read_dispatch(again);
    check(same.has_value());
    check(same->workgroups == task->workgroups);
    check(same->push == task->push);
    check(same->buffers.size() == task->buffers.size());
    check(wire::output_bytes(*same) == wire::output_bytes(*task));
    return 0;
}
