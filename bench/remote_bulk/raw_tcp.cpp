// SPDX-License-Identifier: MIT
// One TCP stream: a byte asks, the bytes come, into memory that was touched before.
#include <cstddef>
#include <string_view>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/sockets.hpp"
#include "bench/remote_bulk/problem.hpp"

namespace {

using bench::remote_bulk::block_bytes;
using bench::remote_bulk::result_bytes;

void serve(int told) {
    const std::string all = bench::remote_bulk::make_all();
    const bench::Listener listener;
    bench::tell(told, listener.port());
    const bench::Channel client(listener.accept());
    char asked = 0;
    while (client.read({&asked, 1}) == 1) {
        for (std::size_t sent = 0; sent < result_bytes; sent += block_bytes) {
            if (!client.write({all.data() + sent, block_bytes})) {
                return;
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server(serve);
    const bench::Channel channel(bench::connect_to(server.address()));
    std::vector<char> all(result_bytes);
    const char ask = '?';
    return bench::remote_bulk::measure(
        options, "raw_tcp",
        [&]() -> std::size_t {
            return channel.write({&ask, 1}) && channel.stream(all) ? all.size() : 0;
        },
        [&](std::size_t bytes) { return std::string_view(all.data(), bytes); });
}
