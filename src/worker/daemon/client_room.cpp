// SPDX-License-Identifier: MIT
#include "worker/daemon/client_room.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <system_error>

namespace repartir::worker {
namespace {

/// Of a running task: a pipe for each stream, its process, and files for output that is large.
constexpr std::uint64_t of_a_task = 6;
/// While one starts: the other ends of its pipes, its cgroup.
constexpr std::uint64_t of_a_start = 8;
/// Listening sockets, a timer, files of certificates that are read again.
constexpr std::uint64_t of_the_rest = 8;

}  // namespace

Descriptors descriptors_now() {
    constexpr std::uint64_t usual = 32;
    rlimit limit{};
    std::error_code problem;
    const std::filesystem::directory_iterator open("/proc/self/fd", problem);
    const std::uint64_t used =
        problem ? usual : static_cast<std::uint64_t>(std::distance(begin(open), end(open)));
    return {::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY, used};
}

net::ServerOptions with_room_for_tasks(net::ServerOptions wanted, const Descriptors& descriptors,
                                       std::uint32_t slots) {
    constexpr std::uint64_t strangers_min = 2;
    const std::uint64_t room =
        descriptors.limit - std::min(descriptors.limit, descriptors.used + of_the_rest);
    const std::uint64_t tasks = of_a_task * slots + of_a_start;
    // Where there is not enough for all slots, some of them wait: not all clients.
    const std::uint64_t most =
        std::max({room - std::min(room, tasks), room / 8, strangers_min + 1});
    if (wanted.connections_max + wanted.strangers_max > most) {
        wanted.strangers_max =
            std::clamp<std::size_t>(most / 4, strangers_min, wanted.strangers_max);
        wanted.connections_max = std::min(wanted.connections_max, most - wanted.strangers_max);
    }
    return wanted;
}

}  // namespace repartir::worker
