// SPDX-License-Identifier: MIT
#include "net/server.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "repartir/codec.hpp"
#include "wire/messages.hpp"

namespace repartir::net {
namespace {

/// What one read takes at most.
constexpr std::size_t scratch_bytes = 256UL * 1024;

}  // namespace

Server::Server(loop::Loop& loop, const Security& security, Owner& owner,
               const ServerOptions& options)
    : loop_(loop), security_(security), owner_(owner), options_(options), scratch_(scratch_bytes) {
    if (security_.tls != nullptr) {
        loop_.set(watch_, base::later(loop_.now(), options_.certificates_every));
    }
}

Server::~Server() { loop_.cancel(watch_); }

void Server::refresh(base::BootTime now) {
    const Refreshed result = security_.tls->refresh();
    for (const Error& problem : result.problems) {
        owner_.on_refused(problem);
    }
    if (result.changed) {
        recheck();
    }
    loop_.set(watch_, base::later(now, options_.certificates_every));
}

Result<std::vector<SocketAddress>> Server::listen(const Address& address) {
    if (security_.tls != nullptr && address.path.empty()) {
        if (Result<void> may = security_.tls->may_listen(); !may) {
            return fail(may.error());
        }
    }
    // Fewer at once than there may be strangers: else some were closed before they can say a word.
    const std::size_t at_once = std::max<std::size_t>(options_.strangers_max / 2, 1);
    Result<std::unique_ptr<Listener>> listener =
        Listener::create(loop_, address, security_, *this, at_once);
    if (!listener) {
        return fail(listener.error());
    }
    listeners_.push_back(std::move(*listener));
    return listeners_.back()->addresses();
}

void Server::on_accept(base::Fd socket, const SocketAddress& peer) noexcept {
    Result<std::unique_ptr<Stream>> stream = accepted_stream(security_, socket.get(), peer);
    if (!stream) {
        owner_.on_refused(stream.error());
        return;
    }
    if (strangers_.size() >= options_.strangers_max) {
        Guest& oldest = guests_.find(strangers_.front())->second;
        forget(oldest);
    }
    const Id id = ++last_;
    Guest& guest = guests_[id];
    guest.id = id;
    guest.connection = std::make_unique<Connection>(
        loop_, scratch_, static_cast<Connection::Owner&>(*this), options_.connection);
    ids_.emplace(guest.connection.get(), id);
    guest.stranger = strangers_.insert(strangers_.end(), id);
    if (Result<void> begun = guest.connection->take(std::move(socket), std::move(*stream));
        !begun) {
        owner_.on_refused(begun.error());
        forget(guest);
    }
}

void Server::on_open(Connection& connection) noexcept {
    Guest& guest = guests_.find(ids_.find(&connection)->second)->second;
    if (open_ >= options_.connections_max) {
        turn_away(connection);
        return;
    }
    guest.open = true;
    strangers_.erase(guest.stranger);
    ++open_;
    owner_.on_open(guest.id, connection.peer());
}

void Server::turn_away(Connection& connection) {
    const bool short_of_files = options_.connections_max < ServerOptions().connections_max;
    const std::string why =
        std::to_string(open_) +
        " clients are served here already, which are the most: use another worker" +
        (short_of_files ? ", or have this one started with a higher limit of open files (ulimit -n)"
                        : "");
    connection.send(wire::MessageType::goodbye, 0,
                    codec::encode(wire::Goodbye{wire::Parting::refused, why}));
    connection.close();
    owner_.on_refused(Error(Domain::net, Code::out_of_resources, Fault::policy,
                            connection.peer().address + " was turned away: " + why));
}

void Server::on_message(Connection& connection, const wire::Message& message) noexcept {
    owner_.on_message(ids_.find(&connection)->second, message);
}

void Server::on_drained(Connection& connection) noexcept {
    owner_.on_drained(ids_.find(&connection)->second);
}

void Server::on_closed(Connection& connection, const Error* why) noexcept {
    Guest& guest = guests_.find(ids_.find(&connection)->second)->second;
    const Id id = guest.id;
    const bool was_open = guest.open;
    const std::optional<Error> kept = why != nullptr ? std::optional(*why) : std::nullopt;
    forget(guest);
    if (was_open) {
        owner_.on_closed(id, kept ? &*kept : nullptr);
    } else if (kept) {
        owner_.on_refused(*kept);
    }
}

void Server::forget(Guest& guest) {
    if (guest.open) {
        --open_;
    } else {
        strangers_.erase(guest.stranger);
    }
    ids_.erase(guest.connection.get());
    guests_.erase(guest.id);
}

void Server::touch(Guest& guest) {
    if (!std::exchange(guest.unflushed, true)) {
        unflushed_.push_back(guest.id);
    }
}

void Server::send(Id id, wire::MessageType type, std::uint64_t correlation, std::string&& body,
                  wire::Lent&& lent) {
    if (const auto guest = guests_.find(id); guest != guests_.end()) {
        guest->second.connection->send(type, correlation, std::move(body), std::move(lent));
        touch(guest->second);
    }
}

void Server::admit(Id id, std::uint16_t version, bool compression) {
    if (const auto guest = guests_.find(id); guest != guests_.end()) {
        guest->second.connection->admit(version, compression);
    }
}

void Server::close(Id id) {
    if (const auto guest = guests_.find(id); guest != guests_.end()) {
        guest->second.connection->close();
    }
}

void Server::flush_batches(Id id) {
    if (const auto guest = guests_.find(id); guest != guests_.end()) {
        guest->second.connection->flush_batches();
    }
}

void Server::flush() {
    for (const Id id : unflushed_) {
        if (const auto guest = guests_.find(id); guest != guests_.end()) {
            guest->second.unflushed = false;
            guest->second.connection->flush();
        }
    }
    unflushed_.clear();
}

void Server::recheck() {
    std::vector<std::pair<Id, Error>> gone;
    for (const auto& [id, guest] : guests_) {
        if (const Result<void> still = guest.connection->recheck(); !still) {
            gone.emplace_back(id, still.error());
        }
    }
    for (const auto& [id, why] : gone) {
        guests_.find(id)->second.connection->refuse(why);
    }
}

}  // namespace repartir::net
