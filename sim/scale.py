#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what the control plane costs as workers are added, and keeps it as figures.

usage: scale.py PROGRAM [--tasks N] [--rounds N] [--json FILE] [--doc FILE] [--plot FILE]

PROGRAM (repartir-sim-scale) simulates one client with 10, 100 and 1,000 workers, each of which
runs N tasks (1,000,000), and 2,000 that idle. The rounds (3) are interleaved; of each figure the
least is kept, since what disturbs a measurement only adds to it. --doc replaces what stands between
the lines "<!-- scale -->" and "<!-- /scale -->"; --plot writes an SVG. Standard library only.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

WORKERS = (10, 100, 1000)
IDLE = 2000


def measure(program, workers, tasks):
    done = subprocess.run([program, str(workers), str(tasks)], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def least(rounds):
    """Returns of each figure the least of all rounds."""
    return {key: min(one[key] for one in rounds) for key in rounds[0]}


def client(figures):
    return figures["client_ns_per_task"]


def worker(figures):
    return figures["worker_ns_per_task"]


def both(figures):
    return client(figures) + worker(figures)


def table(figures, idle):
    base = figures[0]
    lines = ["| workers | a task, us | x 10 workers | of it client, us | x 10 workers | "
             "worker, us | x 10 workers | client, bytes a queued task | client, bytes a worker | "
             "idle: client, us a second |",
             "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for one in figures:
        costs = "".join(f"{cost(one) / 1000:.2f} | {cost(one) / cost(base):.2f} | "
                        for cost in (both, client, worker))
        lines.append(
            f"| {one['workers']:,} | {costs}"
            f"{one['client_bytes_per_task']:,} | {one['client_bytes_per_worker']:,} | "
            f"{one['idle_client_us_per_s']:,.0f} |")
    lines.append("")
    lines.append(f"{figures[0]['tasks']:,} tasks each. {IDLE:,} workers that idle cost the client "
                 f"{idle['idle_client_us_per_s']:,.0f} us a second, "
                 f"{idle['idle_client_us_per_s'] / 10_000:.2f}% of a core.")
    return "\n".join(lines)


def plot(figures):
    """Returns an SVG: the cost of a task on either side, by the number of workers."""
    width, height, left, bottom, top = 560, 300, 60, 250, 30
    most = max(both(one) for one in figures) / 1000
    place = {one["workers"]: left + 60 + 170 * i for i, one in enumerate(figures)}
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="{left}" y="18">CPU time of the control plane, us a task</text>']
    step = max(1, round(most / 4))
    for value in range(0, int(most) + step + 1, step):
        y = bottom - (bottom - top) * value / (most * 1.1)
        if y >= top:
            parts.append(f'<path d="M{left} {y:.1f}H{width - 20}" stroke="#ddd"/>'
                         f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    for key, colour, name, shift in (("client_ns_per_task", "#1f6fb4", "client", 0),
                                     ("worker_ns_per_task", "#e08214", "worker", 52)):
        for one in figures:
            value = one[key] / 1000
            tall = (bottom - top) * value / (most * 1.1)
            x = place[one["workers"]] + shift
            parts.append(f'<rect x="{x}" y="{bottom - tall:.1f}" width="44" height="{tall:.1f}" '
                         f'fill="{colour}"/><text x="{x + 22}" y="{bottom - tall - 5:.1f}" '
                         f'text-anchor="middle">{value:.1f}</text>')
        parts.append(f'<rect x="{width - 180 + 1.6 * shift:.0f}" y="8" width="12" height="12" '
                     f'fill="{colour}"/><text x="{width - 162 + 1.6 * shift:.0f}" y="18">{name}'
                     "</text>")
    for one in figures:
        parts.append(f'<text x="{place[one["workers"]] + 48}" y="{bottom + 20}" '
                     f'text-anchor="middle">{one["workers"]:,} workers</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--doc", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        rounds.append([measure(options.program, workers, options.tasks) for workers in WORKERS])
        rounds[-1].append(measure(options.program, IDLE, 1))
        print(f"round {number + 1}: "
              + ", ".join(f"{one['workers']}: {one['client_ns_per_task']:.0f} ns client, "
                          f"{one['worker_ns_per_task']:.0f} ns worker" for one in rounds[-1][:-1]),
              file=sys.stderr)
    *figures, idle = [least(column) for column in zip(*rounds, strict=True)]
    print(table(figures, idle))
    if options.json:
        options.json.write_text(json.dumps({"rounds": rounds, "least": [*figures, idle]}, indent=1)
                                + "\n")
    if options.plot:
        options.plot.write_text(plot(figures))
    if options.doc:
        text = options.doc.read_text()
        new = re.sub(r"(?s)(<!-- scale -->\n).*?(<!-- /scale -->)",
                     lambda match: match[1] + "\n" + table(figures, idle) + "\n\n" + match[2], text)
        options.doc.write_text(new)


if __name__ == "__main__":
    main()
