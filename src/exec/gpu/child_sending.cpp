// SPDX-License-Identifier: MIT
/// @file child_sending.cpp How dispatches get to the process that hosts a GPU.
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "exec/gpu/child_host.hpp"
#include "repartir/codec.hpp"

namespace repartir::gpu {
bool ChildHost::next_may_go() const {
    if (!child_ || failed_alone_ || waiting_.empty()) {
        return false;
    }
    if (suspects_ == 0) {
        return true;
    }
    return sent_ == 0 && running_.at(waiting_.front()).suspect;
}

void ChildHost::send_waiting() {
    while (next_may_go()) {
        const auto found = running_.find(waiting_.front());
        const Result<bool> sent = send(found->second);
        if (!sent && sent.error().code() != Code::io_error) {
            waiting_.pop_front();
            finish(found, {.how = Ended::How::failed, .error = sent.error()});
            continue;
        }
        if (!sent) {
            return;  // the child is gone: it is sent to the next one
        }
        if (!*sent) {
            if (!std::exchange(no_room_, true)) {
                begin_to_wait();
                ::eventfd_write(bell_.get(), 1);  // the thread sends the rest
            }
            return;
        }
        waiting_.pop_front();
        begin_to_wait();
        found->second.sent = true;
        ++sent_;
    }
    no_room_ = false;
}

void ChildHost::begin_to_wait() {
    if (sent_ == 0) {
        heard_ = base::now();
    }
    if (std::exchange(asleep_, false)) {
        ::eventfd_write(bell_.get(), 1);
    }
}

Result<bool> ChildHost::send(Running& running) {
    WorkMessage message;
    Work& work = running.work;
    message.id = work.id;
    message.priority = work.priority;
    message.workgroups = work.workgroups;
    // SAFETY: any object may be read as characters.
    message.push.assign(reinterpret_cast<const char*>(work.push.data()), work.push.size());
    Result<bool> known = send_kernel(work.kernel, message.kernel);
    if (!known || !*known) {
        return known;
    }
    running.out.clear();
    std::size_t inline_left = inline_bytes_in_all;
    for (BufferArgument& buffer : work.buffers) {
        OperandMessage operand;
        known = operand_of(buffer, running, operand, inline_left);
        if (!known || !*known) {
            return known;
        }
        message.operands.push_back(std::move(operand));
    }
    return send_packet(child_->socket.get(), HostVerb::work, codec::encode(message));
}

Result<bool> ChildHost::send_kernel(const KernelPtr& kernel, std::uint64_t& id) {
    if (const auto known = child_->kernels.find(kernel.get()); known != child_->kernels.end()) {
        id = known->second.second;
        return true;
    }
    while (child_->kernels.size() >= options_.kernels_max) {
        const auto one = child_->kernels.begin();
        const Result<bool> told =
            send_packet(child_->socket.get(), HostVerb::kernel,
                        codec::encode(KernelMessage{one->second.second, {}, 0, true}));
        if (!told || !*told) {
            return told;
        }
        child_->kernels.erase(one);
    }
    const auto bytes = std::as_bytes(std::span(kernel->words));
    Result<SharedBuffer> memory = SharedBuffer::create(bytes.size());
    if (!memory) {
        return fail(memory.error());
    }
    std::ranges::copy(bytes, memory->writable().data());
    KernelMessage message;
    message.id = id = ++last_id_;
    message.entry = kernel->interface.entry;
    message.words = kernel->words.size();
    Result<bool> sent =
        send_packet(child_->socket.get(), HostVerb::kernel, codec::encode(message), memory->fd());
    if (sent && *sent) {
        child_->kernels[kernel.get()] = {kernel, id};
    }
    return sent;
}

Result<bool> ChildHost::send_buffer(const SharedBuffer& buffer, std::uint64_t& id) {
    const std::weak_ptr<const void> identity = buffer.identity();
    auto& known = child_->buffers;
    if (const auto found = known.find(buffer.bytes().data()); found != known.end()) {
        const auto& other = found->second.identity;
        if (!identity.owner_before(other) && !other.owner_before(identity)) {
            id = found->second.id;
            return true;
        }
    }
    for (auto one = known.begin(); one != known.end();) {
        if (!one->second.identity.expired()) {
            ++one;
            continue;
        }
        const Result<bool> told = send_packet(child_->socket.get(), HostVerb::buffer,
                                              codec::encode(BufferMessage{one->second.id, true}));
        if (!told || !*told) {
            return told;
        }
        one = known.erase(one);
    }
    id = ++last_id_;
    Result<bool> sent = send_packet(child_->socket.get(), HostVerb::buffer,
                                    codec::encode(BufferMessage{id, false}), buffer.fd());
    if (sent && *sent) {
        known[buffer.bytes().data()] = {identity, id};
    }
    return sent;
}

Result<bool> ChildHost::operand_of(BufferArgument& buffer, Running& running, OperandMessage& into,
                                   std::size_t& inline_left) {
    into.use = buffer.use;
    into.bytes = buffer.bytes;
    const bool comes_out = buffer.use != BufferUse::in;
    if (buffer.bytes <= std::min(inline_bytes_max, inline_left) && !(comes_out && buffer.into)) {
        inline_left -= buffer.bytes;
        // SAFETY: any object may be read as characters.
        into.inline_bytes.assign(reinterpret_cast<const char*>(buffer.from.view().data()),
                                 buffer.from.size());
        if (comes_out) {
            running.out.emplace_back();
        }
        return true;
    }
    const SharedBuffer* memory = buffer.from.shared();
    const bool shares = comes_out ? buffer.into.has_value() : memory != nullptr;
    if (!shares) {  // memory that both can map, once: another try finds it
        Result<SharedBuffer> made = SharedBuffer::create(buffer.bytes);
        if (!made) {
            return fail(made.error());
        }
        std::ranges::copy(buffer.from.view(), made->writable().data());
        if (comes_out) {
            buffer.into = *std::move(made);
        } else {
            buffer.from = Bytes(*std::move(made));
        }
    } else if (buffer.use == BufferUse::in_out &&
               buffer.from.view().data() != buffer.into->bytes().data()) {
        std::ranges::copy(buffer.from.view(), buffer.into->writable().data());
    }
    if (comes_out) {
        running.out.emplace_back(*buffer.into);
        return send_buffer(*buffer.into, into.buffer);
    }
    return send_buffer(*buffer.from.shared(), into.buffer);
}

}  // namespace repartir::gpu
