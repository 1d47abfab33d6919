// SPDX-License-Identifier: MIT
#pragma once
/// @file send_queue.hpp What is to be sent on one connection, and in which order. Pure.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "wire/framer.hpp"

namespace repartir::net {

/// What a message may overtake, and what may overtake it.
struct Order {
    std::uint64_t flow = 0;  ///< messages of one flow stay in the order in which they were given
    bool bulk = false;       ///< it waits for all that is not bulk, even where it is short
};

/// @return the order that the protocol asks for (docs/protocol.md, "Order"): output before the
/// result of its attempt, tasks before what cancels or reclaims them, and all else at once.
[[nodiscard]] Order order_of(wire::MessageType type, std::string_view body) noexcept;

/// Frames messages for one connection. Short ones go first; long ones and those that are bulk go
/// frame by frame, the flows in turn, and only as fast as they are taken: so a short message waits
/// for batch_bytes at most. Messages that share a flow keep their order. Never begins more messages
/// at once than the other end's limits let it (wire/limits.hpp). Holds a few KiB at most when it is
/// empty and what it sent last was short. One owner at a time.
class SendQueue {
  public:
    /// So much is committed to an order at once.
    static constexpr std::size_t batch_bytes = 64UL * 1024;

    /// Takes a message. @param body of wire::message_bytes_max at most @param lent with the body
    /// one frame at most, and of a type that is bulk
    void push(wire::MessageType type, std::uint64_t correlation, std::string&& body,
              wire::Lent&& lent = {});
    /// From here on, frames are of this version and compressed or not.
    void set(const wire::FrameOptions& options) noexcept { options_ = options; }

    /// @return the next bytes to send; empty when there is nothing. Good until the next call.
    [[nodiscard]] std::string_view next();
    /// So many of the bytes that next() gave are sent.
    void sent(std::size_t bytes);
    /// @return bytes that wait, framed or not.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return ready_.size() - begin_ + urgent_.size() + bulk_bytes_;
    }
    [[nodiscard]] bool empty() const noexcept { return bytes() == 0; }

  private:
    struct Waiting {
        wire::MessageType type{};
        std::uint64_t correlation = 0;
        std::string body;
        wire::Lent lent;
        std::size_t offset = 0;  // what comes before is framed
        [[nodiscard]] std::size_t size() const noexcept { return body.size() + lent.bytes.size(); }
    };
    using Flow = std::deque<Waiting>;
    /// Bodies in a row that hardly became shorter, and how many more are not tried.
    struct Vain {
        unsigned tries = 0;
        unsigned skips = 0;
    };

    [[nodiscard]] bool may_begin(const Waiting& message) const noexcept;
    [[nodiscard]] std::map<std::uint64_t, Flow>::iterator next_flow();
    void frame_bulk();
    [[nodiscard]] std::size_t frame_next(Waiting& message);
    [[nodiscard]] std::size_t frame(std::string& out, wire::MessageType type,
                                    std::uint64_t correlation, std::string_view body,
                                    std::size_t offset);

    wire::FrameOptions options_;
    Vain vain_;
    std::string ready_;      // framed, in the order in which it goes
    std::size_t begin_ = 0;  // of it, what is not sent
    std::string urgent_;     // framed: goes before all bulk
    std::map<std::uint64_t, Flow> bulk_;
    std::size_t bulk_bytes_ = 0;
    std::uint64_t turn_ = 0;       // the flow that was served last
    std::size_t begun_ = 0;        // messages of which a part is framed
    std::size_t begun_bytes_ = 0;  // of them, whole
};

}  // namespace repartir::net
