// SPDX-License-Identifier: MIT
#include "exec/remote/link.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace repartir::exec {

void Engine::Link::dial() {
    net::Connection::Owner& self = *this;
    connections_.push_back({std::make_unique<net::Connection>(*engine_.loop_, engine_.scratch_,
                                                              self, net::ConnectionOptions{})});
    current_ = connections_.back().connection.get();
    current_->dial(engine_.addresses_[id_], engine_.security_);
}

/// That connection is open, or over.
void Engine::Link::dialled(const net::Connection& connection) {
    const auto held = std::ranges::find(connections_, &connection,
                                        [](const Held& one) { return one.connection.get(); });
    if (held != connections_.end() && std::exchange(held->dialling, false)) {
        engine_.dialled();
    }
}

void Engine::Link::close() {
    if (current_ != nullptr) {
        std::exchange(current_, nullptr)->close();
    }
}

void Engine::Link::on_taken(net::Connection& connection) noexcept {
    if (&connection == current_) {
        engine_.reactor_.taken(id_);
    }
}

void Engine::Link::on_open(net::Connection& connection) noexcept {
    dialled(connection);
    if (&connection == current_) {
        engine_.reactor_.connected(id_, engine_.loop_->now(), engine_.outbox_);
        engine_.carry_out();
    }
}

void Engine::Link::on_message(net::Connection& connection, const wire::Message& message) noexcept {
    if (&connection == current_) {
        engine_.reactor_.received(id_, message, engine_.loop_->now(), engine_.outbox_);
        engine_.perform();  // at once: it may be for this very connection
        if (&connection != current_) {
            engine_.carry_out();  // the message ended it: no on_drained() follows
        }
    }
}

void Engine::Link::on_drained(net::Connection& connection) noexcept {
    if (&connection == current_) {
        engine_.reactor_.flush(id_, engine_.outbox_);
        engine_.carry_out();
    }
}

void Engine::Link::on_closed(net::Connection& connection, const Error* why) noexcept {
    const bool was_current = &connection == current_;
    const std::string sentence = why != nullptr ? why->sentence() : "it was closed";
    if (was_current) {
        current_ = nullptr;
    }
    dialled(connection);
    connections_.remove_if([&](const Held& one) { return one.connection.get() == &connection; });
    if (was_current) {
        engine_.reactor_.disconnected(id_, sentence, engine_.loop_->now(), engine_.outbox_);
        engine_.carry_out();
    }
}

}  // namespace repartir::exec
