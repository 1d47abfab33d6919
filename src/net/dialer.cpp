// SPDX-License-Identifier: MIT
#include "net/dialer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/os_error.hpp"
#include "net/plain_stream.hpp"

namespace repartir::net {
namespace {

/// Unsent bytes in the kernel beyond which it asks for no more.
constexpr int unsent_bytes = 128 * 1024;

/// @return whether looking it up asks nobody.
bool is_numeric(const Address& address) {
    std::array<char, sizeof(in6_addr)> number{};
    return address.is_unix() || address.host.empty() ||
           ::inet_pton(AF_INET, address.host.c_str(), number.data()) == 1 ||
           ::inet_pton(AF_INET6, address.host.c_str(), number.data()) == 1;
}

Error dial_error(const Address& address, int os_error) {
    std::string sentence = address.text();
    switch (os_error) {
        case ECONNREFUSED:
            sentence +=
                " refused the connection: nothing listens there, check the address and "
                "whether the worker runs";
            break;
        case ENOENT:
            sentence += " does not exist: check the path and whether the worker runs";
            break;
        case ETIMEDOUT:
            sentence +=
                " did not answer in time: check the address, the machine and the firewalls "
                "between";
            break;
        default:
            sentence += " cannot be reached: " + std::string(base::words_of(os_error));
    }
    return Error(Domain::net, Code::unreachable, Fault::node, std::move(sentence));
}

}  // namespace

void tune(int fd) noexcept {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
}

/// What the looking thread and the dialer share: whichever is later finds the other gone.
struct Dialer::Lookup {
    std::mutex mutex;
    Dialer* dialer = nullptr;  // nullptr: it gave up
};

Dialer::~Dialer() {
    if (lookup_) {
        const std::scoped_lock lock(lookup_->mutex);
        lookup_->dialer = nullptr;
    }
    loop_.cancel(*this);
    loop_.remove(*this);
}

void Dialer::start(const Address& address, base::BootTime deadline) {
    address_ = address;
    deadline_ = deadline;
    loop_.set(*this, deadline);
    lookup_ = std::make_shared<Lookup>();
    lookup_->dialer = this;
    const auto look = [shared = lookup_, address = address_, &loop = loop_]() noexcept {
        Result<std::vector<SocketAddress>> all = resolve(address, false);
        const std::scoped_lock lock(shared->mutex);
        if (shared->dialer == nullptr) {
            return;  // the loop may be gone as well
        }
        loop.post([shared, all = std::move(all)]() mutable noexcept {
            // On the loop's thread, like the dialer's end: no lock is needed to look.
            if (shared->dialer != nullptr) {
                shared->dialer->found(std::move(all));
            }
        });
    };
    if (is_numeric(address)) {
        look();
        return;
    }
    try {
        std::thread(look).detach();
    } catch (const std::system_error&) {
        loop_.set(*this, loop_.now());  // no thread: as if it had taken too long
    }
}

void Dialer::found(Result<std::vector<SocketAddress>> addresses) {
    if (!addresses) {
        end(fail(addresses.error()));
        return;
    }
    candidates_ = std::move(*addresses);
    try_next();
}

void Dialer::try_next() {
    while (next_ < candidates_.size()) {
        const SocketAddress& peer = candidates_[next_];
        socket_ = base::Fd(::socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket_) {
            failed(errno);
            continue;
        }
        if (peer.family() != AF_UNIX) {
            tune(socket_.get());
        }
        if (::connect(socket_.get(), peer.get(), peer.bytes) == 0) {
            end(std::move(socket_));
            return;
        }
        if (errno != EINPROGRESS) {
            failed(errno);
            continue;
        }
        if (!loop_.add(socket_.get(), EPOLLOUT, *this)) {
            failed(ENOMEM);
            continue;
        }
        const base::BootTime now = loop_.now();
        const auto left = static_cast<std::int64_t>(candidates_.size() - next_);
        loop_.set(*this, now + std::max(deadline_ - now, base::BootTime(0)) / left);
        return;
    }
    end(fail(first_.value_or(dial_error(address_, ETIMEDOUT))));
}

/// One candidate cannot be had: the next one is tried after it.
void Dialer::failed(int os_error) {
    if (!first_) {
        first_ = dial_error(address_, os_error);
    }
    loop_.remove(*this);
    socket_.reset();
    ++next_;
}

void Dialer::on_event(std::uint32_t /*events*/) noexcept {
    int problem = 0;
    socklen_t size = sizeof problem;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem != 0) {
        failed(problem);
        try_next();
        return;
    }
    end(std::move(socket_));
}

void Dialer::on_timer(base::BootTime now) noexcept {
    failed(ETIMEDOUT);
    if (now >= deadline_) {
        end(fail(*first_));
        return;
    }
    try_next();
}

void Dialer::end(Result<base::Fd> socket) {
    loop_.cancel(*this);
    loop_.remove(*this);
    const SocketAddress peer = next_ < candidates_.size() ? candidates_[next_] : SocketAddress{};
    owner_.on_dialled(std::move(socket), peer);
}

}  // namespace repartir::net
