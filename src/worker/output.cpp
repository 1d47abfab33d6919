// SPDX-License-Identifier: MIT
// What an attempt leaves: its output, and then its result, on every connection until it is
// acknowledged.
#include <algorithm>
#include <utility>

#include "wire/limits.hpp"
#include "worker/reactor.hpp"

namespace repartir::worker {
namespace {

constexpr std::array channels{wire::Channel::out, wire::Channel::err, wire::Channel::value};

StreamEnd& stream_of(Ended& ended, wire::Channel channel) {
    return channel == wire::Channel::out   ? ended.out
           : channel == wire::Channel::err ? ended.err
                                           : ended.value;
}

}  // namespace

void Reactor::end(Session& session, const AttemptId& id, Held& held, Ended&& ended, Outbox& out) {
    held.phase = Phase::ended;
    held.ended = std::move(ended);
    held.ended_at = now_;
    held.sequence = ++session.sequence;
    session.results.emplace(held.sequence, id);
    for (const wire::Channel channel : channels) {
        held.flows[std::to_underlying(channel)].known = stream_of(held.ended, channel).bytes;
    }
    pump(session, id, held, out);
}

/// Sends what may be sent of an attempt's output, and its result once that is through.
void Reactor::pump(Session& session, const AttemptId& id, Held& held, Outbox& out) {
    if (session.connection == 0 || held.result_sent) {
        return;
    }
    bool through = held.phase == Phase::ended;
    for (const wire::Channel channel : channels) {
        Flow& flow = held.flows[std::to_underlying(channel)];
        const bool wanted = held.stream || held.phase == Phase::ended;
        if (flow.reading == 0 &&
            (!wanted || flow.sent == flow.known || flow.in_tail(stream_of(held.ended, channel)))) {
            continue;
        }
        through = false;
        if (flow.reading != 0) {
            continue;
        }
        const std::uint64_t rest = flow.known - flow.sent;
        flow.reading =
            session.output.take(std::min<std::uint64_t>(rest, wire::output_piece_bytes_max));
        if (flow.reading != 0) {
            flow.read = ++reads_;
            out.emplace_back(Read{id, channel, flow.sent, flow.reading, flow.read});
        }
    }
    if (through) {
        send_result(session, id, held, out);
    }
}

/// Nobody waits any more for what a function gave: what is not on its way of it stays here.
void Reactor::cut_value(Session& session, const AttemptId& id, Held& held, Outbox& out) {
    Flow& flow = held.flows[std::to_underlying(wire::Channel::value)];
    flow.known = std::min(flow.known, flow.sent + flow.reading);
    pump(session, id, held, out);
}

void Reactor::send_result(Session& session, const AttemptId& id, Held& held, Outbox& out) {
    held.result_sent = true;
    wire::TaskResult result;
    result.sequence = held.sequence;
    result.attempt = id;
    result.report = held.ended.report;
    result.report.age += now_ - held.ended_at;
    const auto tail = [&](wire::Channel channel) {
        const StreamEnd& stream = stream_of(held.ended, channel);
        const Flow& flow = held.flows[std::to_underlying(channel)];
        return wire::OutputTail{
            flow.sent,
            flow.in_tail(stream) ? std::string_view(stream.inline_bytes) : std::string_view(),
            stream.lost + stream.bytes - flow.known};
    };
    result.out = tail(wire::Channel::out);
    result.err = tail(wire::Channel::err);
    result.value = tail(wire::Channel::value);
    send(session.connection, wire::MessageType::task_result, ++asked_, result, out);
}

void Reactor::pump_all(Session& session, Outbox& out) {
    for (auto& [id, held] : session.attempts) {
        pump(session, id, held, out);
    }
}

/// A session may send so much more output: whichever of its attempts waits for that.
void Reactor::allow(Session& session, std::uint64_t bytes, Outbox& out) {
    if (bytes != 0) {
        session.output.grant(bytes);
        pump_all(session, out);
    }
}

void Reactor::read(const Read& asked, std::string_view bytes, base::BootTime now, Outbox& out,
                   std::shared_ptr<const void> owner) {
    now_ = now;
    const auto [session, held] = find(asked.attempt);
    if (held == nullptr || held->flows[std::to_underlying(asked.channel)].read != asked.number) {
        return;  // of an attempt, or for a connection, that is gone
    }
    Flow& flow = held->flows[std::to_underlying(asked.channel)];
    flow.read = flow.reading = 0;
    const std::uint64_t missing = asked.bytes - bytes.size();
    if (missing != 0) {  // what cannot be read is lost
        flow.known = asked.offset + bytes.size();
    }
    if (!bytes.empty()) {
        send_output(session->connection,
                    wire::TaskOutput{asked.attempt, asked.channel, asked.offset, bytes,
                                     held->phase == Phase::ended ? flow.known : 0},
                    std::move(owner), out);
        flow.sent += bytes.size();
    }
    pump(*session, asked.attempt, *held, out);
    allow(*session, missing, out);
}

void Reactor::send_output(ConnectionId to, const wire::TaskOutput& piece,
                          std::shared_ptr<const void>&& owner, Outbox& out) {
    if (owner == nullptr) {
        send(to, wire::MessageType::task_output, ++asked_, piece, out);
        return;
    }
    wire::TaskOutput without = piece;
    without.bytes = {};
    std::string body = codec::encode(without);
    const std::size_t at = body.size() - sizeof piece.total;  // which alone stands behind them
    out.emplace_back(Send{to, wire::MessageType::task_output, ++asked_, std::move(body),
                          wire::Lent{piece.bytes, at, std::move(owner)}});
}

void Reactor::grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes,
                   base::BootTime now, Outbox& out) {
    now_ = now;
    const auto [session, held] = find(id);
    if (held == nullptr) {
        return;  // its session is no more
    }
    Flow& flow = held->flows[std::to_underlying(channel)];
    flow.known = std::max(flow.known, bytes);
    pump(*session, id, *held, out);
}

}  // namespace repartir::worker
