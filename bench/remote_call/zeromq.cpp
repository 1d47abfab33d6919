// SPDX-License-Identifier: MIT
// A request and its answer through ZeroMQ, as its guide has them: REQ and REP for one at a time,
// DEALER and REP for many.
#include <zmq.h>

#include <array>
#include <string>
#include <vector>

#include "bench/remote_call/problem.hpp"

namespace {

using bench::remote_call::answer_bytes;
using bench::remote_call::request_bytes;

void serve(int told) {
    void* const context = zmq_ctx_new();
    void* const socket = zmq_socket(context, ZMQ_REP);
    zmq_bind(socket, "tcp://127.0.0.1:*");
    std::array<char, 256> at{};
    std::size_t size = at.size();
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, at.data(), &size);
    bench::remote_call::tell(told, at.data());
    std::array<char, request_bytes> request{};
    const std::array<char, answer_bytes> answer{};
    while (zmq_recv(socket, request.data(), request.size(), 0) >= 0) {
        zmq_send(socket, answer.data(), answer.size(), 0);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::remote_call::Server server(serve);
    const bool latency = options.mode == "latency";
    void* const context = zmq_ctx_new();
    void* const socket = zmq_socket(context, latency ? ZMQ_REQ : ZMQ_DEALER);
    if (zmq_connect(socket, server.address().c_str()) != 0) {
        return 1;
    }
    const std::uint64_t count = bench::remote_call::count_for(options);
    const std::array<char, request_bytes> request{};
    std::array<char, answer_bytes> answer{};
    std::vector<std::uint64_t> times;
    bool correct = true;
    bench::Report report("remote_call", "zeromq", options);
    std::uint64_t begin = bench::now_ns();
    if (latency) {
        for (std::uint64_t i = 0; i < bench::remote_call::warm_up + count; ++i) {
            begin = i == bench::remote_call::warm_up ? bench::now_ns() : begin;
            const std::uint64_t sent = bench::now_ns();
            correct = zmq_send(socket, request.data(), request.size(), 0) > 0 && correct;
            correct = zmq_recv(socket, answer.data(), answer.size(), 0) > 0 && correct;
            if (i >= bench::remote_call::warm_up) {
                times.push_back(bench::now_ns() - sent);
            }
        }
    } else {
        const std::uint64_t window = 256;  // under way: below the socket's high-water mark
        std::uint64_t sent = 0;
        for (std::uint64_t done = 0; done < count; ++done) {
            for (; sent < count && sent < done + window; ++sent) {
                zmq_send(socket, "", 0, ZMQ_SNDMORE);  // the empty frame that REP expects
                zmq_send(socket, request.data(), request.size(), 0);
            }
            zmq_recv(socket, answer.data(), answer.size(), 0);  // its empty frame
            correct = zmq_recv(socket, answer.data(), answer.size(), 0) > 0 && correct;
        }
    }
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item",
               static_cast<double>(bench::now_ns() - begin) / static_cast<double>(count));
    if (!times.empty()) {
        report.add_percentiles("call", times);
    }
    return report.finish(correct);
}
