// SPDX-License-Identifier: MIT
#pragma once
/// @file client_room.hpp How many clients a worker can serve and still start its tasks.
#include <cstdint>

#include "net/server.hpp"

namespace repartir::worker {

/// Descriptors of this process.
struct Descriptors {
    std::uint64_t limit = 0;  ///< may be open at once
    std::uint64_t used = 0;   ///< are open
};

/// @return those of now; what cannot be told is taken for a usual number.
[[nodiscard]] Descriptors descriptors_now();

/// @return the options with as few connections as leave room for what tasks need open. At least one
/// client is served and one task started, however few there are. Pure. @param slots tasks at once
[[nodiscard]] net::ServerOptions with_room_for_tasks(net::ServerOptions wanted,
                                                     const Descriptors& descriptors,
                                                     std::uint32_t slots);

}  // namespace repartir::worker
