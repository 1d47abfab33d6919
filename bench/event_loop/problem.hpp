// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What a task costs in the event loop, without the process itself.
///
/// Modes: `watch` adds and removes a descriptor; `event` writes a byte to a pipe and has it read by
/// a handler; `timer` sets and cancels one timer while 1,000 others are set; `child` is one child's
/// life: two pipes and a third descriptor (an eventfd in the pidfd's place) are made, watched, read
/// to their ends and closed. CPU time of the thread per operation, so that a busy machine matters
/// little.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bench/harness/harness.hpp"

namespace bench::event_loop {

inline constexpr int armed_timers = 1000;

/// The descriptors of one child; the writers have done their work: 64 bytes, then the end.
struct Child {
    int out = -1, err = -1, process = -1;
};

[[nodiscard]] inline Child make_child() {
    int out[2];
    int err[2];
    const int process = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (process < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0 ||
        pipe2(err, O_CLOEXEC | O_NONBLOCK) != 0) {
        std::perror("a child's descriptors");
        std::exit(1);
    }
    const char text[64] = {};
    keep(write(out[1], text, sizeof text));
    close(out[1]);
    close(err[1]);
    return {out[0], err[0], process};
}

/// Runs the mode that was asked for and reports. A contestant gives watch(), event(), timer() and
/// child(), each one operation, @return whether it went well.
template <class Contestant>
int run(int argc, char** argv, const char* implementation) {
    Options options = parse(argc, argv);
    if (options.count == 0) {
        options.count = 100'000;
    }
    Contestant contestant;
    const auto one = [&] {
        return options.mode == "watch"   ? contestant.watch()
               : options.mode == "event" ? contestant.event()
               : options.mode == "timer" ? contestant.timer()
                                         : contestant.child();
    };
    bool well = true;
    for (std::uint64_t i = 0; i < options.count / 10; ++i) {
        well = one() && well;
    }
    const std::uint64_t begin = thread_cpu_ns();
    for (std::uint64_t i = 0; i < options.count; ++i) {
        well = one() && well;
    }
    const auto spent = static_cast<double>(thread_cpu_ns() - begin);
    Report report("event_loop", implementation, options);
    report.add("items", static_cast<double>(options.count));
    report.add("ns_per_item", spent / static_cast<double>(options.count));
    return report.finish(well);
}

}  // namespace bench::event_loop
