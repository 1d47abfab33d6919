// SPDX-License-Identifier: MIT
#include "net/listener.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/os_error.hpp"
#include "net/dialer.hpp"

namespace repartir::net {
namespace {

constexpr int backlog = 1024;
/// How long nothing is accepted when the kernel is short of something.
constexpr base::BootTime pause = std::chrono::milliseconds(100);

bool is_socket(const std::string& path) {
    struct stat file{};
    return ::lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode);
}

std::string why_not(const Address& address, int os_error) {
    const bool local = !address.path.empty();
    switch (os_error) {
        case EADDRINUSE:
            return local && !is_socket(address.path)
                       ? "a file is there that is no socket, choose another path"
                       : "another program does so already, choose another port or end that one";
        case EADDRNOTAVAIL:
            return "this machine has no such address";
        case ENOENT:
            return "its folder does not exist, make it or choose another path";
        case EACCES:
            return local ? "this user may not make a file there, choose another path"
                         : "this user may not take that port, choose one from 1024 on";
        default:
            return std::string(base::words_of(os_error));
    }
}

std::unexpected<Error> listen_error(const Address& address, int os_error) {
    return fail(Error(Domain::net, Code::io_error, Fault::user,
                      "cannot listen at " + address.text() + ": " + why_not(address, os_error)));
}

/// Removes a socket file behind which nobody listens, as a program that was killed leaves it.
void remove_stale(const SocketAddress& at, const std::string& path) {
    if (!is_socket(path)) {
        return;
    }
    const base::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), at.get(), at.bytes) != 0 && errno == ECONNREFUSED) {
        ::unlink(path.c_str());
    }
}

void set_port(SocketAddress& address, std::uint16_t port) {
    // SAFETY: the family says which of the kernel's structs it is.
    if (address.family() == AF_INET) {
        reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
    } else if (address.family() == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
    }
}

std::uint16_t port_of(const SocketAddress& address) {
    // SAFETY: as above.
    if (address.family() == AF_INET) {
        return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
    }
    return address.family() == AF_INET6
               ? ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port)
               : std::uint16_t{0};
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::create(loop::Loop& loop, const Address& address,
                                                   const Security& security, Owner& owner,
                                                   std::size_t accepts_max) {
    std::unique_ptr<Listener> listener(new Listener(loop, owner, accepts_max));
    const Result<std::vector<SocketAddress>> all = resolve(address, true);
    if (!all) {
        return fail(all.error());
    }
    std::optional<Error> first;
    for (const SocketAddress& at : *all) {
        const Result<void> listens = listener->listen(address, at, security);
        if (!listens && !first) {
            first = listens.error();
        }
    }
    // One family may be missing on this machine; what is refused by policy is refused whole.
    if (first && (listener->sockets_.empty() || first->code() == Code::permission_denied)) {
        return fail(std::move(*first));
    }
    return listener;
}

Result<void> Listener::listen(const Address& address, SocketAddress at, const Security& security) {
    if (Result<void> may = allowed(security, at); !may) {
        return may;
    }
    if (!bound_.empty()) {
        set_port(at, port_of(bound_.front()));  // the same one in each family
    }
    base::Fd fd(::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        return listen_error(address, errno);
    }
    const int on = 1;
    if (at.family() == AF_UNIX) {
        remove_stale(at, address.path);
    } else {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (at.family() == AF_INET6) {
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    const mode_t mode = security.local.groups.empty() ? 0600 : 0666;
    if (at.family() == AF_UNIX) {
        ::fchmod(fd.get(), mode);  // before it has a name: bind() makes the file with it
    }
    if (::bind(fd.get(), at.get(), at.bytes) != 0) {
        return listen_error(address, errno);
    }
    if (at.family() == AF_UNIX) {
        path_ = address.path;
        ::chmod(path_.c_str(), mode);
        ::lstat(path_.c_str(), &file_);
    }
    if (::listen(fd.get(), backlog) != 0) {
        return listen_error(address, errno);
    }
    bound_.push_back(local_address(fd.get()));
    sockets_.push_back(std::make_unique<Socket>(*this, std::move(fd)));
    return loop_.add(sockets_.back()->fd(), EPOLLIN, *sockets_.back());
}

Listener::~Listener() {
    loop_.cancel(*this);
    for (const auto& socket : sockets_) {
        loop_.remove(*socket);
    }
    struct stat file{};  // somebody may have removed ours, and another worker put its own there
    if (!path_.empty() && ::lstat(path_.c_str(), &file) == 0 && file.st_ino == file_.st_ino &&
        file.st_dev == file_.st_dev) {
        ::unlink(path_.c_str());
    }
}

void Listener::accept(Socket& socket) {
    for (std::size_t turn = 0; turn < accepts_max_; ++turn) {
        base::Fd fd(::accept4(socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            const SocketAddress peer = peer_address(fd.get());
            if (peer.family() != AF_UNIX) {
                tune(fd.get());
            }
            owner_.on_accept(std::move(fd), peer);
            continue;
        }
        if (errno == EAGAIN) {
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            const int problem = errno;
            for (const auto& one : sockets_) {
                loop_.remove(*one);
            }
            loop_.set(*this, loop_.now() + pause);
            owner_.on_accept_error(
                base::os_error(Domain::net, "cannot accept a connection", problem));
            return;
        }
    }
}

void Listener::on_timer(base::BootTime now) noexcept {
    for (const auto& socket : sockets_) {
        if (!socket->watching() && !loop_.add(socket->fd(), EPOLLIN, *socket)) {
            loop_.set(*this, now + pause);
        }
    }
}

}  // namespace repartir::net
