// SPDX-License-Identifier: MIT
#pragma once
/// @file link.hpp The connections of an engine to one worker.
#include <list>
#include <memory>

#include "exec/remote/engine.hpp"

namespace repartir::exec {

class Engine::Link final : public net::Connection::Owner {
  public:
    Link(Engine& engine, client::WorkerId id) : engine_(engine), id_(id) {}

    void dial();
    /// The connection in use says its last and ends.
    void close();
    [[nodiscard]] net::Connection* current() noexcept { return current_; }
    /// Whether nothing of it is left.
    [[nodiscard]] bool idle() const noexcept { return connections_.empty(); }
    bool unflushed = false;  ///< it is in Engine::unflushed_

  private:
    struct Held {
        std::unique_ptr<net::Connection> connection;
        bool dialling = true;  // is not open yet
    };

    void dialled(const net::Connection& connection);
    void on_taken(net::Connection& connection) noexcept override;
    void on_open(net::Connection& connection) noexcept override;
    void on_message(net::Connection& connection, const wire::Message& message) noexcept override;
    void on_drained(net::Connection& connection) noexcept override;
    void on_closed(net::Connection& connection, const Error* why) noexcept override;

    Engine& engine_;
    client::WorkerId id_;
    net::Connection* current_ = nullptr;
    std::list<Held> connections_;
};

}  // namespace repartir::exec
