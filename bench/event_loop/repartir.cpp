// SPDX-License-Identifier: MIT
// The loop of src/loop.
#include <chrono>
#include <deque>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "bench/event_loop/problem.hpp"
#include "loop/loop.hpp"

namespace {

using repartir::base::BootTime;
using repartir::base::Fd;

class Reader final : public repartir::loop::Handler {
  public:
    explicit Reader(repartir::loop::Loop& loop) : loop_(loop) {}
    void on_event(std::uint32_t /*events*/) noexcept override {
        const ssize_t count = read(watched(), buffer_, sizeof buffer_);
        ++events;
        if (count == 0 || close_after_first) {
            const int fd = watched();
            loop_.remove(*this);
            close(fd);
        }
    }
    int events = 0;
    bool close_after_first = false;

  private:
    repartir::loop::Loop& loop_;
    char buffer_[4096];
};

class Alarm final : public repartir::loop::Timer {
  public:
    void on_timer(BootTime /*now*/) noexcept override {}
};

class Repartir {
  public:
    Repartir()
        : loop_(std::move(*repartir::loop::Loop::create())),
          out_(*loop_),
          err_(*loop_),
          process_(*loop_) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
            std::exit(1);
        }
        reader_ = Fd(ends[0]);
        writer_ = Fd(ends[1]);
        process_.close_after_first = true;
        for (Alarm& alarm : alarms_) {
            loop_->set(alarm,
                       repartir::base::now() + std::chrono::hours(1) + BootTime(spread_ += 7919));
        }
    }
    ~Repartir() {
        loop_->remove(out_);
        for (Alarm& alarm : alarms_) {
            loop_->cancel(alarm);
        }
    }
    bool watch() {
        const bool added = loop_->add(reader_.get(), EPOLLIN, out_).has_value();
        loop_->remove(out_);
        return added;
    }
    bool event() {
        if (!out_.watching() && !loop_->add(reader_.get(), EPOLLIN, out_)) {
            return false;
        }
        return write(writer_.get(), "x", 1) == 1 && loop_->run_once(BootTime(0)) == 1;
    }
    bool timer() {
        loop_->set(one_, loop_->now() + std::chrono::minutes(30) + BootTime(spread_ += 7919));
        loop_->cancel(one_);
        return true;
    }
    bool child() {
        const bench::event_loop::Child child = bench::event_loop::make_child();
        if (!loop_->add(child.out, EPOLLIN, out_) || !loop_->add(child.err, EPOLLIN, err_) ||
            !loop_->add(child.process, EPOLLIN, process_)) {
            return false;
        }
        while (out_.watching() || err_.watching() || process_.watching()) {
            loop_->run_once(repartir::base::never);
        }
        return true;
    }

  private:
    std::unique_ptr<repartir::loop::Loop> loop_;
    Reader out_, err_, process_;
    Fd reader_, writer_;
    std::int64_t spread_ = 0;
    Alarm one_;
    std::deque<Alarm> alarms_{bench::event_loop::armed_timers};
};

}  // namespace

int main(int argc, char** argv) { return bench::event_loop::run<Repartir>(argc, argv, "repartir"); }
