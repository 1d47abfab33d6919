// SPDX-License-Identifier: MIT
// Server and Connection, over real sockets of this machine, in one loop.
#include "net/server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/server_fixture.hpp"
#include "repartir/codec.hpp"
#include "wire/messages.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define REPARTIR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPARTIR_SANITIZED 1
#endif
#endif

namespace repartir::net {
namespace {

using namespace std::literals;
using wire::MessageType;

TEST_F(ServerTest, MessagesGoBothWays) {
    for (const std::string& at : {"127.0.0.1:0"s, "[::1]:0"s, "unix:" + folder_ + "/s"}) {
        Host host(*loop, plain);
        const Address address = listen(host, at.c_str());
        host.answer = [&](Server::Id id, const wire::Message& message) {
            host.server.send(id, MessageType::welcome, message.correlation, "pong");
        };
        Guest guest(*loop);
        guest.connection.dial(address, plain);
        ASSERT_TRUE(until([&] { return guest.opened; })) << at;
        guest.connection.send(MessageType::hello, 7, "ping");
        guest.connection.flush();
        ASSERT_TRUE(until([&] { return guest.got == 1; })) << at;
        EXPECT_EQ(host.messages, std::vector{"ping"s});
        EXPECT_EQ(guest.order, std::vector<std::uint64_t>{7});
        guest.connection.close();
        ASSERT_TRUE(until([&] { return host.closed.size() == 1 && guest.closed; })) << at;
        EXPECT_EQ(*guest.closed, "");
        EXPECT_NE(host.closed[0].find("closed the connection"), std::string::npos);
        EXPECT_EQ(host.server.connections(), 0U);
    }
}

TEST_F(ServerTest, ANameIsLookedUpWithoutHoldingTheLoop) {
    Host host(*loop, plain);
    Address address = listen(host);
    address.host = "localhost";
    Guest guest(*loop);
    guest.connection.dial(address, plain);
    EXPECT_TRUE(until([&] { return guest.opened; }));
    Guest lost(*loop);
    lost.connection.dial({"no-such-host.invalid", 9, ""}, plain);
    ASSERT_TRUE(until([&] { return lost.closed.has_value(); }));
    EXPECT_NE(lost.closed->find("no-such-host.invalid"), std::string::npos) << *lost.closed;
    Guest impatient(*loop);  // gives up while the look-up goes on
    impatient.connection.dial({"no-such-host-either.invalid", 9, ""}, plain);
}

TEST_F(ServerTest, WhereNobodyListensOneSentenceSaysSo) {
    Address address;
    {
        Host host(*loop, plain);
        address = listen(host);
    }
    Guest guest(*loop);
    guest.connection.dial(address, plain);
    ASSERT_TRUE(until([&] { return guest.closed.has_value(); }));
    EXPECT_NE(guest.closed->find("refused the connection"), std::string::npos);
    Guest nowhere(*loop);
    nowhere.connection.dial({"", 0, folder_ + "/none"}, plain);
    ASSERT_TRUE(until([&] { return nowhere.closed.has_value(); }));
    EXPECT_NE(nowhere.closed->find("does not exist"), std::string::npos);
}

TEST_F(ServerTest, WhereItCannotListenOneSentenceSaysWhy) {
    Host host(*loop, plain);
    const std::string file = folder_ + "/file";
    std::ofstream(file) << "not ours";
    const Address taken = listen(host);
    Security any;
    any.plaintext = Plaintext::any;
    for (const auto& [at, why] : std::vector<std::pair<std::string, std::string>>{
             {"unix:" + folder_ + "/none/w", "its folder does not exist"},
             {"unix:" + file, "a file is there that is no socket"},
             {"unix:" + folder_, "a file is there that is no socket"},
             {taken.text(), "another program does so already"},
             {"192.0.2.1:9", "this machine has no such address"}}) {  // RFC 5737: nobody has it
        Host other(*loop, any);
        const auto refused = other.server.listen(Address::parse(at).value());
        ASSERT_FALSE(refused) << at;
        EXPECT_EQ(refused.error().sentence().find("cannot listen at " + at + ": " + why), 0U)
            << refused.error().sentence();
    }
    EXPECT_EQ(std::filesystem::file_size(file), 8U) << "it is left alone";
}

TEST_F(ServerTest, BothDirectionsFlowThoughBothAreFull) {
    Host host(*loop, plain);
    const Address address = listen(host);
    host.answer = [&](Server::Id id, const wire::Message& message) {
        if (message.type == MessageType::task_submit) {
            for (int piece = 0; piece < 4; ++piece) {
                host.server.send(id, MessageType::task_accepted, message.correlation,
                                 std::string(2U << 20U, static_cast<char>(message.correlation)));
            }
        } else {
            host.server.send(id, message.type, message.correlation, "beat");
        }
    };
    Guest guest(*loop);
    guest.connection.dial(address, plain);
    ASSERT_TRUE(until([&] { return guest.opened; }));
    for (std::uint64_t i = 1; i <= 20; ++i) {
        guest.connection.send(MessageType::task_submit, i, std::string(100'000, 'x'));
    }
    guest.connection.send(MessageType::heartbeat, 1000, "beat");
    guest.connection.flush();
    ASSERT_TRUE(until([&] { return guest.got == 81; }));
    EXPECT_EQ(guest.got_bytes, 80 * (2U << 20U) + 4);
    const auto beat = std::ranges::find(guest.order, 1000U);
    EXPECT_LT(beat - guest.order.begin(), 20);  // before most of the 160 MiB
}

TEST_F(ServerTest, WhatIsSentBeforeCloseArrives) {
    Host host(*loop, plain);
    const Address address = listen(host);
    host.answer = [&](Server::Id id, const wire::Message&) {
        host.server.send(id, MessageType::task_accepted, 1, std::string(8U << 20U, 'x'));
        host.server.send(id, MessageType::goodbye, 2,
                         codec::encode(wire::Goodbye{wire::Parting::done, "enough"}));
        host.server.close(id);
    };
    Guest guest(*loop);
    guest.connection.dial(address, plain);
    ASSERT_TRUE(until([&] { return guest.opened; }));
    guest.connection.send(MessageType::hello, 1, "x");
    guest.connection.send(MessageType::hello, 2, std::string(1U << 20U, 'x'));
    guest.connection.flush();
    ASSERT_TRUE(until([&] { return guest.closed.has_value(); }));
    EXPECT_EQ(guest.got, 2U);
    EXPECT_EQ(guest.goodbye, "enough");
    EXPECT_TRUE(until([&] { return host.closed.size() == 1; }));
}

TEST_F(ServerTest, WhoSpeaksSomethingElseIsToldAndGone) {
    Host host(*loop, plain);
    const Address address = listen(host);
    const base::Fd web = raw_socket(address);
    const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(100, 'x');
    ASSERT_EQ(::send(web.get(), get.data(), get.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(get.size()));
    ASSERT_TRUE(until([&] { return host.closed.size() == 1; }));
    EXPECT_NE(host.closed[0].find("does not speak Repartir's protocol"), std::string::npos);
    const base::Fd tls = raw_socket(address);
    ASSERT_EQ(::send(tls.get(), "\x16\x03\x01\x02\x00\x01\x00\x01", 8, MSG_NOSIGNAL), 8);
    ASSERT_TRUE(until([&] { return host.closed.size() == 2; }));
    EXPECT_NE(host.closed[1].find("speaks TLS"), std::string::npos);
    char told[512] = {};
    ASSERT_GT(::recv(web.get(), told, sizeof told, 0), 0);
    EXPECT_NE(std::string_view(told, sizeof told).find("does not speak"), std::string_view::npos);
}

TEST_F(ServerTest, PlaintextIsForLoopbackUnlessAsked) {
    Host closed(*loop, none);
    const auto refused = closed.server.listen(Address::parse("127.0.0.1:0").value());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::permission_denied);
    EXPECT_NE(refused.error().sentence().find("repartir pki"), std::string::npos);
    Host open(*loop, plain);
    ASSERT_FALSE(open.server.listen(Address::parse(":0").value()));
    Security any;
    any.plaintext = Plaintext::any;
    Host bold(*loop, any);
    EXPECT_TRUE(bold.server.listen(Address::parse(":0").value()));
    Guest guest(*loop);
    guest.connection.dial(listen(open), none);
    ASSERT_TRUE(until([&] { return guest.closed.has_value(); }));
    EXPECT_NE(guest.closed->find("certificates"), std::string::npos);
}

TEST_F(ServerTest, AUnixSocketIsItsUsersOnly) {
    Host host(*loop, none);
    const Address address = listen(host, ("unix:" + folder_ + "/s").c_str());
    struct stat file{};
    ASSERT_EQ(::stat((folder_ + "/s").c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
    Guest guest(*loop);
    guest.connection.dial(address, none);
    ASSERT_TRUE(until([&] { return !host.opened.empty(); }));
    EXPECT_EQ(host.last_peer.name, "user " + std::to_string(::geteuid()));
}

TEST_F(ServerTest, AnotherUserIsTurnedAwayAtAUnixSocket) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root, to become another user";
    }
    ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
    Security groups;
    groups.local.groups = {4242};
    Host host(*loop, groups);
    // The test runs as root, who is let in: so its server must not be root's to be asked about.
    const Address address = listen(host, ("unix:" + folder_ + "/s").c_str());
    const auto visit = [&](uid_t user, gid_t group) {
        const pid_t child = ::fork();
        if (child == 0) {
            bool done = ::setgroups(0, nullptr) == 0 && ::setgid(group) == 0 && ::setuid(user) == 0;
            const base::Fd fd = raw_socket(address);
            char told[512] = {};
            done = done && ::recv(fd.get(), told, sizeof told, 0) >= 0;
            ::_exit(done ? 0 : 1);
        }
        return child;
    };
    const pid_t stranger = visit(54'321, 54'321);
    EXPECT_TRUE(until([&] { return host.refused.size() == 1; }));
    EXPECT_NE(host.refused[0].find("user 54321"), std::string::npos);
    const pid_t member = visit(54'321, 4242);
    EXPECT_TRUE(until([&] { return host.opened.size() == 1; }));
    host.server.close(host.opened[0]);
    EXPECT_TRUE(until([&] { return host.closed.size() == 1; }));
    for (const pid_t child : {stranger, member}) {
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
}

TEST_F(ServerTest, ASocketFileThatWasLeftBehindIsReplacedAndOneInUseIsNot) {
    const std::string at = "unix:" + folder_ + "/s";
    {
        const auto address = resolve(Address::parse(at).value(), true).value().at(0);
        const base::Fd left(::socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(::bind(left.get(), address.get(), address.bytes), 0);
    }
    Host host(*loop, none);
    listen(host, at.c_str());
    Host second(*loop, none);
    const auto refused = second.server.listen(Address::parse(at).value());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().sentence().find("another program"), std::string::npos);
}

TEST_F(ServerTest, ConnectionsBeyondTheLimitAreTurnedAway) {
    ServerOptions options;
    options.connections_max = 1;
    Host host(*loop, plain, options);
    const Address address = listen(host);
    Guest first(*loop);
    first.connection.dial(address, plain);
    ASSERT_TRUE(until([&] { return host.opened.size() == 1; }));
    Guest second(*loop);
    second.connection.dial(address, plain);
    ASSERT_TRUE(until([&] { return !second.goodbye.empty(); }));
    const std::string why = "1 clients are served here already, which are the most: use another";
    EXPECT_NE(second.goodbye.find(why), std::string::npos) << second.goodbye;
    ASSERT_EQ(host.refused.size(), 1U);
    EXPECT_NE(host.refused[0].find(why), std::string::npos) << host.refused[0];
    EXPECT_EQ(host.opened.size(), 1U) << "its owner never hears of the second";
    first.connection.close();
    ASSERT_TRUE(until([&] { return host.closed.size() == 1; }));
    Guest third(*loop);
    third.connection.dial(address, plain);
    EXPECT_TRUE(until([&] { return host.opened.size() == 2; }));
}

TEST_F(ServerTest, AcceptingGoesOnOnceThereAreDescriptorsAgain) {
#ifdef REPARTIR_SANITIZED
    GTEST_SKIP() << "the sanitizer needs descriptors itself to check a call of a virtual function";
#endif
    Host host(*loop, plain);
    const Address address = listen(host);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const base::Fd guest = raw_socket(address);
    const base::Fd next(::fcntl(0, F_DUPFD_CLOEXEC, 0));
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const bool refused = until([&] { return !host.refused.empty(); });
    ::setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_TRUE(refused);
    EXPECT_NE(host.refused[0].find("cannot accept a connection: Too many open files"),
              std::string::npos)
        << host.refused[0];
    EXPECT_TRUE(until([&] { return host.opened.size() == 1; })) << "who waited is not forgotten";
}

TEST_F(ServerTest, EachOfACrowdIsToldWhyItIsTurnedAway) {
    ServerOptions options;
    options.connections_max = 1;
    options.strangers_max = 2;
    Host host(*loop, plain, options);
    const Address address = listen(host);
    std::vector<std::unique_ptr<Guest>> crowd;
    for (int i = 0; i < 30; ++i) {
        crowd.push_back(std::make_unique<Guest>(*loop));
        crowd.back()->connection.dial(address, plain);
    }
    ASSERT_TRUE(until([&] { return host.opened.size() + host.refused.size() == crowd.size(); }));
    const auto told = [](const auto& guest) { return !guest->goodbye.empty(); };
    EXPECT_TRUE(until([&] { return std::ranges::count_if(crowd, told) == 29; }));
}

TEST_F(ServerTest, AMachineThatDoesNotAnswerIsNamed) {
    // A listener whose queue is full: the kernel drops who knocks, as a firewall does.
    const Deaf deaf(0);
    std::vector<base::Fd> queue;
    for (int i = 0; i < 4; ++i) {
        queue.push_back(raw_socket(deaf.address, SOCK_NONBLOCK));
    }
    ConnectionOptions options;
    options.patience = std::chrono::milliseconds(200);
    Guest impatient(*loop, options);
    impatient.connection.dial(deaf.address, plain);
    ASSERT_TRUE(until([&] { return impatient.closed.has_value(); }));
    EXPECT_NE(impatient.closed->find("did not answer in time: check the address, the machine"),
              std::string::npos)
        << *impatient.closed;
}

TEST_F(ServerTest, APeerThatDoesNotReadIsClosed) {
    ServerOptions options;
    options.connection.queue_bytes_max = 1U << 20U;
    Host host(*loop, plain, options);
    host.compression = false;
    const Address address = listen(host);
    host.answer = [&](Server::Id id, const wire::Message&) {
        for (int i = 0; i < 2000; ++i) {
            host.server.send(id, MessageType::heartbeat, 1, std::string(60'000, 'x'));
            host.server.flush();
        }
    };
    const base::Fd mute = raw_socket(address);
    std::string hello;
    wire::append_frame(hello, MessageType::hello, 1, "x", 0, {});
    ASSERT_GT(::send(mute.get(), hello.data(), hello.size(), MSG_NOSIGNAL), 0);
    ASSERT_TRUE(until([&] { return host.closed.size() == 1; }));
    EXPECT_NE(host.closed[0].find("does not read"), std::string::npos);
}

}  // namespace
}  // namespace repartir::net
