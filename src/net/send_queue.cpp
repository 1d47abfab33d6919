// SPDX-License-Identifier: MIT
#include "net/send_queue.hpp"

#include <limits>
#include <tuple>
#include <utility>

#include "repartir/codec.hpp"
#include "wire/messages.hpp"

namespace repartir::net {
namespace {

using wire::MessageType;

/// All tasks that come in one direction: few, and what ends them must not come before them.
constexpr std::uint64_t tasks_flow = 1;
/// Waits for all the others.
constexpr std::uint64_t last_flow = std::numeric_limits<std::uint64_t>::max();
/// Messages that are framed in turns: enough that none waits for a long one.
constexpr std::size_t begun_max = 16;
static_assert(begun_max <= wire::unfinished_messages_max);
/// An empty queue keeps buffers up to this, so that one short message after another costs no
/// allocation, and larger ones until it has sent less than this.
constexpr std::size_t kept_bytes = 4096;

/// @return a number for an attempt. Two that share one only wait for each other.
std::uint64_t flow_of(const AttemptId& attempt) noexcept {
    const std::uint64_t mixed =
        attempt.epoch << 32U ^ attempt.task.element ^ attempt.task.job.words[0];
    return mixed % (last_flow - 2) + 2;
}

struct ResultHead {
    std::uint64_t sequence = 0;
    AttemptId attempt;
    static constexpr auto codec_fields = std::tuple(&ResultHead::sequence, &ResultHead::attempt);
};
struct OutputHead {
    AttemptId attempt;
    static constexpr auto codec_fields = std::tuple(&OutputHead::attempt);
};

template <class Head>
Order of_attempt(std::string_view body, bool bulk) noexcept {
    Head head;
    const bool known = codec::decode(body, head) == codec::Problem::none;
    return {known ? flow_of(head.attempt) : tasks_flow, bulk};
}

/// Gives its memory back where that is much, which assigning an empty string does not.
void release(std::string& text) noexcept {
    if (text.capacity() > kept_bytes) {
        std::string().swap(text);
    }
}

}  // namespace

Order order_of(MessageType type, std::string_view body) noexcept {
    switch (type) {
        case MessageType::task_output:
            return of_attempt<OutputHead>(body, true);
        case MessageType::task_result:
            return of_attempt<ResultHead>(body, false);
        case MessageType::task_submit:
            return {tasks_flow, body.size() > wire::frame_body_bytes_max};
        case MessageType::task_cancel:
        case MessageType::task_reclaim:
            return {tasks_flow, false};
        case MessageType::goodbye:
            return {last_flow, true};
        default:
            return {0, false};
    }
}

void SendQueue::push(MessageType type, std::uint64_t correlation, std::string&& body,
                     wire::Lent&& lent) {
    const Order order = order_of(type, body);
    const auto flow = bulk_.find(order.flow);
    if (!order.bulk && flow == bulk_.end() && body.size() <= wire::frame_body_bytes_max) {
        std::string& out = bulk_.empty() && begin_ == 0 ? ready_ : urgent_;
        static_cast<void>(frame(out, type, correlation, body, 0));
        return;
    }
    bulk_bytes_ += body.size() + lent.bytes.size() + wire::header_bytes;
    bulk_[order.flow].push_back({type, correlation, std::move(body), std::move(lent), 0});
}

/// Frames one part of a message. To compress what does not compress costs more than to send it, and
/// such data comes in long rows: after some vain tries only a few bodies of them are tried.
std::size_t SendQueue::frame(std::string& out, MessageType type, std::uint64_t correlation,
                             std::string_view body, std::size_t offset) {
    constexpr unsigned tries_max = 4;
    constexpr unsigned skips_max = 60;
    const std::size_t old = out.size();
    const bool large = body.size() - offset >= wire::compress_bytes_min &&
                       type != MessageType::welcome;  // which says whether that was agreed
    if (!options_.compress || !large || vain_.skips != 0) {
        vain_.skips -= options_.compress && large ? 1U : 0U;
        const wire::FrameOptions plain{options_.version, false};
        return wire::append_frame(out, type, correlation, body, offset, plain);
    }
    const std::size_t end = wire::append_frame(out, type, correlation, body, offset, options_);
    const std::size_t sent = out.size() - old - wire::header_bytes;
    const std::size_t gain = end - offset - sent;
    vain_.tries = gain < sent / 8 ? vain_.tries + 1 : 0;
    if (vain_.tries == tries_max) {
        vain_ = {tries_max - 1, skips_max};  // one vain try more, and again
    }
    return end;
}

bool SendQueue::may_begin(const Waiting& message) const noexcept {
    return begun_ == 0 ||
           (begun_ < begun_max && begun_bytes_ + message.size() <= wire::unfinished_bytes_max);
}

/// @return the flow whose turn it is: the next one whose first message has begun, or may begin.
std::map<std::uint64_t, SendQueue::Flow>::iterator SendQueue::next_flow() {
    auto flow = bulk_.upper_bound(turn_);
    while (true) {
        if (flow == bulk_.end()) {
            flow = bulk_.begin();
        }
        const Waiting& first = flow->second.front();
        const bool waits_for_others = flow->first == last_flow && bulk_.size() > 1;
        if (!waits_for_others && (first.offset != 0 || may_begin(first))) {
            return flow;
        }
        ++flow;
    }
}

/// Frames one part of a message that is bulk. @return where the one after it begins
std::size_t SendQueue::frame_next(Waiting& message) {
    if (!message.lent.bytes.empty()) {
        if (!options_.compress) {
            wire::append_frame(ready_, message.type, message.correlation, message.body,
                               message.lent, options_.version);
            return message.size();
        }
        message.body = wire::whole_body(message.body, message.lent);
        message.lent = {};
    }
    return frame(ready_, message.type, message.correlation, message.body, message.offset);
}

void SendQueue::frame_bulk() {
    if (bulk_bytes_ > kept_bytes) {  // else it would be copied again and again as it grows
        ready_.reserve(batch_bytes + wire::frame_body_bytes_max + wire::header_bytes);
    }
    while (!bulk_.empty() && ready_.size() < batch_bytes) {
        const auto flow = next_flow();
        turn_ = flow->first;
        Waiting& message = flow->second.front();
        const std::size_t size = message.size();
        if (message.offset == 0) {
            ++begun_;
            begun_bytes_ += size;
        }
        const std::size_t end = frame_next(message);
        bulk_bytes_ -= end - message.offset;
        message.offset = end;
        if (end == size) {
            --begun_;
            begun_bytes_ -= size;
            bulk_bytes_ -= wire::header_bytes;
            flow->second.pop_front();
            if (flow->second.empty()) {
                bulk_.erase(flow);
            }
        }
    }
}

std::string_view SendQueue::next() {
    if (begin_ == ready_.size()) {
        const bool was_large = begin_ > kept_bytes;  // then the next one may be, too
        begin_ = 0;
        ready_.clear();
        if (!urgent_.empty()) {
            ready_.swap(urgent_);
        }
        frame_bulk();
        if (ready_.empty() && !was_large) {
            release(ready_);
            release(urgent_);
        }
    }
    return std::string_view(ready_).substr(begin_);
}

void SendQueue::sent(std::size_t bytes) { begin_ += bytes; }

}  // namespace repartir::net
