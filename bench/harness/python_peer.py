# SPDX-License-Identifier: MIT
"""What the drivers of Python peers share: their options, and the line of JSON that they print."""
import argparse
import json
import statistics
import time


def parse():
    """The command line, as that of the C++ programs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--count", type=int, default=0, help="calls; 0: the driver's own")
    return parser.parse_args()


def measure(problem, implementation, options, counts, one, many):
    """Times one() again and again (mode latency) or many(count), after a warm-up of the same kind;
    counts has, for each mode, how many it makes unless it is told. Each returns whether all was
    right. Prints the figures."""
    count = options.count or counts[options.mode]
    figures = {"problem": problem, "implementation": implementation, "mode": options.mode,
               "items": count}
    latency = options.mode == "latency"
    warm_up = max(1, count // 20)
    correct = all([one() for _ in range(warm_up)]) if latency else many(warm_up)
    times = []
    begin = time.perf_counter_ns()
    if latency:
        for _ in range(count):
            sent = time.perf_counter_ns()
            correct = one() and correct
            times.append(time.perf_counter_ns() - sent)
    else:
        correct = many(count) and correct
    figures["ns_per_item"] = (time.perf_counter_ns() - begin) / count
    if latency:
        prefix = "call" if problem == "remote_call" else "latency"
        figures[f"{prefix}_p50_ns"] = statistics.median(times)
        figures[f"{prefix}_p99_ns"] = sorted(times)[count * 99 // 100]
    figures["correct"] = correct
    print(json.dumps(figures), flush=True)
