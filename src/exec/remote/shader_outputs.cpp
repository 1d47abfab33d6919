// SPDX-License-Identifier: MIT
#include "exec/remote/shader_outputs.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "wire/dispatch.hpp"

namespace repartir::exec {
namespace {

std::unexpected<Error> refuse(Code code, Fault fault, std::string sentence) {
    return fail(Error(Domain::gpu, code, fault, std::move(sentence)));
}

}  // namespace

void ShaderOutputs::make_room() {
    if (!outputs_.empty()) {
        return;
    }
    for (const gpu::BufferArgument& buffer : task_.buffers) {
        if (buffer.use == gpu::BufferUse::in) {
            continue;
        }
        Output output;
        output.size = buffer.bytes;
        output.bytes.reset(new (std::nothrow) std::byte[buffer.bytes]);
        short_ = short_ || output.bytes == nullptr;
        outputs_.push_back(std::move(output));
    }
}

void ShaderOutputs::take(std::uint64_t offset, std::string_view bytes) {
    make_room();
    if (short_) {
        return;
    }
    if (offset > filled_) {
        strange_ = true;
        return;
    }
    filled_ = offset + bytes.size();
    for (const Output& output : outputs_) {
        if (offset >= output.size) {
            offset -= output.size;
            continue;
        }
        const std::string_view piece = bytes.substr(0, output.size - offset);
        if (!piece.empty()) {
            std::memcpy(output.bytes.get() + offset, piece.data(), piece.size());
        }
        bytes.remove_prefix(piece.size());
        offset = 0;
    }
    strange_ = strange_ || !bytes.empty();
}

Result<std::vector<gpu::Bytes>> ShaderOutputs::finish(std::uint64_t offset,
                                                      std::string_view bytes) {
    take(offset, bytes);
    const std::uint64_t wanted = wire::output_bytes(task_);
    if (short_) {
        return refuse(Code::out_of_resources, Fault::system,
                      "there is no memory for what the shader gave, " + std::to_string(wanted) +
                          " bytes: free some, or have it give less");
    }
    if (strange_ || filled_ != wanted) {
        return refuse(Code::malformed, Fault::node,
                      "the worker sent " + std::to_string(filled_) +
                          " bytes for the shader's outputs, which have " + std::to_string(wanted) +
                          ": use the same version on both sides");
    }
    std::vector<gpu::Bytes> all;
    auto output = outputs_.begin();
    for (const gpu::BufferArgument& buffer : task_.buffers) {
        if (buffer.use == gpu::BufferUse::in) {
            continue;
        }
        if (!buffer.into) {
            all.emplace_back(std::move(output->bytes), output->size);
        } else {
            SharedBuffer into = *buffer.into;
            if (into.writable().size() < output->size) {
                return refuse(Code::invalid_argument, Fault::user,
                              "a buffer for what the shader gives is sealed, and nobody can write"
                              " to it: pass one that is not");
            }
            if (output->size != 0) {
                std::memcpy(into.writable().data(), output->bytes.get(), output->size);
            }
            all.emplace_back(std::move(into));
        }
        ++output;
    }
    return all;
}

}  // namespace repartir::exec
