// SPDX-License-Identifier: MIT
// A RemoteExecutor and workers that serve, in one process, over real sockets.
#include "repartir/remote_executor.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "exec/remote/answer_fixture.hpp"
#include "repartir/worker.hpp"

namespace repartir {
namespace {

using namespace std::literals;

/// Remembers what it is told.
class Sink final : public AttemptSink {
  public:
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override {
        const std::scoped_lock lock(mutex_);
        results_[id.task.element] = std::move(result);
        changed_.notify_all();
    }
    void returned(const AttemptId& /*id*/) noexcept override {
        const std::scoped_lock lock(mutex_);
        ++returned_;
        changed_.notify_all();
    }
    void capacity_changed(Executor& /*executor*/, Capabilities now) noexcept override {
        const std::scoped_lock lock(mutex_);
        now_ = std::move(now);
        changed_.notify_all();
    }
    template <class Condition>
    [[nodiscard]] bool until(Condition condition) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 20s, [&] { return condition(*this); });
    }
    [[nodiscard]] AttemptResult result(std::uint32_t element) {
        EXPECT_TRUE(until([&](Sink& sink) { return sink.results_.contains(element); }));
        const std::scoped_lock lock(mutex_);
        return std::move(results_[element]);
    }
    Capabilities now_;
    std::map<std::uint32_t, AttemptResult> results_;
    std::uint32_t returned_ = 0;

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

/// Stands before a worker at a Unix socket, and counts the bytes that come from there. One
/// connection.
class Counter {
  public:
    Counter(const std::string& here, const std::string& worker)
        : listener_(::socket(AF_UNIX, SOCK_STREAM, 0)), worker_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        EXPECT_EQ(::bind(listener_.get(), address(here), sizeof(::sockaddr_un)), 0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        EXPECT_EQ(::connect(worker_.get(), address(worker), sizeof(::sockaddr_un)), 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~Counter() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        ::shutdown(worker_.get(), SHUT_RDWR);
        thread_.join();
    }
    std::atomic<std::uint64_t> bytes{0};

  private:
    /// Good until the next call.
    const ::sockaddr* address(const std::string& path) {
        address_ = {};
        address_.sun_family = AF_UNIX;
        path.copy(address_.sun_path, sizeof address_.sun_path - 1);
        // SAFETY: the socket calls take every kind of address so.
        return reinterpret_cast<const ::sockaddr*>(&address_);
    }
    void serve() {
        const base::Fd client(::accept(listener_.get(), nullptr, nullptr));
        std::vector<char> buffer(1U << 16U);
        std::array<::pollfd, 2> ends{{{client.get(), POLLIN, 0}, {worker_.get(), POLLIN, 0}}};
        while (::poll(ends.data(), ends.size(), -1) > 0) {
            for (const std::size_t i : {0U, 1U}) {
                if (ends[i].revents == 0) {
                    continue;
                }
                const ::ssize_t got = ::read(ends[i].fd, buffer.data(), buffer.size());
                if (got <= 0) {
                    return;
                }
                bytes += i == 1 ? static_cast<std::uint64_t>(got) : 0;
                for (::ssize_t put = 0; put < got;) {
                    const ::ssize_t more =
                        ::send(ends[1 - i].fd, buffer.data() + put,
                               static_cast<std::size_t>(got - put), MSG_NOSIGNAL);
                    if (more < 0) {
                        return;
                    }
                    put += more;
                }
            }
        }
    }
    ::sockaddr_un address_{};
    base::Fd listener_;
    base::Fd worker_;
    std::thread thread_;
};

/// A worker on a thread.
class Host {
  public:
    explicit Host(std::string address, std::uint32_t slots = 2)
        : worker_(make(std::move(address), slots)), thread_([this] { worker_.run(); }) {}
    ~Host() {
        worker_.stop();
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    Worker& worker() { return worker_; }
    /// Waits until it has drained.
    void drain() {
        worker_.drain(20s, "test");
        thread_.join();
    }

  private:
    static Worker make(std::string address, std::uint32_t slots) {
        WorkerOptions options;
        options.listen = {std::move(address)};
        options.slots = slots;
        options.name = "host";
        auto worker = Worker::builder()
                          .options(std::move(options))
                          .function("add", [](int a, int b) { return a + b; })
                          .function("big", [](std::uint32_t n) { return std::string(n, 'b'); })
                          .function("wait",
                                    [](const std::stop_token& token) {
                                        while (!token.stop_requested()) {
                                            std::this_thread::sleep_for(1ms);
                                        }
                                    })
                          .build();
        EXPECT_TRUE(worker) << (worker ? "" : worker.error().sentence());
        return std::move(*worker);
    }
    Worker worker_;
    std::thread thread_;
};

class RemoteExecutorTest : public ::testing::Test {
  protected:
    RemoteExecutorTest() {
        char name[] = "/tmp/repartir-remote-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~RemoteExecutorTest() override {
        executor_.reset();
        std::filesystem::remove_all(folder_);
    }
    std::string at(const char* name) const { return "unix:" + folder_ + "/" + name; }
    void connect(std::vector<std::string> workers, RemoteOptions options = {}) {
        options.workers = std::move(workers);
        options.reattach = 300ms;
        options.reach = 500ms;
        executor_ = RemoteExecutor::connect(std::move(options)).value();
        executor_->observe(sink_);
    }
    void start(std::uint32_t element, const Task& task) {
        executor_->start({{{{1, 2, 3}}, element}, 1, 1, element}, task, sink_);
    }

    std::string folder_;
    Sink sink_;
    std::unique_ptr<RemoteExecutor> executor_;
};

TEST_F(RemoteExecutorTest, RunsProgramsOnAWorker) {
    Host host(at("w"));
    connect({at("w")});
    ASSERT_TRUE(sink_.until([](Sink& s) { return s.now_.running_slots == 2; }));
    const Task task = Task::binary("/bin/sh", "-c", "echo $0; cat; exit 4").stdin_bytes("hello");
    start(1, task);
    const AttemptResult result = sink_.result(1);
    EXPECT_EQ(result.attempt.ending, (Ending{End::exited, 4}));
    EXPECT_EQ(result.out.bytes(), "/bin/sh\nhello");
    EXPECT_EQ(result.attempt.where, "host/cpu");
}

TEST_F(RemoteExecutorTest, LargeOutputComesWholeAndSpills) {
    Host host(at("w"));
    connect({at("w")});
    const Task task = Task::binary("/bin/sh", "-c",
                                   "head -c 9000000 /dev/zero | tr '\\0' x; head -c 70000 "
                                   "/dev/zero >&2");
    start(1, task);
    const AttemptResult result = sink_.result(1);
    EXPECT_EQ(result.out.size(), 9'000'000U);
    EXPECT_FALSE(result.out.in_memory());
    EXPECT_EQ(result.out.read().value(), std::string(9'000'000, 'x'));
    EXPECT_EQ(result.err.size(), 70'000U);
    EXPECT_GT(executor_->capabilities().bytes_per_second, 1'000'000U) << "it was measured";
}

TEST_F(RemoteExecutorTest, ACallbackHearsOutputAsItComes) {
    Host host(at("w"));
    connect({at("w")});
    std::promise<void> heard;
    std::string out;
    const std::string fifo = folder_ + "/go";
    const Task task =
        Task::binary("/bin/sh", "-c", "mkfifo " + fifo + "; echo a; read x <" + fifo + "; echo b")
            .on_output([&](Stream, std::span<const char> text) {
                out.append(text.data(), text.size());
                if (out == "a\n") {
                    heard.set_value();
                }
            });
    start(1, task);
    ASSERT_EQ(heard.get_future().wait_for(20s), std::future_status::ready);
    std::thread([&] { std::ofstream(fifo) << "go\n"; }).join();
    EXPECT_TRUE(sink_.result(1).attempt.ending.ok());
    EXPECT_EQ(out, "a\nb\n");
}

TEST_F(RemoteExecutorTest, ManyTasksAndBytesInBothDirections) {
    Host first(at("a"));
    Host second(at("b"));
    connect({at("a"), at("b")});
    const Task task = Task::binary("/bin/sh", "-c", "cat; head -c 2000000 /dev/zero")
                          .stdin_bytes(std::string(100'000, 'i'));
    for (std::uint32_t i = 0; i < 100; ++i) {
        start(i, task);
    }
    for (std::uint32_t i = 0; i < 100; ++i) {
        EXPECT_EQ(sink_.result(i).out.size(), 2'100'000U);
    }
}

TEST_F(RemoteExecutorTest, WhatRunsIsCancelled) {
    Host host(at("w"));
    connect({at("w")});
    const Task task = Task::binary("/bin/sleep", "60");
    start(1, task);
    executor_->cancel({{{{1, 2, 3}}, 1}, 1, 1, 1}, CancelReason::cancelled, false);
    EXPECT_EQ(sink_.result(1).attempt.ending.end, End::cancelled);
}

TEST_F(RemoteExecutorTest, WhatALostWorkerHadIsTheMachinesFault) {
    auto host = std::make_unique<Host>(at("w"));
    connect({at("w")});
    const std::string mark = folder_ + "/mark";
    const Task task = Task::binary("/bin/sh", "-c", "touch " + mark + "; exec sleep 60");
    start(1, task);
    while (!std::filesystem::exists(mark)) {
        std::this_thread::yield();
    }
    host.reset();
    const AttemptResult result = sink_.result(1);
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_EQ(result.attempt.error->fault(), Fault::node);
    EXPECT_TRUE(sink_.until([](Sink& s) { return s.now_.unreachable.has_value(); }));
    EXPECT_NE(sink_.now_.unreachable->sentence().find("does not exist"), std::string::npos)
        << sink_.now_.unreachable->sentence();
    Host again(at("w"));  // and back
    EXPECT_TRUE(sink_.until([](Sink& s) { return !s.now_.unreachable && s.now_.slots > 0; }));
}

TEST_F(RemoteExecutorTest, CallsFunctions) {
    Host host(at("w"));
    connect({at("w")});
    const auto call = [&](std::string_view name, const std::string& arguments,
                          const CallOptions& options = {}) {
        const auto answer = std::make_shared<Answer>();
        executor_->call(name, arguments, options, answer);
        return answer->get();
    };
    const auto sum = call("add", detail::encode_arguments(40, 2));
    ASSERT_TRUE(sum) << sum.error().sentence();
    EXPECT_EQ(codec::decode<int>(*sum).value(), 42);
    EXPECT_EQ(call("big", detail::encode_arguments(std::uint32_t{3'000'000})).value().size(),
              3'000'004U);
    EXPECT_EQ(call("nobody", "").error().code(), Code::not_found);
    CallOptions hurried;
    hurried.timeout = 30ms;
    EXPECT_EQ(call("wait", "", hurried).error().code(), Code::timed_out);
}

TEST_F(RemoteExecutorTest, AValueThatIsTooLargeIsNotFetchedToItsEnd) {
    Host host(at("w"));
    Counter counter(folder_ + "/c", folder_ + "/w");
    RemoteOptions options;
    options.value_bytes_max = 1'000'000;
    options.compression = false;
    connect({at("c")}, options);
    const auto call = [&](std::uint32_t bytes) {
        const auto answer = std::make_shared<Answer>();
        executor_->call("big", detail::encode_arguments(bytes), {}, answer);
        return answer->get();
    };
    EXPECT_TRUE(call(999'990));
    const auto refused = call(30'000'000);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::too_large);
    EXPECT_NE(refused.error().sentence().find("'big' gave more than 1000000 bytes"),
              std::string::npos)
        << refused.error().sentence();
    host.drain();  // the worker ends when all it has to say is said
    EXPECT_LT(counter.bytes, 15'000'000U);
}

TEST_F(RemoteExecutorTest, AShortValueMayBeTooLargeToo) {
    Host host(at("w"));
    RemoteOptions options;
    options.value_bytes_max = 10;
    connect({at("w")}, options);
    const auto answer = std::make_shared<Answer>();
    executor_->call("big", detail::encode_arguments(std::uint32_t{100}), {}, answer);
    EXPECT_EQ(answer->get().error().code(), Code::too_large);
}

TEST_F(RemoteExecutorTest, ArgumentsThatFitNoMessageAreRefused) {
    Host host(at("w"));
    connect({at("w")});
    const auto large = std::make_shared<Answer>();
    executor_->call("add", std::string(20'000'000, 'x'), {}, large);
    const auto small = std::make_shared<Answer>();
    executor_->call("add", detail::encode_arguments(40, 2), {}, small);
    const auto refused = large->get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::too_large);
    EXPECT_TRUE(small->get());
    EXPECT_FALSE(executor_->accepts(Task::binary("wc").stdin_bytes(std::string(20'000'000, 'x'))));
}

TEST_F(RemoteExecutorTest, ACallThatIsCancelledEndsAtOnce) {
    Host host(at("w"));
    connect({at("w")});
    const auto answer = std::make_shared<Answer>();
    executor_->cancel(executor_->call("wait", "", {}, answer));
    EXPECT_EQ(answer->get().error().code(), Code::cancelled);
}

TEST_F(RemoteExecutorTest, ACallOutlivesItsWorker) {
    auto host = std::make_unique<Host>(at("w"));
    connect({at("w")});
    ASSERT_TRUE(sink_.until([](Sink& s) { return s.now_.slots > 0; }));
    const auto answer = std::make_shared<Answer>();
    CallOptions options;
    options.timeout = 1s;
    executor_->call("wait", "", options, answer);
    const auto quick = std::make_shared<Answer>();
    host.reset();
    host = std::make_unique<Host>(at("w"));
    executor_->call("add", detail::encode_arguments(1, 2), {}, quick);
    EXPECT_TRUE(quick->get());
    EXPECT_EQ(answer->get().error().code(), Code::timed_out);  // of its second try
}

TEST_F(RemoteExecutorTest, ShutdownTellsEverySink) {
    Host host(at("w"));
    connect({at("w")});
    const Task task = Task::binary("/bin/sleep", "60");
    start(1, task);
    const auto answer = std::make_shared<Answer>();
    executor_->call("wait", "", {}, answer);
    executor_->shutdown();
    EXPECT_EQ(sink_.result(1).attempt.ending.end, End::cancelled);
    EXPECT_EQ(answer->get().error().code(), Code::shut_down);
    start(2, task);
    EXPECT_EQ(sink_.result(2).attempt.ending.end, End::cancelled);
}

TEST_F(RemoteExecutorTest, WhatCannotLeaveThisMachineIsNotAccepted) {
    connect({at("w")});
    EXPECT_TRUE(executor_->accepts(Task::binary("true")));
    EXPECT_FALSE(executor_->accepts(Task::binary("cat").stdin_inherit()));
    EXPECT_FALSE(executor_->accepts(Task::binary("ls").stdout_to(Output::inherit)));
}

TEST_F(RemoteExecutorTest, ABadAddressIsOneSentence) {
    RemoteOptions options;
    EXPECT_EQ(RemoteExecutor::connect(options).error().code(), Code::invalid_argument);
    options.workers = {"host:99999"};
    EXPECT_NE(RemoteExecutor::connect(options).error().sentence().find("host:99999"),
              std::string::npos);
}

}  // namespace
}  // namespace repartir
