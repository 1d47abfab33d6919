// SPDX-License-Identifier: MIT
// A request and its answer through NNG, as its manual has them: REQ and REP, with nng_send and
// nng_recv for one at a time, with contexts and asynchronous operations for many.
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/remote_call/problem.hpp"

namespace {

using bench::remote_call::answer_bytes;
using bench::remote_call::request_bytes;
using bench::remote_call::window;

/// One of the contexts of a socket, and what it does now.
class Turn {
  public:
    /// @param next called on one of NNG's threads when an operation ended
    Turn(nng_socket socket, void (*next)(void*)) {
        nng_ctx_open(&context, socket);
        nng_aio_alloc(&aio, next, this);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        nng_aio_free(aio);
        nng_ctx_close(context);
    }

    nng_ctx context{};
    nng_aio* aio = nullptr;
    bool sending = false;
    // Of the client's: calls that are left to all of them, and calls that are answered.
    std::atomic<std::int64_t>* left = nullptr;
    std::atomic<std::uint64_t>* done = nullptr;
};

void send(Turn& turn, std::size_t bytes) {
    nng_msg* message = nullptr;
    nng_msg_alloc(&message, bytes);
    nng_aio_set_msg(turn.aio, message);
    turn.sending = true;
    nng_ctx_send(turn.context, turn.aio);
}

void receive(Turn& turn) {
    turn.sending = false;
    nng_ctx_recv(turn.context, turn.aio);
}

/// The server's: a request is answered, an answer that is sent makes room for a request.
void serve_next(void* of) {
    Turn& turn = *static_cast<Turn*>(of);
    if (nng_aio_result(turn.aio) != 0) {
        return;
    }
    if (turn.sending) {
        receive(turn);
    } else {
        nng_msg_free(nng_aio_get_msg(turn.aio));
        send(turn, answer_bytes);
    }
}

/// The client's, the other way round, until no call is left.
void call_next(void* of) {
    Turn& turn = *static_cast<Turn*>(of);
    if (nng_aio_result(turn.aio) != 0) {
        return;
    }
    if (turn.sending) {
        receive(turn);
        return;
    }
    nng_msg* const answer = nng_aio_get_msg(turn.aio);
    const bool right = nng_msg_len(answer) == answer_bytes;
    nng_msg_free(answer);
    if (right && turn.left->fetch_sub(1) > 0) {
        send(turn, request_bytes);
    }
    turn.done->fetch_add(right ? 1 : 0);
    turn.done->notify_one();
}

void serve(bool latency, int told) {
    nng_socket socket{};
    nng_listener listener{};
    nng_rep0_open(&socket);
    nng_listen(socket, "tcp://127.0.0.1:0", &listener, 0);
    int port = 0;
    nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
    bench::tell(told, "tcp://127.0.0.1:" + std::to_string(port));
    std::array<char, request_bytes> request{};
    std::array<char, answer_bytes> answer{};
    std::size_t bytes = request.size();
    while (latency && nng_recv(socket, request.data(), &bytes, 0) == 0) {
        nng_send(socket, answer.data(), answer.size(), 0);
        bytes = request.size();
    }
    std::vector<std::unique_ptr<Turn>> turns;
    for (std::uint64_t i = 0; i < window; ++i) {
        receive(*turns.emplace_back(std::make_unique<Turn>(socket, serve_next)));
    }
    while (true) {
        std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

bool one(nng_socket socket) {
    std::array<char, request_bytes> request{};
    std::array<char, answer_bytes> answer{};
    std::size_t bytes = answer.size();
    return nng_send(socket, request.data(), request.size(), 0) == 0 &&
           nng_recv(socket, answer.data(), &bytes, 0) == 0 && bytes == answer_bytes;
}

bool many(nng_socket socket, std::uint64_t count) {
    const std::uint64_t first = std::min(window, count);
    std::atomic<std::int64_t> left = static_cast<std::int64_t>(count - first);
    std::atomic<std::uint64_t> done = 0;
    std::vector<std::unique_ptr<Turn>> turns;
    for (std::uint64_t i = 0; i < first; ++i) {
        Turn& turn = *turns.emplace_back(std::make_unique<Turn>(socket, call_next));
        turn.left = &left;
        turn.done = &done;
        send(turn, request_bytes);
    }
    for (std::uint64_t seen = done; seen < count; seen = done) {
        done.wait(seen);
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bool latency = options.mode == "latency";
    const bench::Child server([&](int told) { serve(latency, told); });
    nng_socket socket{};
    nng_req0_open(&socket);
    if (nng_dial(socket, server.address().c_str(), nullptr, 0) != 0) {
        return 1;
    }
    return bench::remote_call::measure(
        options, "nng", [&] { return one(socket); },
        [&](std::uint64_t count) { return many(socket, count); });
}
