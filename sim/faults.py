#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants faults in copies of the pure sources, and shows that the simulator finds each.

usage: faults.py plant SOURCE_ROOT OUTPUT_DIR
       faults.py check PROGRAM [SEEDS]

Each fault replaces one piece of code by another; repartir-sim-faulty is built from the copies and
takes the number of the one to show from REPARTIR_FAULT. A piece that is not found exactly once is
an error, so that this table cannot rot. `check` runs it with each fault, which must be found within
SEEDS seeds (200), and without any, which must find nothing. Standard library only.
"""
import os
import pathlib
import subprocess
import sys

# name, file, what stands there, what stands there when the fault is planted
FAULTS = [
    ("a client accepts a result of an attempt that is not current", "src/client/tasks.cpp",
     "entry != nullptr && Attempts::same(entry->first, lease) ? entry : nullptr",
     "[&]() -> Entry* { for (const auto& one : workers_[worker].here.all()) { "
     "if (one.second->first.task == lease.task) { return one.second; } } "
     "return nullptr; }()"),
    ("a client forgets the tasks of a worker that was lost", "src/client/reactor.cpp",
     "worker.link != Link::up && now_ >= worker.lost_at",
     "false"),
    ("the end of an attempt is told twice", "src/client/tasks.cpp",
     "++stats_.finished;",
     "++stats_.finished; out.push_back(finished);"),
    ("a worker does not send its results again on a new connection", "src/worker/reactor.cpp",
     "held.result_sent = false;",
     "held.result_sent = held.result_sent;"),
    ("a retry is forgotten", "src/core/attempt.cpp",
     "return budget_.book(attempt, policy, random);",
     "return random.below(4) == 0 ? std::nullopt : budget_.book(attempt, policy, random);"),
    ("a slot is not given back", "src/worker/attempts.cpp",
     "release(id, held->demand, busy);",
     "if (id.task.element % 8 != 0) { release(id, held->demand, busy); }"),
    ("a client acknowledges nothing", "src/client/tasks.cpp",
     "worker.seen.push_back(result->sequence);",
     ";"),
    ("a silent worker is never given up", "src/core/detector.cpp",
     "health_ != Health::dead && now >= last_ + 2 * timeout()",
     "false"),
    ("credit is not given back", "src/worker/attempts.cpp",
     "owners_.erase(id);\n    session.tasks.freed(1);",
     "owners_.erase(id);"),
    ("what a worker that came back lacks is not sent again", "src/client/tasks.cpp",
     "there.contains(leased(*entry))",
     "true"),
    ("what a worker gave back is forgotten", "src/client/reclaim.cpp",
     "wait_again(*entry);",
     "held.at.reset();"),
    ("output begins in the middle after a reconnection", "src/worker/reactor.cpp",
     "flow.sent = 0;",
     "flow.sent = flow.sent;"),
    ("a worker does not say that a disk lost what it kept", "src/worker/output.cpp",
     "stream.lost + stream.bytes - flow.known",
     "stream.lost"),
    ("a client that vanished is never forgotten", "src/worker/reactor.cpp",
     "session.connection == 0 && now - session.gone_since >= session.time_to_live",
     "false"),
    ("a slot of a client that vanished is not given back", "src/worker/attempts.cpp",
     "release(id, orphan->second, busy);",
     ";"),
    ("what a drain cuts off counts as cancelled", "src/worker/attempts.cpp",
     "held->returned",
     "false"),
    ("a client grants no more credit for output", "src/client/tasks.cpp",
     "worker.output.freed(piece->bytes.size());",
     ";"),
    ("a result overtakes the output that it follows", "src/worker/output.cpp",
     "through = false;",
     ";"),
]


def planted(number, old, new):
    """Code that does the one or the other."""
    if old.rstrip().endswith(";"):
        return f"if (::repartir_planted({number})) {{ {new} }} else {{ {old} }}"
    return f"(::repartir_planted({number}) ? ({new}) : ({old}))"


def plant(root, out):
    """Writes the copies."""
    texts = {}
    for number, (name, file, old, new) in enumerate(FAULTS, 1):
        text = texts.get(file) or (root / file).read_text()
        found = text.count(old)
        if found != 1:
            sys.exit(f"faults.py: fault {number} ({name}): its piece stands {found} times "
                     f"in {file}")
        texts[file] = text.replace(old, planted(number, old, new))
    for file, text in texts.items():
        copy = out / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = "extern bool repartir_planted(int number);\n" + text
        if not copy.exists() or copy.read_text() != text:
            copy.write_text(text)


def check(program, seeds):
    """Returns how many faults were not found, or found where none is."""
    missed = 0
    for number in range(len(FAULTS) + 1):
        name = FAULTS[number - 1][0] if number else "no fault"
        done = subprocess.run([program, "--seeds", seeds, "--stop", "--terse"],
                              capture_output=True, text=True,
                              env={**os.environ, "REPARTIR_FAULT": str(number)}, timeout=600)
        right = done.returncode == (1 if number else 0)
        missed += not right
        lines = done.stdout.splitlines() or [f"ended with {done.returncode}"]
        print(f"{'ok    ' if right else 'MISSED'} {name}: {' '.join(map(str.strip, lines[:2]))}")
    print(f"{len(FAULTS) + 1 - missed} passed, {missed} failed")
    return missed


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "plant":
        plant(*map(pathlib.Path, sys.argv[2:]))
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "check":
        sys.exit(check(sys.argv[2], (sys.argv[3:] or ["200"])[0]) != 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
