#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kompute, from Python: sequences that are recorded once and evaluated again and again. It runs the
same SPIR-V as the others, and prints the same line of JSON (problem.hpp says what the modes are).
The first argument is the folder of the SPIR-V."""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

import kp

WARM_UP_NS = 30_000_000
MEASURE_NS = 150_000_000
ROUNDS_MIN = 5
ROUNDS_MAX = 5000
ROW = 32_768


class Side:
    """What rounds of a mode need. An algorithm has to have a tensor, so the empty kernel has one
    that it does not use."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.manager = kp.Manager()
        self.given = self.made = self.sequence = None

    def prepare(self, mode, count):
        """Makes and records."""
        code = (self.folder / f"{'twice' if mode == 'trip' else 'nothing'}.spv").read_bytes()
        self.sequence = self.manager.sequence()
        if mode == "trip":
            numbers = count // 4
            self.given = self.manager.tensor([float(i % 16 - 8) for i in range(numbers)])
            self.made = self.manager.tensor([0.0] * numbers)
            groups = max(1, numbers // 64)
            size = (min(groups, ROW), max(1, groups // ROW), 1)
            work = self.manager.algorithm([self.given, self.made], code, size)
            self.sequence.record(kp.OpTensorSyncDevice([self.given]))
            self.sequence.record(kp.OpAlgoDispatch(work))
            self.sequence.record(kp.OpTensorSyncLocal([self.made]))
            return
        work = self.manager.algorithm([self.manager.tensor([0.0])], code, (1, 1, 1))
        for _ in range(count if mode == "many" else 1):
            self.sequence.record(kp.OpAlgoDispatch(work))

    def rounds(self, mode, least_ns, least):
        """Their times, and whether what came out of each was right."""
        times, correct, number = [], True, 0
        given, made = (self.given.data(), self.made.data()) if mode == "trip" else (None, None)
        begin = time.perf_counter_ns()
        while (correct and len(times) < ROUNDS_MAX
               and (len(times) < least or time.perf_counter_ns() - begin < least_ns)):
            number = (number + 1) % 4096
            if mode == "trip":
                given[0], given[-1] = number, number + 1
            called = time.perf_counter_ns()
            self.sequence.eval()
            times.append(time.perf_counter_ns() - called)
            if mode == "trip":
                correct = made[0] == 2 * number and made[-1] == 2 * (number + 1)
        return times, correct

    def right(self):
        """All of the last trip's result."""
        return bool((self.made.data() == 2 * self.given.data()).all())


def main():
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--mode", required=True)
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    if options.mode == "first":
        os.execv(sys.executable, [sys.executable, __file__, options.folder, "--mode",
                                  "first_timed", "--count", str(time.monotonic_ns())])
    side = Side(options.folder)
    side.prepare("trip", 1024)
    times, correct = side.rounds("trip", 0, 1)
    correct = correct and side.right()
    if options.mode == "first_timed":
        times = [time.monotonic_ns() - options.count]
    elif options.mode != "probe":
        side.prepare(options.mode, options.count)
        side.rounds(options.mode, WARM_UP_NS, 2)
        times, fine = side.rounds(options.mode, MEASURE_NS, ROUNDS_MIN)
        correct = correct and fine and (options.mode != "trip" or side.right())
    figures = {"problem": "gpu", "implementation": "kompute", "mode": options.mode,
               "items": len(times), "round_p50_ns": statistics.median(times),
               "round_p99_ns": sorted(times)[len(times) * 99 // 100], "correct": correct}
    if options.mode == "many":
        figures["ns_per_item"] = figures["round_p50_ns"] / options.count
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
