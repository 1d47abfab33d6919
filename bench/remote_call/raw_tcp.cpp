// SPDX-License-Identifier: MIT
// The least that a request and its answer cost over TCP: both ends sleep in epoll_wait, neither
// spins, and what comes is sent back. --pin 1 keeps each end on a CPU of its own, as two machines
// would have it; without, the kernel may put both on one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/harness/sockets.hpp"
#include "bench/remote_call/problem.hpp"

namespace {

using bench::remote_call::request_bytes;
using bench::remote_call::window;
static_assert(request_bytes == bench::remote_call::answer_bytes);

constexpr std::size_t buffer_bytes = 256UL * 1024;

void serve(const bench::Options& options, int told) {
    if (options.pin) {
        bench::pin_to(1);
    }
    const bench::Listener listener;
    bench::tell(told, listener.port());
    const bench::Channel client(listener.accept());
    std::vector<char> buffer(buffer_bytes);
    while (const std::size_t got = client.read(buffer)) {
        if (!client.write({buffer.data(), got})) {
            return;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server([&](int told) { serve(options, told); });
    if (options.pin) {
        bench::pin_to(0);
    }
    const bench::Channel channel(bench::connect_to(server.address()));
    std::vector<char> buffer(buffer_bytes);
    const std::vector<char> requests(window * request_bytes);
    const auto trip = [&](std::uint64_t count) {
        const std::size_t bytes = count * request_bytes;
        return channel.write({requests.data(), bytes}) && channel.fill({buffer.data(), bytes});
    };
    return bench::remote_call::measure(
        options, "raw_tcp", [&] { return trip(1); },
        [&](std::uint64_t count) {
            bool correct = true;
            for (std::uint64_t done = 0; done < count && correct; done += window) {
                correct = trip(std::min(window, count - done));
            }
            return correct;
        });
}
