// SPDX-License-Identifier: MIT
// A RemoteExecutor and what only pretends to be a worker, over a real socket.
#include "exec/remote/link.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "exec/remote/answer_fixture.hpp"
#include "repartir/remote_executor.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"
#include "wire/task.hpp"

namespace repartir {
namespace {

using namespace std::literals;

/// @param storage of the result
const ::sockaddr* unix_address(::sockaddr_un& storage, const std::string& path) {
    storage = {};
    storage.sun_family = AF_UNIX;
    path.copy(storage.sun_path, sizeof storage.sun_path - 1);
    // SAFETY: the socket calls take every kind of address so.
    return reinterpret_cast<const ::sockaddr*>(&storage);
}

/// Listens at a Unix socket, and says what a test wants a worker to say. One connection at a time.
class Impostor {
  public:
    explicit Impostor(const std::string& here) : listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        ::sockaddr_un storage{};
        EXPECT_EQ(::bind(listener_.get(), unix_address(storage, here), sizeof storage), 0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
    }
    /// @return whether somebody came soon
    bool accept() {
        client_ = base::Fd(comes(listener_) ? ::accept(listener_.get(), nullptr, nullptr) : -1);
        framer_ = wire::Framer();
        return static_cast<bool>(client_);
    }
    /// @return the body of the next such message, if it came soon
    std::optional<std::string> heard(wire::MessageType type) {
        while (true) {
            if (const auto next = framer_.next(); next && *next) {
                framer_.admit(wire::version_max, false);
                if ((*next)->type == type) {
                    return std::string((*next)->body);
                }
                continue;
            }
            buffer_.resize(1U << 16U);
            const ::ssize_t got =
                comes(client_) ? ::read(client_.get(), buffer_.data(), buffer_.size()) : 0;
            if (got <= 0) {
                return std::nullopt;
            }
            framer_.give({buffer_.data(), static_cast<std::size_t>(got)});
        }
    }
    template <class T>
    void say(wire::MessageType type, const T& message) {
        std::string bytes;
        wire::append_message(bytes, type, 1, message, {});
        EXPECT_EQ(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<::ssize_t>(bytes.size()));
    }

  private:
    static bool comes(const base::Fd& fd) {
        ::pollfd one{fd.get(), POLLIN, 0};
        return ::poll(&one, 1, 3000) == 1;
    }
    base::Fd listener_;
    base::Fd client_;
    wire::Framer framer_;
    std::string buffer_;
};

class LinkTest : public ::testing::Test {
  protected:
    LinkTest() {
        char name[] = "/tmp/repartir-link-test-XXXXXX";
        folder_ = ::mkdtemp(name);
        path_ = folder_ + "/w";
    }
    ~LinkTest() override {
        executor_.reset();
        std::filesystem::remove_all(folder_);
    }
    std::string folder_;
    std::string path_;
    std::unique_ptr<RemoteExecutor> executor_;
};

// Long before the time is up that a worker has to say welcome.
TEST_F(LinkTest, AWorkerThatAnswersHelloWithGoodbyeIsDialledAgainSoon) {
    Impostor rude(path_);
    RemoteOptions options;
    options.workers = {"unix:" + path_};
    executor_ = RemoteExecutor::connect(std::move(options)).value();
    ASSERT_TRUE(rude.accept());
    ASSERT_TRUE(rude.heard(wire::MessageType::hello));
    rude.say(wire::MessageType::goodbye, wire::Goodbye{wire::Parting::drained, "it drains"});
    EXPECT_TRUE(rude.accept());
}

TEST_F(LinkTest, AWorkerThatPromisesMoreThanThereIsMemoryIsNotBelieved) {
    Impostor liar(path_);
    RemoteOptions options;
    options.workers = {"unix:" + path_};
    options.value_bytes_max = std::numeric_limits<std::uint64_t>::max();
    executor_ = RemoteExecutor::connect(std::move(options)).value();
    const auto answer = std::make_shared<Answer>();
    executor_->call("f", {}, {}, answer);
    ASSERT_TRUE(liar.accept());
    ASSERT_TRUE(liar.heard(wire::MessageType::hello));
    wire::Welcome welcome;
    welcome.heartbeat = 1s;
    welcome.slots = welcome.task_credit = 1;
    welcome.input_credit = 1U << 20U;
    const std::vector<std::string_view> functions{"f"};
    std::string list;
    welcome.functions = codec::list_of(std::span(functions), list);
    liar.say(wire::MessageType::welcome, welcome);
    const auto body = liar.heard(wire::MessageType::task_submit);
    ASSERT_TRUE(body);
    const auto submit = wire::decode<wire::TaskSubmit>(wire::MessageType::task_submit, *body);
    ASSERT_TRUE(submit);
    wire::TaskOutput piece;
    static_cast<void>(submit->tasks.each(
        [&](std::string_view task) { piece.attempt = wire::read_task(task)->attempt; }));
    piece.channel = wire::Channel::value;
    piece.bytes = "va";
    piece.total = piece.bytes.size() + (std::uint64_t{1} << 63U);
    liar.say(wire::MessageType::task_output, piece);
    wire::TaskResult result;
    result.sequence = 1;
    result.attempt = piece.attempt;
    result.report.ending.end = End::exited;
    result.value.offset = 2;
    result.value.bytes = "lue";
    liar.say(wire::MessageType::task_result, result);
    EXPECT_EQ(answer->get().value_or(""), "value");
}

}  // namespace
}  // namespace repartir
