// SPDX-License-Identifier: MIT
// A request and its answer through ZeroMQ, as its guide has them: REQ and REP for one at a time,
// DEALER and REP for many.
#include <zmq.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "bench/remote_call/problem.hpp"

namespace {

using bench::remote_call::request_bytes;
using bench::remote_call::window;

using Answer = std::array<char, bench::remote_call::answer_bytes>;
constexpr std::array<char, request_bytes> request{};

void serve(int told) {
    void* const context = zmq_ctx_new();
    void* const socket = zmq_socket(context, ZMQ_REP);
    zmq_bind(socket, "tcp://127.0.0.1:*");
    std::array<char, 256> at{};
    std::size_t size = at.size();
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, at.data(), &size);
    bench::tell(told, at.data());
    std::array<char, request_bytes> incoming{};
    const Answer answer{};
    while (zmq_recv(socket, incoming.data(), incoming.size(), 0) >= 0) {
        zmq_send(socket, answer.data(), answer.size(), 0);
    }
}

bool one(void* socket) {
    Answer answer{};
    return zmq_send(socket, request.data(), request.size(), 0) == request.size() &&
           zmq_recv(socket, answer.data(), answer.size(), 0) == answer.size();
}

bool many(void* socket, std::uint64_t count) {
    Answer answer{};
    std::uint64_t sent = 0;
    for (std::uint64_t done = 0; done < count; ++done) {
        for (; sent < count && sent < done + window; ++sent) {  // below the high-water mark
            zmq_send(socket, "", 0, ZMQ_SNDMORE);               // the empty frame that REP expects
            zmq_send(socket, request.data(), request.size(), 0);
        }
        zmq_recv(socket, answer.data(), answer.size(), 0);  // its empty frame
        if (zmq_recv(socket, answer.data(), answer.size(), 0) != answer.size()) {
            return false;
        }
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server(serve);
    void* const context = zmq_ctx_new();
    void* const socket = zmq_socket(context, options.mode == "latency" ? ZMQ_REQ : ZMQ_DEALER);
    if (zmq_connect(socket, server.address().c_str()) != 0) {
        return 1;
    }
    return bench::remote_call::measure(
        options, "zeromq", [&] { return one(socket); },
        [&](std::uint64_t count) { return many(socket, count); });
}
