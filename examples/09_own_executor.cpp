// SPDX-License-Identifier: MIT
// The low-level API: an Executor of one's own behind the same Task, Pending and Outcome. This one
// runs no program at all: on a thread of its own it answers with the task's arguments in reverse
// order.
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <repartir/repartir.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using repartir::AttemptId;
using repartir::AttemptResult;
using repartir::AttemptSink;
using repartir::Task;

class Reverser final : public repartir::Executor {
  public:
    Reverser() : thread_([this] { serve(); }) {}
    ~Reverser() override { Reverser::shutdown(); }

    [[nodiscard]] repartir::Capabilities capabilities() const override {
        repartir::Capabilities mine;
        mine.backend = repartir::Backend::remote;
        mine.slots = 1;
        mine.description = "a thread that reverses arguments";
        return mine;
    }

    // Never calls the sink from here: only the thread does.
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override {
        const std::lock_guard lock(mutex_);
        waiting_.push_back({id, task.program().argv(), &sink, false});
        changed_.notify_one();
    }

    void cancel(const AttemptId& id, repartir::CancelReason /*reason*/, bool /*force*/) override {
        const std::lock_guard lock(mutex_);
        for (Order& order : waiting_) {
            order.cancelled = order.cancelled || order.id == id;
        }
    }

    void shutdown() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
            for (Order& order : waiting_) {
                order.cancelled = true;
            }
            changed_.notify_one();
        }
        if (thread_.joinable()) {
            thread_.join();  // every sink has been told by then
        }
    }

  private:
    struct Order {
        AttemptId id;
        std::vector<std::string> words;
        AttemptSink* sink;
        bool cancelled;
    };

    void serve() {
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty()) {
                return;
            }
            Order order = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();  // the sink may call start() again
            order.sink->finished(order.id, answer(order));
            lock.lock();
        }
    }

    static AttemptResult answer(const Order& order) {
        AttemptResult result;
        result.attempt.started = std::chrono::system_clock::now();
        result.attempt.where = "reverser";
        result.attempt.ending.end =
            order.cancelled ? repartir::End::cancelled : repartir::End::exited;
        std::string text;
        for (std::size_t i = order.words.size(); i > 1; --i) {
            text += order.words[i - 1] + (i > 2 ? " " : "\n");
        }
        result.out = repartir::Captured(std::move(text));
        return result;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Order> waiting_;  // guarded by mutex_
    bool ending_ = false;        // guarded by mutex_
    std::thread thread_;
};

}  // namespace

int main() {
    auto scheduler = repartir::Scheduler::create({});
    if (!scheduler ||
        !scheduler->register_backend(repartir::Backend::remote, std::make_unique<Reverser>())) {
        std::fputs("no scheduler\n", stderr);
        return 1;
    }
    auto pending = scheduler->schedule(
        Task::binary("reverse", "world", "hello").backend(repartir::Backend::remote));
    const auto outcome = std::move(pending).get();
    if (!outcome || !outcome->ok()) {
        return 1;
    }
    std::printf("%s(by %s)\n", outcome->out.bytes().c_str(), outcome->last().where.c_str());
    return 0;
}
