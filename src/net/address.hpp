// SPDX-License-Identifier: MIT
#pragma once
/// @file address.hpp Where a peer listens: what people write, and what the kernel takes.
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::net {

/// The port of a worker where none is written.
inline constexpr std::uint16_t default_port = 9000;

/// A place to listen at or to connect to, as a person wrote it. A value.
struct Address {
    std::string host;        ///< a name or number, without brackets; "" with a path
    std::uint16_t port = 0;  ///< 0, when listening: any that is free
    std::string path;        ///< of a Unix socket; "" for TCP

    /// @param text "host:port", "host" (default_port), "[::1]:9000", ":9000" (all addresses; to
    /// connect: this machine) or "unix:/path". Errors: invalid_argument, naming the text
    [[nodiscard]] static Result<Address> parse(std::string_view text);
    [[nodiscard]] bool is_unix() const noexcept { return !path.empty(); }
    /// @return as parse() takes it.
    [[nodiscard]] std::string text() const;
    bool operator==(const Address&) const = default;
};

/// As the kernel has it. A value.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t bytes = 0;

    [[nodiscard]] int family() const noexcept { return storage.ss_family; }
    [[nodiscard]] const sockaddr* get() const noexcept;
    /// @return whether it can only be reached from this machine.
    [[nodiscard]] bool is_loopback() const noexcept;
    /// @return for people: "10.0.0.2:9000", "[::1]:9000", "unix:/path".
    [[nodiscard]] std::string text() const;
};

/// @return the kernel's addresses for one, the first to be tried first. Asks the system's resolver
/// for names, which may take many seconds. @param listening for bind() rather than connect().
/// Errors: unreachable (the name is not known, or could not be looked up), invalid_argument (a path
/// too long)
[[nodiscard]] Result<std::vector<SocketAddress>> resolve(const Address& address, bool listening);
/// @return the kernel's address for one that is written in numbers, to connect to; nothing for
/// names and paths.
[[nodiscard]] std::optional<SocketAddress> literal(const Address& address);
/// @return the address of our or the peer's end of a socket.
[[nodiscard]] SocketAddress local_address(int fd) noexcept;
[[nodiscard]] SocketAddress peer_address(int fd) noexcept;

}  // namespace repartir::net
