// SPDX-License-Identifier: MIT
#include "net/address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

namespace repartir::net {
namespace {

constexpr std::string_view unix_prefix = "unix:";

std::unexpected<Error> bad_address(std::string_view text, std::string_view why) {
    return fail(Error(Domain::net, Code::invalid_argument, Fault::user,
                      "'" + std::string(text) + "' is no address, because " + std::string(why) +
                          ": write HOST:PORT, [IPV6]:PORT or unix:/PATH"));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    return error == std::errc() && at == end && !text.empty() ? std::optional(port) : std::nullopt;
}

Result<SocketAddress> unix_address(const std::string& path) {
    SocketAddress result;
    // SAFETY: sockaddr_storage is as large as any address and aligned for it.
    auto* const address = reinterpret_cast<sockaddr_un*>(&result.storage);
    if (path.size() >= sizeof address->sun_path) {
        return bad_address(std::string(unix_prefix) + path,
                           "the path of a Unix socket has at most 107 bytes");
    }
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, path.data(), path.size());
    result.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return result;
}

/// @return whether a host is written as a number, though not as a whole address: the resolver takes
/// a lone 5 for 0.0.0.5.
bool is_part_of_number(const std::string& host) {
    in_addr whole{};
    return host.find_first_not_of("0123456789.") == std::string::npos && !host.empty() &&
           ::inet_pton(AF_INET, host.c_str(), &whole) != 1;
}

/// @return the host to look up; who connects to "all addresses" reaches this machine, as with an
/// empty host: a listener's address serves its clients there too.
const char* host_of(const Address& address, bool listening) {
    if (!listening && address.host == "0.0.0.0") {
        return "127.0.0.1";
    }
    if (!listening && address.host == "::") {
        return "::1";
    }
    return address.host.empty() ? nullptr : address.host.c_str();
}

/// Asks the resolver. @return what it says of a problem; 0: there is at least one.
int look_up(const Address& address, int flags, std::vector<SocketAddress>& all) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(address.port);
    const bool listening = (flags & AI_PASSIVE) != 0;
    const int problem = ::getaddrinfo(host_of(address, listening), port.c_str(), &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        SocketAddress& added = all.emplace_back();
        std::memcpy(&added.storage, one->ai_addr, one->ai_addrlen);
        added.bytes = one->ai_addrlen;
    }
    return problem;
}

template <class Call>
SocketAddress ask_kernel(Call call) noexcept {
    SocketAddress result;
    result.bytes = sizeof result.storage;
    // SAFETY: the kernel writes no more than the size that it is given.
    if (call(reinterpret_cast<sockaddr*>(&result.storage), &result.bytes) != 0) {
        result = {};
    }
    return result;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
    Address address;
    if (text.starts_with(unix_prefix)) {
        address.path = text.substr(unix_prefix.size());
        if (address.path.empty() || address.path.contains('\0')) {
            return bad_address(text, "a path is missing");
        }
        return address;
    }
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return bad_address(text, "the bracket is not closed");
        }
        address.host = text.substr(1, end - 1);
        const std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && !rest.starts_with(':')) {
            return bad_address(text, "only a port may stand behind the bracket");
        }
        port = rest.empty() ? std::string_view() : rest.substr(1);
        address.port = rest.empty() ? default_port : 0;
    } else {
        const std::size_t colon = text.find(':');
        if (colon != text.rfind(':')) {
            return bad_address(text, "an IPv6 address stands in brackets");
        }
        address.host = text.substr(0, colon);
        port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
        address.port = colon == std::string_view::npos ? default_port : 0;
    }
    if (address.port == 0) {
        const std::optional<std::uint16_t> number = parse_port(port);
        if (!number) {
            return bad_address(text, "a port is a number from 0 to 65535");
        }
        address.port = *number;
    }
    const bool blank = text.empty() || text.find_first_of(" \t\n\r") != std::string_view::npos ||
                       text.contains('\0');
    if (blank) {
        return bad_address(text, "it is empty or has blanks in it");
    }
    if (is_part_of_number(address.host)) {
        return bad_address(text,
                           "its host is neither a name nor four numbers (a port stands behind"
                           " a colon)");
    }
    return address;
}

std::string Address::text() const {
    if (is_unix()) {
        return std::string(unix_prefix) + path;
    }
    const bool brackets = host.contains(':');
    return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const sockaddr* SocketAddress::get() const noexcept {
    // SAFETY: this is how the socket calls take every kind of address.
    return reinterpret_cast<const sockaddr*>(&storage);
}

bool SocketAddress::is_loopback() const noexcept {
    // SAFETY: the family says which of the kernel's structs it is.
    if (family() == AF_INET) {
        const auto* const four = reinterpret_cast<const sockaddr_in*>(&storage);
        return (ntohl(four->sin_addr.s_addr) >> 24U) == 127U;
    }
    if (family() == AF_INET6) {
        const in6_addr& six = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    }
    return family() == AF_UNIX;
}

std::string SocketAddress::text() const {
    char host[INET6_ADDRSTRLEN] = {};
    // SAFETY: as above.
    if (family() == AF_INET) {
        const auto* const four = reinterpret_cast<const sockaddr_in*>(&storage);
        ::inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        return std::string(host) + ":" + std::to_string(ntohs(four->sin_port));
    }
    if (family() == AF_INET6) {
        // SAFETY: as above.
        const auto* const six = reinterpret_cast<const sockaddr_in6*>(&storage);
        ::inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        return "[" + std::string(host) + "]:" + std::to_string(ntohs(six->sin6_port));
    }
    if (family() == AF_UNIX) {
        // SAFETY: as above.
        const auto* const local = reinterpret_cast<const sockaddr_un*>(&storage);
        const std::size_t most = bytes - offsetof(sockaddr_un, sun_path);
        return std::string(unix_prefix) +
               std::string(local->sun_path, ::strnlen(local->sun_path, most));
    }
    return "an address of another kind";
}

Result<std::vector<SocketAddress>> resolve(const Address& address, bool listening) {
    if (address.is_unix()) {
        Result<SocketAddress> local = unix_address(address.path);
        if (!local) {
            return fail(local.error());
        }
        return std::vector<SocketAddress>{*local};
    }
    std::vector<SocketAddress> all;
    const int problem = look_up(address, listening ? AI_PASSIVE : 0, all);
    if (problem != 0) {
        return fail(Error(Domain::net, Code::unreachable, Fault::node,
                          "the host '" + address.host + "' cannot be looked up (" +
                              ::gai_strerror(problem) +
                              "): check its name and this machine's name service"));
    }
    return all;
}

std::optional<SocketAddress> literal(const Address& address) {
    std::vector<SocketAddress> all;
    if (address.is_unix() || look_up(address, AI_NUMERICHOST, all) != 0) {
        return std::nullopt;
    }
    return all.front();
}

SocketAddress local_address(int fd) noexcept {
    return ask_kernel([fd](sockaddr* at, socklen_t* size) { return ::getsockname(fd, at, size); });
}

SocketAddress peer_address(int fd) noexcept {
    return ask_kernel([fd](sockaddr* at, socklen_t* size) { return ::getpeername(fd, at, size); });
}

}  // namespace repartir::net
