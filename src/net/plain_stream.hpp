// SPDX-License-Identifier: MIT
#pragma once
/// @file plain_stream.hpp Streams without encryption: Unix sockets, whose peers the kernel names,
/// and plain TCP, which proves nothing.
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "net/stream.hpp"

namespace repartir::net {

/// Who may come in over a Unix socket, beside the user that runs this program, and root.
struct LocalAccess {
    std::vector<gid_t> groups;  ///< members of these too
};

/// @return a stream over plain TCP: its peer may be anything. @param fd non-blocking; must outlive
/// the stream
[[nodiscard]] std::unique_ptr<Stream> plain_stream(int fd, std::string address);
/// @return a stream over a Unix socket. Its handshake asks the kernel who is at the other end, and
/// refuses (permission_denied) whom `access` does not name. @param fd as above
[[nodiscard]] std::unique_ptr<Stream> local_stream(int fd, std::string address, LocalAccess access);

/// @return what an errno of a socket means, as an Error: unreachable, Fault::node. @param what what
/// could not be done, such as "cannot send to 10.0.0.2:9000"
[[nodiscard]] Error socket_error(std::string_view what, int os_error);

}  // namespace repartir::net
