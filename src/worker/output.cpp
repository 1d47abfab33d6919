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

/// What is being read of an attempt that is no more here still comes back: it says nothing of
/// another one of the same id, and needs no credit.
void Reactor::expect_late_reads(Session& session, const AttemptId& id, const Held& held) {
    for (const wire::Channel channel : channels) {
        const Flow& flow = held.flows[std::to_underlying(channel)];
        if (flow.reading != 0) {
            late_reads_.emplace(id, channel);
            session.output.grant(flow.stale ? 0 : flow.reading);
        }
    }
}

/// Sends what may be sent of an attempt's output, and its result once that is through.
void Reactor::pump(Session& session, const AttemptId& id, Held& held, Outbox& out) {
    if (session.connection == 0 || held.result_sent) {
        return;
    }
    bool through = held.phase == Phase::ended;
    for (const wire::Channel channel : channels) {
        Flow& flow = held.flows[std::to_underlying(channel)];
        const std::string& ready = stream_of(held.ended, channel).inline_bytes;
        const bool in_tail = flow.sent == 0 && flow.reading == 0 && flow.known == ready.size() &&
                             flow.known <= wire::inline_output_bytes_max;
        const bool wanted = held.stream || held.phase == Phase::ended;
        if (in_tail || !wanted || (flow.sent == flow.known && flow.reading == 0)) {
            continue;
        }
        through = false;
        if (flow.reading != 0) {
            continue;
        }
        const std::uint64_t piece =
            std::min({flow.known - flow.sent, std::uint64_t{wire::output_piece_bytes_max},
                      session.output.left()});
        if (piece != 0 && session.output.take(piece)) {
            flow.reading = piece;
            out.emplace_back(Read{id, channel, flow.sent, piece});
        }
    }
    if (through) {
        send_result(session, id, held, out);
    }
}

/// Nobody waits any more for what a function gave: what is not on its way of it stays here.
void Reactor::cut_value(Session& session, const AttemptId& id, Held& held, Outbox& out) {
    Flow& flow = held.flows[std::to_underlying(wire::Channel::value)];
    StreamEnd& value = held.ended.value;
    const std::uint64_t gone = flow.sent + (flow.stale ? 0 : flow.reading);
    if (gone >= flow.known) {
        return;
    }
    value.lost += flow.known - gone;
    value.bytes = flow.known = gone;
    value.inline_bytes.clear();
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
        const std::uint64_t sent = held.flows[std::to_underlying(channel)].sent;
        return wire::OutputTail{
            sent, sent == 0 ? std::string_view(stream.inline_bytes) : std::string_view(),
            stream.lost};
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

void Reactor::read(const AttemptId& id, wire::Channel channel, std::uint64_t offset,
                   std::string_view bytes, base::BootTime now, Outbox& out,
                   std::shared_ptr<const void> owner) {
    now_ = now;
    if (const auto late = late_reads_.find({id, channel}); late != late_reads_.end()) {
        late_reads_.erase(late);
        return;
    }
    const auto [session, held] = find(id);
    if (held == nullptr) {
        return;
    }
    Flow& flow = held->flows[std::to_underlying(channel)];
    const std::uint64_t asked = std::exchange(flow.reading, 0);
    if (!std::exchange(flow.stale, false) && session->connection != 0) {
        if (bytes.size() < asked) {  // what cannot be read is lost
            flow.known = offset + bytes.size();
            session->output.grant(asked - bytes.size());
            if (held->phase == Phase::ended) {
                StreamEnd& stream = stream_of(held->ended, channel);
                stream.lost += stream.bytes - flow.known;
                stream.bytes = flow.known;
            }
        }
        if (!bytes.empty()) {
            send_output(session->connection,
                        wire::TaskOutput{id, channel, offset, bytes,
                                         held->phase == Phase::ended ? flow.known : 0},
                        std::move(owner), out);
            flow.sent += bytes.size();
        }
    }
    if (bytes.size() < asked) {
        pump_all(*session, out);  // others may wait for the credit that it left
    } else {
        pump(*session, id, *held, out);
    }
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
    if (held == nullptr || held->phase != Phase::running) {
        return;
    }
    Flow& flow = held->flows[std::to_underlying(channel)];
    flow.known = std::max(flow.known, bytes);
    pump(*session, id, *held, out);
}

}  // namespace repartir::worker
