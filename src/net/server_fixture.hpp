// SPDX-License-Identifier: MIT
#pragma once
/// @file server_fixture.hpp Both ends of connections over real sockets of this machine, in one
/// loop.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/server.hpp"
#include "wire/messages.hpp"

namespace repartir::net {

/// A server that remembers what happened, and does what the test wants on each message.
class Host final : public Server::Owner {
  public:
    Host(loop::Loop& loop, const Security& security, ServerOptions options = {})
        : server(loop, security, *this, options) {}
    void on_open(Server::Id id, const Peer& peer) noexcept override {
        opened.push_back(id);
        last_peer = peer;
        server.admit(id, wire::version_max, compression);
    }
    void on_message(Server::Id id, const wire::Message& message) noexcept override {
        messages.emplace_back(message.body);
        if (answer) {
            answer(id, message);
        }
    }
    void on_drained(Server::Id /*id*/) noexcept override { server.flush(); }
    void on_closed(Server::Id /*id*/, const Error* why) noexcept override {
        closed.push_back(why != nullptr ? why->sentence() : "");
    }
    void on_refused(const Error& why) noexcept override { refused.push_back(why.sentence()); }

    Server server;
    std::function<void(Server::Id, const wire::Message&)> answer;
    bool compression = true;
    std::vector<Server::Id> opened;
    Peer last_peer;
    std::vector<std::string> messages, closed, refused;
};

/// A connection that remembers likewise.
class Guest final : public Connection::Owner {
  public:
    explicit Guest(loop::Loop& loop, const ConnectionOptions& options = {})
        : scratch_(64UL * 1024), connection(loop, scratch_, *this, options) {}
    void on_open(Connection& /*connection*/) noexcept override {
        opened = true;
        connection.admit(wire::version_max, true);
    }
    void on_message(Connection& /*connection*/, const wire::Message& message) noexcept override {
        ++got;
        order.push_back(message.correlation);
        got_bytes += message.body.size();
        if (message.type == wire::MessageType::goodbye) {
            goodbye = wire::decode<wire::Goodbye>(message.type, message.body).value().reason;
        }
    }
    void on_drained(Connection& /*connection*/) noexcept override { connection.flush(); }
    void on_closed(Connection& /*connection*/, const Error* why) noexcept override {
        closed = why != nullptr ? why->sentence() : "";
    }

  private:
    std::vector<char> scratch_;

  public:
    Connection connection;
    bool opened = false;
    std::size_t got = 0;
    std::size_t got_bytes = 0;
    std::vector<std::uint64_t> order;
    std::string goodbye;
    std::optional<std::string> closed;
};

/// A socket that says what the test wants. @param more flags: SOCK_NONBLOCK
inline base::Fd raw_socket(const Address& address, int more = 0) {
    const auto to = resolve(address, false).value().at(0);
    base::Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | more, 0));
    const int connected = ::connect(fd.get(), to.get(), to.bytes);
    EXPECT_TRUE(connected == 0 || more != 0);
    return fd;
}

/// A port at which connections are taken by the kernel, as far as there is room, and never heard.
struct Deaf {
    explicit Deaf(int backlog) {
        const auto at = resolve(Address::parse("127.0.0.1:0").value(), true).value().at(0);
        socket = base::Fd(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(socket.get(), at.get(), at.bytes), 0);
        EXPECT_EQ(::listen(socket.get(), backlog), 0);
        address = Address::parse(local_address(socket.get()).text()).value();
    }
    base::Fd socket;
    Address address;
};

/// A loop, a folder, and no certificates.
class ServerTest : public testing::Test {
  protected:
    ServerTest() {
        char name[] = "/tmp/repartir-net-test-XXXXXX";
        folder_ = ::mkdtemp(name);
        plain.plaintext = Plaintext::loopback;
    }
    ~ServerTest() override { std::filesystem::remove_all(folder_); }

    Address listen(Host& host, const char* at = "127.0.0.1:0") {
        const auto bound = host.server.listen(Address::parse(at).value());
        EXPECT_TRUE(bound) << (bound ? "" : bound.error().sentence());
        return Address::parse(bound->front().text()).value();
    }
    /// Runs the loop until it is so. Ten seconds are for ever.
    template <class Condition>
    [[nodiscard]] bool until(Condition condition) {
        const base::BootTime end = base::now() + std::chrono::seconds(10);
        while (!condition() && base::now() < end) {
            loop->run_once(std::chrono::milliseconds(10));
        }
        return condition();
    }

    std::unique_ptr<loop::Loop> loop = loop::Loop::create().value();
    Security plain;
    const Security none;
    std::string folder_;
};

}  // namespace repartir::net
