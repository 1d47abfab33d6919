// SPDX-License-Identifier: MIT
#include "net/connection.hpp"

#include <sys/epoll.h>

#include <string_view>
#include <utility>

namespace repartir::net {
namespace {

/// Reads before other connections have their turn.
constexpr int reads_max = 16;

Error silent_error(const std::string& address, bool dialling) {
    return Error(Domain::net, Code::unreachable, Fault::node,
                 address + (dialling ? " accepted the connection but did not shake hands in time: "
                                       "check that it is a Repartir worker, and neither stopped "
                                       "nor too busy"
                                     : " connected but did not shake hands in time"));
}

}  // namespace

Connection::Connection(loop::Loop& loop, std::span<char> scratch, Owner& owner,
                       const ConnectionOptions& options)
    : loop_(loop), scratch_(scratch), owner_(owner), options_(options) {}

Connection::~Connection() {
    loop_.cancel(*this);
    loop_.remove(*this);
}

void Connection::dial(const Address& address, const Security& security) {
    phase_ = Phase::dialling;
    framer_.dialled();
    address_ = address;
    security_ = &security;
    Dialer::Owner& self = *this;
    dialer_ = std::make_unique<Dialer>(loop_, self);
    const base::BootTime deadline = base::later(loop_.now(), options_.patience);
    loop_.set(*this, deadline + std::chrono::milliseconds(1));  // the dialer's own comes first
    dialer_->start(address, deadline);
}

void Connection::on_dialled(Result<base::Fd> socket, const SocketAddress& peer) noexcept {
    const std::unique_ptr<Dialer> done = std::move(dialer_);
    if (phase_ != Phase::dialling) {
        return;  // it was closed meanwhile
    }
    if (!socket) {
        finish(socket.error());
        return;
    }
    Result<std::unique_ptr<Stream>> stream =
        dialled_stream(*security_, socket->get(), peer, address_);
    if (!stream) {
        finish(stream.error());
        return;
    }
    if (Result<void> begun = begin(std::move(*socket), std::move(*stream)); !begun) {
        finish(begun.error());
        return;
    }
    owner_.on_taken(*this);
    greet();
}

Result<void> Connection::take(base::Fd socket, std::unique_ptr<Stream> stream) {
    loop_.set(*this, base::later(loop_.now(), options_.patience));
    return begin(std::move(socket), std::move(stream));
}

Result<void> Connection::begin(base::Fd socket, std::unique_ptr<Stream> stream) {
    phase_ = Phase::greeting;
    socket_ = std::move(socket);
    stream_ = std::move(stream);
    watched_for_ = EPOLLIN | EPOLLOUT;
    return loop_.add(socket_.get(), watched_for_, *this);
}

void Connection::greet() {
    const Result<Wait> went = stream_->handshake();
    if (!went) {
        refuse(went.error());
        return;
    }
    greeting_waits_ = *went;
    if (*went == Wait::none) {
        phase_ = Phase::open;
        loop_.cancel(*this);
        owner_.on_open(*this);
        if (phase_ == Phase::open && !why_) {
            read();  // what came with the last of the handshake wakes nobody
            return;
        }
    }
    watch();
}

void Connection::send(wire::MessageType type, std::uint64_t correlation, std::string&& body,
                      wire::Lent&& lent) {
    if (phase_ != Phase::open || why_) {
        return;
    }
    queue_.push(type, correlation, std::move(body), std::move(lent));
    if (queue_.bytes() > options_.queue_bytes_max) {
        fail_later(Error(Domain::net, Code::unreachable, Fault::node,
                         stream_->peer().address +
                             " does not read what it is sent, and the connection was closed: "
                             "check that machine and its network"));
    }
}

void Connection::flush_batches() {
    if (queue_.bytes() >= SendQueue::batch_bytes) {
        flush();
    }
}

void Connection::flush() {
    if (phase_ == Phase::open && !blocked_) {
        write();
    }
}

void Connection::write() {
    while (!why_) {
        const std::string_view bytes = queue_.next();
        blocked_ = false;
        if (bytes.empty()) {
            break;
        }
        const Result<Transfer> went = stream_->write(bytes);
        if (!went) {
            fail_later(went.error());
            return;
        }
        queue_.sent(went->bytes);
        if (went->wait != Wait::none) {
            blocked_ = true;
            break;
        }
    }
    if (phase_ == Phase::closing && queue_.empty() && !std::exchange(finished_, true)) {
        stream_->finish();
    }
    watch();
}

void Connection::admit(std::uint16_t version, bool compression) {
    framer_.admit(version, compression);
    queue_.set({version, compression});
}

void Connection::close() {
    if (phase_ == Phase::open && !why_) {
        phase_ = Phase::closing;
        loop_.set(*this, base::later(loop_.now(), options_.linger));
        write();
    } else if (phase_ != Phase::closing && phase_ != Phase::closed) {
        phase_ = Phase::closing;
        finished_ = true;
        loop_.set(*this, loop_.now());
    }
}

Result<void> Connection::recheck() { return stream_ ? stream_->recheck() : Result<void>{}; }

void Connection::on_event(std::uint32_t events) noexcept {
    switch (phase_) {
        case Phase::greeting:
            greet();
            return;
        case Phase::open:
            if ((events & EPOLLOUT) != 0) {
                write();
            }
            if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 && !why_) {
                read();
            }
            return;
        case Phase::closing:
            if ((events & EPOLLOUT) != 0) {
                write();
            }
            if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
                discard();
            }
            return;
        default:
            return;
    }
}

void Connection::read() {
    for (int turn = 0; turn < reads_max && phase_ == Phase::open && !why_; ++turn) {
        const Result<Transfer> came = stream_->read(scratch_);
        if (!came) {
            finish(came.error());
            return;
        }
        if (came->wait == Wait::ended) {
            finish(Error(Domain::net, Code::unreachable, Fault::node,
                         stream_->peer().address + " closed the connection"));
            return;
        }
        if (came->bytes != 0) {
            framer_.give({scratch_.data(), came->bytes});
            if (!take_messages()) {
                return;
            }
        }
        if (came->wait != Wait::none) {
            break;
        }
        if (turn + 1 == reads_max) {
            loop_.set(*this, loop_.now());  // what lies decrypted in the stream wakes nobody
        }
    }
    if (phase_ == Phase::open) {
        owner_.on_drained(*this);
    }
    watch();
}

/// Hands over what has come whole. @return whether the connection goes on
bool Connection::take_messages() {
    while (phase_ == Phase::open) {
        const auto next = framer_.next();
        if (!next) {
            refuse(Error(Domain::wire, Code::malformed, Fault::node,
                         std::string(wire::sentence(next.error()))));
            return false;
        }
        if (!*next) {
            return true;
        }
        owner_.on_message(*this, **next);
    }
    return true;
}

void Connection::refuse(Error why) {
    phase_ = Phase::open;  // it may be told, though it is not let in
    queue_.push(wire::MessageType::goodbye, 0,
                codec::encode(wire::Goodbye{wire::Parting::refused, why.sentence()}));
    write();
    stream_->finish();
    for (int turn = 0; turn < reads_max; ++turn) {  // else the kernel would reset what was sent
        const Result<Transfer> came = stream_->read(scratch_);
        if (!came || came->wait != Wait::none) {
            break;
        }
    }
    const std::string& address = stream_->peer().address;
    if (why.sentence().contains(address)) {
        finish(std::move(why));
        return;
    }
    finish(Error(why.domain(), why.code(), why.fault(), address + ": " + why.sentence()));
}

/// What still comes after close() is thrown away, so that the kernel need not reset the connection
/// and with it what we sent last.
void Connection::discard() {
    for (int turn = 0; turn < reads_max; ++turn) {
        const Result<Transfer> came = stream_->read(scratch_);
        if (!came || came->wait == Wait::ended) {
            finish(std::nullopt);
            return;
        }
        if (came->wait != Wait::none) {
            return;
        }
    }
}

/// Asks the loop for the events that matter now.
void Connection::watch() {
    if (!loop::Handler::watching()) {
        return;
    }
    std::uint32_t wanted = EPOLLIN;
    if (phase_ == Phase::greeting) {
        wanted = greeting_waits_ == Wait::writable ? EPOLLOUT : EPOLLIN;
    } else {
        if (phase_ == Phase::open && queue_.bytes() > options_.pause_bytes) {
            wanted = 0;
        }
        wanted |= blocked_ ? EPOLLOUT : 0U;
    }
    if (wanted != watched_for_ && loop_.modify(*this, wanted)) {
        watched_for_ = wanted;
    }
}

void Connection::fail_later(Error why) {
    if (!why_) {
        why_ = std::move(why);
        loop_.set(*this, loop_.now());
    }
}

/// What the peer said before it hung up is heard: it may be why.
void Connection::end_broken(Error why) {
    for (int turn = 0; turn < reads_max && phase_ == Phase::open; ++turn) {
        const Result<Transfer> came = stream_->read(scratch_);
        if (!came || came->bytes == 0) {
            break;
        }
        framer_.give({scratch_.data(), came->bytes});
        if (!take_messages()) {
            return;
        }
    }
    finish(std::move(why));
}

void Connection::on_timer(base::BootTime /*now*/) noexcept {
    switch (phase_) {
        case Phase::dialling:
            finish(silent_error(address_.text(), true));
            return;
        case Phase::greeting:
            finish(silent_error(stream_->peer().address, security_ != nullptr));
            return;
        case Phase::closing:
            finish(std::nullopt);
            return;
        default:
            if (why_) {
                end_broken(*std::exchange(why_, std::nullopt));
            } else {
                read();
            }
    }
}

void Connection::finish(std::optional<Error> why) {
    if (phase_ == Phase::closing) {
        why.reset();
    }
    phase_ = Phase::closed;
    dialer_.reset();
    loop_.cancel(*this);
    loop_.remove(*this);
    socket_.reset();
    owner_.on_closed(*this, why ? &*why : nullptr);
}

}  // namespace repartir::net
