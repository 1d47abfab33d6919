#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks: ours and each peer's, interleaved, with ratios, intervals and verdicts.

    ./dev bench [PROBLEM...] [--only TEXT] [--pairs N] [--json FILE] [--compare OLD.json]

Exit status: 0 measured; 1 a result was wrong or --compare found a regression; 2 usage.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import cases
import gpu_cases
import instructions
import remote_cases
import report
import stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_S = 600


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="Benchmarks Repartir beside its peers, interleaved.")
    parser.add_argument("problems", nargs="*", metavar="PROBLEM",
                        help="which problems (default: all); --list names them")
    parser.add_argument("--pairs", type=int, default=0,
                        help="rounds per case (default: the case's own)")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="of those, the cases that have this in their name")
    parser.add_argument("--tasks", type=int, default=2000,
                        help="programs per round of the process problems (default 2000)")
    parser.add_argument("--json", type=pathlib.Path, help="keep the results in this file too")
    parser.add_argument("--compare", type=pathlib.Path,
                        help="flag what is over 10%% worse than there")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench",
                        help="build directory of the bench preset")
    parser.add_argument("--list", action="store_true", help="name the problems and end")
    return parser.parse_args()


def run_once(contestant):
    """Runs a contestant once. Returns its figures, or raises RuntimeError with the reason."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    stdin = open(contestant.stdin_path, "rb") if contestant.stdin_path else subprocess.DEVNULL
    child = subprocess.Popen(contestant.command, stdin=stdin, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
    if contestant.stdin_path:
        stdin.close()
    try:
        out, err = child.communicate(timeout=TIMEOUT_S)
    finally:
        end_group(child)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    name = " ".join(contestant.command[:4])
    if child.returncode != 0:
        raise RuntimeError(f"{name} ended with {child.returncode}: "
                           f"{err.decode(errors='replace')[-300:]}")
    if contestant.items == 0:
        figures = json.loads(out)
        if not figures["correct"]:
            raise RuntimeError(f"{name} gave a wrong result")
    else:
        if len(out) != contestant.output_bytes:
            raise RuntimeError(f"{name} wrote {len(out)} bytes, not {contestant.output_bytes}")
        figures = {"items": contestant.items, "ns_per_item": wall * 1e9 / contestant.items}
    items = figures.get("items", 1) or 1
    figures["cpu_ns_per_item"] = cpu * 1e9 / items
    figures["cpu_s"] = cpu
    return figures


def end_group(child):
    """Ends what a contestant, which leads a process group, has left running."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def machine_busy_s():
    """Seconds of CPU time that the whole machine has spent so far, idle and I/O wait left out."""
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run_case(case, pairs, progress):
    """Interleaves the contestants of a case. Returns series per contestant, and what went wrong."""
    series = {one.name: [] for one in case.contestants}
    errors = {}
    busy, begin, own = machine_busy_s(), time.monotonic(), 0.0
    for number in range(pairs):
        order = case.contestants if number % 2 == 0 else list(reversed(case.contestants))
        for one in order:
            if one.name in errors:
                continue
            progress(f"{case.id}  {number + 1}/{pairs}  {one.name}")
            try:
                figures = run_once(one)
                own += figures["cpu_s"]
                series[one.name].append(figures)
            except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                errors[one.name] = str(error)
    wall = max(time.monotonic() - begin, 1e-9)
    others = max(0.0, (machine_busy_s() - busy - own) / (wall * (os.cpu_count() or 1)))
    return series, errors, others


def summarise(case, series, errors, others, pairs):
    """Turns the series of a case into what is kept: samples of times, medians of the rest."""
    kept = {}
    for name, runs in series.items():
        if not runs or name in errors:
            continue
        numbers = {key for key, value in runs[0].items()
                   if isinstance(value, (int, float)) and not isinstance(value, bool)}
        medians = {key: statistics.median(run[key] for run in runs) for key in sorted(numbers)}
        kept[name] = {"medians": {key: round(value, 3) for key, value in medians.items()},
                      "samples": {key: [round(run[key], 3) for run in runs]
                                  for key in sorted(numbers) if key.startswith(("ns_", "cpu_ns_"))
                                  or key.endswith(("_p50_ns", "_p99_ns")) or key == case.metric
                                  or key in ("steals", "idle_cpu_ns", "steal_16_ns",
                                             "steal_64_ns", "core_share")}}
    return {"pairs": pairs, "why_pairs": case.why_pairs, "metric": case.metric,
            "others_share": round(others, 3), "contestants": kept, "errors": errors,
            "notes": {one.name: one.note for one in case.contestants if one.note}}


def describe_machine(peers):
    """What the figures were measured on."""
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(),
            "load_before": os.getloadavg()[0],
            "real_time": os.sched_getscheduler(0) != os.SCHED_OTHER,
            "commit": commit, "peers": peers["present"],
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def progress_line(text):
    """Shows what runs now, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text[:100]}")
        sys.stderr.flush()


def measure(arguments, catalogue, peers):
    """Runs all chosen cases. Returns the whole result document."""
    problems = {**catalogue.functions(), **catalogue.processes(),
                **remote_cases.problems(catalogue)}
    problems["gpu"] = problems["instructions"] = []  # found out when they are run
    if arguments.list:
        print("\n".join(problems))
        sys.exit(0)
    unknown = [name for name in arguments.problems if name not in problems]
    if unknown:
        print(f"unknown problem {unknown[0]}; there are: {', '.join(problems)}", file=sys.stderr)
        sys.exit(2)
    chosen = arguments.problems or list(problems)
    document = {"schema": 1, "machine": describe_machine(peers), "absent": catalogue.absent,
                "cases": {}}
    gpu = gpu_cases.Gpu(catalogue) if "gpu" in chosen else None
    if gpu:
        problems["gpu"] = gpu.cases()
        document["machine"]["gpu"] = gpu.device
    for problem in chosen:
        for case in (one for one in problems[problem] if arguments.only in one.id):
            pairs = arguments.pairs or case.pairs
            document["cases"][case.id] = summarise(
                case, *run_case(case, pairs, progress_line), pairs)
            progress_line("")
            print(report.case_line(case.id, document["cases"][case.id]), flush=True)
            if problem == "gpu":
                print(report.ratio_line(document["cases"][case.id]), flush=True)
    if "instructions" in chosen:
        counted = instructions.measure(arguments.build / "bench", catalogue.absent, progress_line)
        document["cases"].update(counted)
        progress_line("")
        for name, case in counted.items():
            print(report.case_line(name, case), flush=True)
    goals = json.loads((ROOT / "bench" / "goals.json").read_text())
    document["goals"] = report.judge(goals, {
        name: case for name, case in document["cases"].items()
        if not (name.startswith("gpu.") and gpu.on_cpu)}, catalogue.absent)
    return document


def main():
    """The program."""
    arguments = parse_arguments()
    peers_file = arguments.build / "bench" / "peers.json"
    if not peers_file.exists():
        print(f"{peers_file} is missing; build the benchmarks first: cmake --preset bench && "
              "cmake --build --preset bench", file=sys.stderr)
        return 2
    peers = json.loads(peers_file.read_text())
    with tempfile.TemporaryDirectory(prefix="repartir-bench-") as scratch:
        catalogue = cases.Catalogue(arguments.build / "bench", arguments.build / "bin" / "repartir",
                                    scratch, peers, arguments.tasks)
        document = measure(arguments, catalogue, peers)
    print(report.table(document))
    status = 1 if any(case["errors"] for case in document["cases"].values()) else 0
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.compare:
        old = json.loads(arguments.compare.read_text())
        lines, regressed = report.compare(old, document)
        print(lines)
        status = 1 if regressed else status
    return status


if __name__ == "__main__":
    sys.exit(main())
