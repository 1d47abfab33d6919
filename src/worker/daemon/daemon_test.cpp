// SPDX-License-Identifier: MIT
// A worker that serves, over a real socket, with real programs and functions.
#include "worker/daemon/daemon.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/connection.hpp"

namespace repartir::worker {
namespace {

using namespace std::literals;
using wire::MessageType;

AttemptId attempt(std::uint32_t element) { return {{{{7, 7, 7}}, element}, 1, 99, 1}; }

/// A client that keeps what it is told.
class Client final : public net::Connection::Owner {
  public:
    Client(loop::Loop& loop, const std::string& address, std::uint64_t session = 1)
        : scratch_(64UL * 1024),
          connection(loop, scratch_, static_cast<net::Connection::Owner&>(*this), {}),
          session_(session) {
        security_.plaintext = Plaintext::loopback;
        connection.dial(net::Address::parse(address).value(), security_);
    }
    void on_open(net::Connection& /*connection*/) noexcept override {
        wire::Hello hello;
        hello.session = {session_, session_};
        hello.epoch = 1;
        hello.heartbeat = 200ms;
        hello.time_to_live = 60s;
        hello.output_credit = output_credit;
        say(MessageType::hello, hello);
    }
    void on_message(net::Connection& /*connection*/,
                    const wire::Message& message) noexcept override {
        switch (message.type) {
            case MessageType::welcome:
                connection.admit(wire::version_max, false);
                tasks_max = wire::decode<wire::Welcome>(message.type, message.body)->task_credit;
                welcome = true;
                break;
            case MessageType::task_output: {
                const auto output = wire::decode<wire::TaskOutput>(message.type, message.body);
                std::string& stream = output->channel == wire::Channel::err ? err : out;
                EXPECT_EQ(output->offset, stream.size());
                stream += output->bytes;
                break;
            }
            case MessageType::task_result: {
                const auto result = wire::decode<wire::TaskResult>(message.type, message.body);
                endings[result->attempt.task.element] = result->report.ending;
                errors[result->attempt.task.element] =
                    result->report.error ? result->report.error->sentence : "";
                out += result->out.bytes;
                err += result->err.bytes;
                value = result->value.bytes;
                std::string list;
                const std::vector<std::uint64_t> seen{result->sequence};
                wire::Credit credit;
                credit.results = codec::list_of(std::span(seen), list);
                say(MessageType::credit, credit);
                break;
            }
            case MessageType::heartbeat:
                load = wire::decode<wire::Heartbeat>(message.type, message.body)->load_permille;
                ++beats;
                break;
            case MessageType::goodbye:
                goodbye = wire::decode<wire::Goodbye>(message.type, message.body)->reason;
                break;
            default:
                break;
        }
    }
    void on_drained(net::Connection& /*connection*/) noexcept override { connection.flush(); }
    void on_closed(net::Connection& /*connection*/, const Error* /*why*/) noexcept override {
        closed = true;
    }
    template <class T>
    void say(MessageType type, const T& message) {
        connection.send(type, ++correlation_, codec::encode(message));
        if (flushes) {
            connection.flush();
        }
    }
    void submit(std::uint32_t element, const Task& task, bool stream = false) {
        std::vector<std::string> tasks(1);
        wire::append_task(tasks[0], attempt(element), task, stream);
        say(MessageType::task_submit, codec::fields(std::span<const std::string>(tasks)));
    }
    void call(std::uint32_t element, std::string_view name, const std::string& arguments,
              std::chrono::milliseconds timeout = 0ms) {
        std::vector<std::string> tasks(1);
        wire::append_call(tasks[0], attempt(element), name, arguments, timeout, Priority::normal);
        say(MessageType::task_submit, codec::fields(std::span<const std::string>(tasks)));
    }
    /// Gives a sign of life: more than a moment without makes the worker hang up.
    Client& alive() {
        say(MessageType::heartbeat, wire::Heartbeat{});
        return *this;
    }
    void cancel(std::uint32_t element) {
        const std::vector<AttemptId> ids{attempt(element)};
        say(MessageType::task_cancel, codec::fields(std::span<const AttemptId>(ids), false));
    }

  private:
    std::vector<char> scratch_;
    net::Security security_;

  public:
    net::Connection connection;
    bool welcome = false;
    bool closed = false;
    bool flushes = true;  // each message
    std::uint64_t output_credit = 1U << 30U;
    int beats = 0;
    std::uint32_t load = 0;       // of the worker, permille
    std::uint32_t tasks_max = 0;  // that it takes
    std::string out, err, value, goodbye;
    std::map<std::uint32_t, Ending> endings;
    std::map<std::uint32_t, std::string> errors;

  private:
    std::uint64_t session_;
    std::uint64_t correlation_ = 0;
};

class DaemonTest : public ::testing::Test {
  protected:
    DaemonTest() {
        char name[] = "/tmp/repartir-daemon-test-XXXXXX";
        folder_ = ::mkdtemp(name);
        WorkerOptions options;
        options.listen = {"127.0.0.1:0"};
        options.security.plaintext = Plaintext::loopback;
        options.slots = 2;
        options.log = [this](LogLevel, std::string_view line) {
            const std::scoped_lock lock(mutex_);
            log_.append(line).append("\n");
        };
        options.heartbeat = 200ms;
        options.open_files = 123;
        options.tick_interval = 1ms;
        options.on_tick = [this] { ticks_.fetch_add(1); };
        FunctionTable functions;
        const auto add = [&](const char* called, auto function) {
            functions.emplace(called, detail::remote_function(called, std::move(function)));
        };
        add("add", [](int a, int b) { return a + b; });
        add("throw", [](const std::string& text) -> int { throw std::runtime_error(text); });
        add("big", [](std::uint32_t bytes) { return std::string(bytes, 'b'); });
        add("wait", [](const std::stop_token& token) {
            while (!token.stop_requested()) {
                std::this_thread::sleep_for(1ms);
            }
        });
        add("nap", [](std::uint32_t ms) { std::this_thread::sleep_for(ms * 1ms); });
        add("deaf", [this] {
            ++deaf_;
            release_.wait(false);
        });
        daemon = Daemon::create(std::move(options), std::move(functions)).value();
        thread_ = std::thread([this] { daemon->run(); });
    }
    ~DaemonTest() override {
        release_ = true;
        release_.notify_all();
        daemon->stop();
        thread_.join();
        std::filesystem::remove_all(folder_);
    }
    template <class Condition>
    [[nodiscard]] bool until(Condition condition) {
        const base::BootTime end = base::now() + 10s;
        while (!condition() && base::now() < end) {
            loop->run_once(10ms);
        }
        return condition();
    }
    std::unique_ptr<Client> client() {
        auto one = std::make_unique<Client>(*loop, daemon->addresses().at(0));
        EXPECT_TRUE(until([&] { return one->welcome; })) << log();
        return one;
    }

    /// @return what the worker has logged so far, on its own thread.
    [[nodiscard]] std::string log() const {
        const std::scoped_lock lock(mutex_);
        return log_;
    }

    std::string folder_;
    mutable std::mutex mutex_;
    std::string log_;
    std::atomic<int> ticks_{0};
    std::atomic<int> deaf_{0};          // calls of it
    std::atomic<bool> release_{false};  // what they wait for
    std::unique_ptr<loop::Loop> loop = loop::Loop::create().value();
    std::unique_ptr<Daemon> daemon;
    std::thread thread_;
};

TEST(DaemonSlots, AWorkerOfManySlotsTakesTasksForAllOfThem) {
    const std::unique_ptr<loop::Loop> loop = loop::Loop::create().value();
    for (const std::uint32_t slots : {2U, 1300U}) {
        WorkerOptions options;
        options.listen = {"127.0.0.1:0"};
        options.security.plaintext = Plaintext::loopback;
        options.slots = slots;
        const std::unique_ptr<Daemon> daemon = Daemon::create(std::move(options), {}).value();
        std::thread thread([&] { daemon->run(); });
        const Client guest(*loop, daemon->addresses().at(0));
        const base::BootTime end = base::now() + 10s;
        while (!guest.welcome && base::now() < end) {
            loop->run_once(10ms);
        }
        EXPECT_EQ(guest.tasks_max, slots == 2 ? 1024U : 2600U);
        daemon->stop();
        thread.join();
    }
}

TEST_F(DaemonTest, RunsAProgramAndReturnsWhatItWrote) {
    const auto guest = client();
    guest->submit(1, Task::binary("/bin/sh", "-c", "echo out; echo err >&2; exit 3"));
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->endings[1], (Ending{End::exited, 3}));
    EXPECT_EQ(guest->out, "out\n");
    EXPECT_EQ(guest->err, "err\n");
}

TEST_F(DaemonTest, ProgramsGetTheLimitOfOpenFilesThatIsMeantForThem) {
    const auto guest = client();
    guest->submit(1, Task::binary("/bin/sh", "-c", "ulimit -Sn"));
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->out, "123\n");
}

TEST_F(DaemonTest, OutputBeyondAResultComesInPieces) {
    const auto guest = client();
    guest->submit(1, Task::binary("/bin/sh", "-c", "head -c 5000000 /dev/zero"));
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->out, std::string(5'000'000, '\0'));
}

TEST_F(DaemonTest, OutputComesWhileTheProgramRuns) {
    const auto guest = client();
    const std::string fifo = folder_ + "/go";
    guest->submit(1,
                  Task::binary("/bin/sh", "-c",
                               "mkfifo " + fifo + "; echo first; read x <" + fifo + "; echo last"),
                  true);
    ASSERT_TRUE(until([&] { return guest->out == "first\n"; }));
    EXPECT_FALSE(guest->endings.contains(1));
    std::ofstream(fifo) << "go\n";
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->out, "first\nlast\n");
}

TEST_F(DaemonTest, AProgramWaitsWhileNobodyTakesWhatItStreams) {
    const auto guest = std::make_unique<Client>(*loop, daemon->addresses().at(0));
    guest->output_credit = 1'000'000;
    ASSERT_TRUE(until([&] { return guest->welcome; }));
    const std::string counted = folder_ + "/counted";
    guest->submit(
        1,
        Task::binary("/bin/sh", "-c",
                     "i=0; while [ $i -lt 400 ]; do head -c 100000 /dev/zero; i=$((i+1)); "
                     "echo $i >" +
                         counted + "; done"),
        true);
    guest->submit(2, Task::binary("/bin/sh", "-c", "sleep 1; echo other >&2"));
    ASSERT_TRUE(until([&] { return guest->alive().endings.contains(2); })) << "it alone waits";
    const auto pieces = [&] {
        int count = 0;
        std::ifstream(counted) >> count;
        return count;
    };
    EXPECT_EQ(guest->out.size(), 1'000'000U);
    const int before = pieces();
    EXPECT_GE(before, 40);
    EXPECT_LE(before, 60) << "what was taken, the window, and a pipe";
    wire::Credit credit;
    credit.output_bytes = 1U << 30U;
    guest->say(MessageType::credit, credit);
    ASSERT_TRUE(until([&] { return guest->alive().endings.contains(1); }));
    EXPECT_EQ(guest->endings[1], (Ending{End::exited, 0}));
    EXPECT_EQ(guest->out.size(), 40'000'000U);
}

TEST_F(DaemonTest, AProgramThatWaitsForAReaderIsCancelledTimedOutAndDrainedAsOthersAre) {
    const std::string said = folder_ + "/said";
    for (const std::string how : {"cancel", "timeout", "drain"}) {
        const auto guest = std::make_unique<Client>(*loop, daemon->addresses().at(0),
                                                    std::hash<std::string>()(how));
        guest->output_credit = 1'000;
        ASSERT_TRUE(until([&] { return guest->welcome; }));
        // Its last words find the pipe full, and are read.
        guest->submit(1,
                      Task::binary("/bin/sh", "-c",
                                   "trap 'head -c 200000 /dev/zero; echo >" + said +
                                       "; exit' TERM; yes & wait")
                          .kill_grace(60s)
                          .timeout(how == "timeout" ? 400ms : 0ms),
                      true);
        const base::BootTime end = base::now() + 500ms;
        ASSERT_TRUE(until([&] { return guest->alive().closed || base::now() >= end; }));
        if (how == "cancel") {
            guest->cancel(1);
        } else if (how == "drain") {
            daemon->drain(100ms, "test");
        }
        ASSERT_TRUE(until([&] { return guest->alive().closed || std::filesystem::exists(said); }));
        EXPECT_TRUE(std::filesystem::remove(said)) << how;
        wire::Credit credit;
        credit.output_bytes = 1U << 30U;
        guest->say(MessageType::credit, credit);
        ASSERT_TRUE(until([&] { return guest->alive().closed || guest->endings.contains(1); }));
        EXPECT_EQ(guest->closed, how == "drain") << log();
        if (how != "drain") {
            EXPECT_EQ(guest->endings[1].end, how == "cancel" ? End::cancelled : End::timed_out);
        }
    }
}

TEST_F(DaemonTest, CallsAFunction) {
    const auto guest = client();
    guest->call(1, "add", detail::encode_arguments(40, 2));
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->endings[1], (Ending{End::exited, 0}));
    EXPECT_EQ(codec::decode<int>(guest->value).value(), 42);
}

TEST_F(DaemonTest, AFunctionThatThrowsOrIsCalledWronglyIsAnErrorOfThatCallAlone) {
    const auto guest = client();
    guest->call(1, "throw", detail::encode_arguments("no luck"));
    guest->call(2, "add", "xx");
    guest->call(3, "nobody", "");
    guest->call(4, "add", detail::encode_arguments(1, 1));
    ASSERT_TRUE(until([&] { return guest->endings.size() == 4; }));
    EXPECT_NE(guest->errors[1].find("no luck"), std::string::npos);
    EXPECT_NE(guest->errors[2].find("arguments"), std::string::npos);
    EXPECT_NE(guest->errors[3].find("no function 'nobody'"), std::string::npos);
    EXPECT_TRUE(guest->endings[4].ok());
}

TEST_F(DaemonTest, ACallThatTakesMuchLongerThanTheOthersIsNoted) {
    const auto guest = client();
    for (std::uint32_t i = 1; i <= 4; ++i) {
        guest->call(i, "nap", detail::encode_arguments(std::uint32_t{i == 4 ? 1100U : 0U}));
        ASSERT_TRUE(until([&] { return guest->alive().endings.size() == i; }));
        EXPECT_EQ(log().find("event=overdue") != std::string::npos, i == 4) << i;
    }
    EXPECT_NE(log().find("event=overdue function=nap ran=\"1.1"), std::string::npos) << log();
}

TEST_F(DaemonTest, AFunctionMayGiveMoreThanAResultHolds) {
    const auto guest = client();
    guest->call(1, "big", detail::encode_arguments(std::uint32_t{1'000'000}));
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->out.size(), 1'000'004U);
}

TEST_F(DaemonTest, WhatRunsCanBeCancelledAndTimesOut) {
    const auto guest = client();
    guest->submit(1, Task::binary("/bin/sleep", "60"));
    guest->call(2, "wait", "");
    guest->call(3, "wait", "", 50ms);
    guest->submit(4, Task::binary("/bin/sleep", "60").timeout(50ms).kill_grace(0ms));
    guest->cancel(1);
    guest->cancel(2);
    ASSERT_TRUE(until([&] { return guest->endings.size() == 4; }));
    EXPECT_EQ(guest->endings[1].end, End::cancelled);
    EXPECT_EQ(guest->endings[2].end, End::cancelled);
    EXPECT_EQ(guest->endings[3].end, End::timed_out);
    EXPECT_EQ(guest->endings[4].end, End::timed_out);
}

TEST_F(DaemonTest, AFunctionThatDoesNotListenKeepsItsSlotUntilItReturns) {
    const auto guest = client();
    guest->call(1, "deaf", "");
    guest->call(2, "deaf", "", 50ms);
    ASSERT_TRUE(until([&] { return deaf_ == 2; }));
    guest->cancel(1);
    ASSERT_TRUE(until([&] { return guest->endings.size() == 2; }));
    const int beats = guest->beats;
    ASSERT_TRUE(until([&] { return guest->beats > beats + 1; }));
    EXPECT_EQ(guest->load, 1000U);
    release_ = true;
    release_.notify_all();
    EXPECT_TRUE(until([&] { return guest->load == 0; }));
}

TEST_F(DaemonTest, OutputThatFindsNoRoomSaysOnWhichWorker) {
    const auto guest = client();
    const Task task = Task::binary("head", "-c", "500000", "/dev/zero").spill_dir("/nonexistent");
    for (const std::uint32_t element : {1U, 2U, 3U}) {
        guest->out.clear();
        guest->submit(element,
                      element == 3 ? Task(task).spill_dir("").output_limit(100'000) : Task(task),
                      element == 2);
        ASSERT_TRUE(until([&] { return guest->endings.contains(element); }));
        EXPECT_EQ(guest->endings[element].end, End::output_lost);
        EXPECT_EQ(guest->errors[element].contains("on worker '"), element != 3);
    }
    EXPECT_TRUE(guest->errors[1].ends_with("in /nonexistent: No such file or directory"))
        << guest->errors[1];
    EXPECT_TRUE(guest->errors[3].contains("output limit")) << guest->errors[3];
}

TEST_F(DaemonTest, WhatNeedsTheSubmittersTerminalIsRefused) {
    const auto guest = client();
    guest->submit(1, Task::binary("cat").stdin_inherit());
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->endings[1].end, End::not_started);
    EXPECT_NE(guest->errors[1].find("terminal"), std::string::npos);
}

TEST_F(DaemonTest, WhatIsRefusedAndCancelledInOneBreathEndsOnce) {
    const auto guest = client();
    guest->flushes = false;  // the worker finds all of it at once
    guest->submit(1, Task::binary("cat").stdin_inherit());
    guest->cancel(1);
    guest->connection.flush();
    guest->flushes = true;
    ASSERT_TRUE(until([&] { return guest->endings.contains(1); }));
    EXPECT_EQ(guest->endings[1].end, End::not_started);
    guest->submit(2, Task::binary("true"));
    ASSERT_TRUE(until([&] { return guest->endings.contains(2); }));
    daemon->drain(10s, "test");
    ASSERT_TRUE(until([&] { return guest->closed; })) << log();
    EXPECT_NE(guest->goodbye.find("drained"), std::string::npos);
}

TEST_F(DaemonTest, AClientThatSubmitsWhatIsRefusedAndGoesHarmsNobody) {
    const auto guest = client();
    guest->flushes = false;
    guest->submit(1, Task::binary("cat").stdin_inherit());
    guest->say(MessageType::goodbye, wire::Goodbye{wire::Parting::done, "done"});
    guest->connection.flush();
    ASSERT_TRUE(until([&] { return guest->closed; })) << log();
    const auto other = std::make_unique<Client>(*loop, daemon->addresses().at(0), 2);
    ASSERT_TRUE(until([&] { return other->welcome; })) << log();
    other->submit(2, Task::binary("true"));
    ASSERT_TRUE(until([&] { return other->endings.contains(2); }));
    EXPECT_EQ(other->load, 0U);
    daemon->drain(10s, "test");
    ASSERT_TRUE(until([&] { return other->closed; })) << log();
}

TEST_F(DaemonTest, DrainingFinishesWhatRunsAndSaysGoodbye) {
    const auto guest = client();
    guest->submit(1, Task::binary("/bin/sh", "-c", "sleep 0.2; echo done"));
    ASSERT_TRUE(until([&] { return daemon != nullptr; }));
    loop->run_once(50ms);
    daemon->drain(10s, "test");
    ASSERT_TRUE(until([&] { return guest->closed; })) << log();
    EXPECT_EQ(guest->out, "done\n");
    EXPECT_NE(guest->goodbye.find("drained"), std::string::npos);
}

TEST_F(DaemonTest, GivesASignOfLifeUntilItsEndAlsoWhileItDrains) {
    const auto guest = client();
    ASSERT_TRUE(until([&] { return ticks_ >= 3; }));
    guest->submit(1, Task::binary("/bin/sleep", "60"));
    loop->run_once(50ms);
    daemon->drain(10s, "test");
    ASSERT_TRUE(until([&] { return log().contains("event=draining"); }));
    const int before = ticks_;
    ASSERT_TRUE(until([&] { return ticks_ >= before + 3; }));
}

TEST_F(DaemonTest, ASecondConnectionOfASessionFindsItsResults) {
    auto guest = client();
    guest->submit(1, Task::binary("/bin/sh", "-c", "sleep 0.2; echo late"));
    loop->run_once(50ms);
    guest.reset();
    const auto again = client();
    ASSERT_TRUE(until([&] { return again->endings.contains(1); })) << log();
    EXPECT_EQ(again->out, "late\n");
}

}  // namespace
}  // namespace repartir::worker
