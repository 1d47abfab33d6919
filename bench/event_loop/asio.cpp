// SPDX-License-Identifier: MIT
// Standalone asio, as Debian ships it: one io_context on one thread, told so (concurrency hint 1).
#define ASIO_NO_DEPRECATED
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>

#include "bench/event_loop/problem.hpp"

namespace {

using namespace std::chrono_literals;
using Descriptor = asio::posix::stream_descriptor;

class Asio {
  public:
    Asio() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
            std::exit(1);
        }
        reader_.assign(ends[0]);
        writer_ = ends[1];
        for (int i = 0; i < bench::event_loop::armed_timers; ++i) {
            asio::steady_timer& alarm = alarms_.emplace_back(context_);
            alarm.expires_after(1h + std::chrono::nanoseconds(spread_ += 7919));
            alarm.async_wait([](const asio::error_code&) {});
        }
    }
    ~Asio() { close(writer_); }
    Asio(const Asio&) = delete;
    Asio& operator=(const Asio&) = delete;

    bool watch() {
        const int fd = reader_.release();
        reader_.assign(fd);
        return true;
    }
    bool event() {
        bool called = false;
        reader_.async_read_some(asio::buffer(buffer_),
                                [&](const asio::error_code&, std::size_t) { called = true; });
        if (write(writer_, "x", 1) != 1) {
            return false;
        }
        while (!called) {
            context_.poll_one();
        }
        return true;
    }
    bool timer() {
        one_.expires_after(30min + std::chrono::nanoseconds(spread_ += 7919));
        one_.async_wait([](const asio::error_code&) {});
        one_.cancel();
        return context_.poll_one() == 1;
    }
    bool child() {
        const bench::event_loop::Child child = bench::event_loop::make_child();
        Descriptor out(context_, child.out);
        Descriptor err(context_, child.err);
        Descriptor process(context_, child.process);
        open_ = 3;
        read(out);
        read(err);
        process.async_wait(Descriptor::wait_read, [&](const asio::error_code&) {
            process.close();
            --open_;
        });
        while (open_ > 0) {
            context_.run_one();
        }
        return true;
    }

  private:
    void read(Descriptor& from) {
        from.async_read_some(asio::buffer(buffer_),
                             [this, &from](const asio::error_code& error, std::size_t) {
                                 if (error) {
                                     from.close();
                                     --open_;
                                 } else {
                                     read(from);
                                 }
                             });
    }

    asio::io_context context_{1};
    Descriptor reader_{context_};
    int writer_ = -1;
    int open_ = 0;
    char buffer_[4096];
    std::int64_t spread_ = 0;
    asio::steady_timer one_{context_};
    std::deque<asio::steady_timer> alarms_;
};

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception of asio may end a benchmark
int main(int argc, char** argv) { return bench::event_loop::run<Asio>(argc, argv, "asio"); }
