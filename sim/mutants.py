#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Disables each branch of the reactors in turn, and shows which of them some seed needs.

usage: mutants.py plant SOURCE_ROOT OUTPUT_DIR -- COMPILER_FLAG...
       mutants.py check PROGRAM MUTANTS.json [SEEDS] [--every N] [--units PROGRAM]
       [--jobs N] [--out FILE] [--again FILE]

`plant` writes copies of the sources in which every condition (each operand of && and || of its own)
can be forced to be true or false, and every case of a switch can be left out; one build has them
all, and takes the number of the one to force from REPARTIR_MUTANT. A condition is always evaluated,
then overruled: what it does goes on happening.

`check` runs seeds until one fails. A mutant that no seed finds survives; KEPT below names those
that are to, with the reason. It fails when more than SURVIVORS_MAX others survive. With --units,
what the seeds do not find is tried on that program, the rooms' unit tests: a second column, not an
excuse. --every N tries one mutant in N, for a quick look. --again takes what --out wrote, and tries
only those that no seed had found then.

Needs python3-clang-19 (libclang), which Debian's python3 finds.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

FILES = ["src/client/placing.cpp", "src/client/reactor.cpp", "src/client/reclaim.cpp",
         "src/client/tasks.cpp",
         "src/worker/attempts.cpp", "src/worker/output.cpp", "src/worker/reactor.cpp",
         "src/core/credit.cpp", "src/core/detector.cpp", "src/core/quarantine.cpp"]

# So many may survive: more than that fail. It only becomes less. (Seven are known to, of 600 seeds;
# the others are for what seeds of the same worlds find or not by chance.)
SURVIVORS_MAX = 12

# So many seeds, at most, are spent on those that are to survive.
KEPT_SEEDS = 200

# Why some are right to survive.
REASONS = {
    "implied": "what stands beside it is never otherwise then: no state can be told from another",
    "again": "what is there is put there again: only work is saved",
    "dead": "a detector that has seen its peer dead says so for ever, whatever else it keeps of it",
    "words": "it chooses the sentence, or the code, of an error: what is done about it is the same",
    "measure": "a number that is measured and weighed: how soon another one is told or suspected, "
               "or how many tasks wait at a worker for it, has no bound but those that hold for "
               "any number",
    "later": "the next heartbeat does it at the latest: what comes sooner saves room at the worker",
    "caller": "not of the reactor: who makes one asks how long its heartbeat is to be",
    "calls": "what carries a call has one core and no memory in it: wire::append_call writes none",
    "guard": "it does something only where something else is wrong: then no loop is without end",
    "nobody": "a client of no workers at all is made by nobody",
    "lent": "what could be lent to a message is copied into it: the same bytes are sent",
    "reborn": "a hello came to a worker that was started anew, and its welcome did not come back: "
              "then what is lost is only counted otherwise. A unit test tells",
    "bound": "it bounds what one call looks at, however many workers there are: no seed has as "
             "many",
    "spares": "it spares looking for what is mostly not there; who looks finds the same a little "
              "later, or what is worth little",
    "balance": "of several that may get it, who is to: one that has nothing to do then takes it "
               "from there at once",
    "turns": "a turn that nobody waits for goes to what is less urgent still, and that within what "
             "it may take",
    "window": "a worker is never handed a batch at once: the window (tasks_max) is smaller",
}

# Those: (file, text of the condition, forced to): which of the reasons.
KEPT = {
    **{("src/client/placing.cpp", what, "true"): reason for what, reason in (
        ("ours >= slots", "measure"), ("to_hand_out_", "again"),
        ("worker.welcomed", "implied"),  # who was never welcomed is not up and has nothing
        ("!std::exchange(worker.unsettled, true)", "again"),
        ("load != worker.load", "again"),
        ("others == worker.others_permille", "later"),
        ("worker.load == not_ready", "spares"),
        ("!best", "balance"), ("workers_[id].load < workers_[*best].load", "balance"),
        ("!std::exchange(workers_[id].kept, true)", "again"),
        ("put_first(*turn)", "again"),
        ("worker.counted_slots != slots", "again"),
        ("tasks.size() < wire::batch_max", "window"))},
    **{("src/client/placing.cpp", what, "false"): reason for what, reason in (
        ("others == worker.others_permille", "again"), ("busy == worker.busy", "again"),
        ("workers_[id].load < workers_[*best].load", "balance"),
        ("suits(workers_[able])", "spares"),
        ("lane->place().level != level", "turns"),
        ("set_aside_.any_of(place_of(held), kind)", "spares"),
        ("lane.passed()", "spares"))},
    **{("src/client/reactor.cpp", what, form): "caller" for form in ("true", "false")
       for what in ("many <= few", "wanted >= most")},
    **{("src/client/reactor.cpp", what, "false"): reason for what, reason in (
        ("goodbye", "words"),
        ("suspected", "later"),
        ("worker.wake <= now", "guard"),
        ("timers_.empty()", "nobody"),
        ("!stranded_.empty()", "later"),
        ("worker.output.is_due()", "later"),
        ("worker.quarantine.ask(now_) == core::Standing::quarantined", "later"),
        ("hear_load(worker, *beat)", "later"),
        ("(now == 0) != (told == 0)", "measure"),
        ("std::abs(now - told) > told / 8", "measure"),
        ("differs(now.window, told_.window)", "measure"),
        ("round_trip_.count() == 0", "measure"),
        ("beat->echo == worker.beat", "measure"),
        ("differs(now.round_trip.count(), told_.round_trip.count())", "measure"),
        ("differs(static_cast<std::int64_t>(now.bytes_per_second), "
         "static_cast<std::int64_t>(told_.bytes_per_second))", "measure"),
        ("beat->echo != 0", "measure"),
        ("worker.draining", "later"),
        ("worker.seen.size() >= results", "later"),
        ("worker.seen_bytes >= bytes", "later"),
        ("worker.seen.size() >= worker.tasks.left()", "later"))},
    **{("src/client/reactor.cpp", what, "true"): reason for what, reason in (
        ("wake != worker.wake", "again"),
        ("queued_before != worker.queued", "again"),
        ("suspected", "again"),
        ("worker.welcomed", "implied"),  # who was never welcomed has no name
        ("worker.incarnation == welcome->incarnation", "reborn"),
        ("!timers_.empty()", "nobody"),
        ("hear_load(worker, *beat)", "again"),
        ("round_trip_.count() == 0", "measure"),
        ("beat->echo != 0", "measure"),
        ("beat->echo == worker.beat", "measure"))},
    ("src/client/placing.cpp", "ours >= slots", "false"): "measure",
    ("src/client/tasks.cpp", "const auto sample = worker.throughput.arrived( piece->bytes.size(), "
     "piece->bytes.size() >= wire::output_piece_bytes_max, now_)", "false"): "measure",
    ("src/worker/output.cpp", "bytes != 0", "true"): "again",
    ("src/worker/output.cpp", "owner == nullptr", "true"): "lent",
    ("src/client/reclaim.cpp", "!std::exchange(worker.unmatched, true)", "true"): "again",
    ("src/client/reclaim.cpp", "!idle(*ready_.begin())", "false"): "spares",
    ("src/client/reclaim.cpp", "std::ranges::any_of(kinds, [&](const Kind& kind) "
     "{ return could(idle, kind); })", "true"): "spares",
    **{("src/client/reclaim.cpp", what, "false"): "again"
       for what in ("backlog == worker.backlog", "left == worker.left", "backlog == 0")},
    ("src/client/reclaim.cpp", "less(*ready_.begin())", "true"): "spares",
    **{("src/client/tasks.cpp", what, form): "words" for form in ("true", "false")
       for what in ("id < 3", "whom.empty()", "why.empty()", "silent", "worker.why.empty()",
                    "worker.taken", "worker.link == Link::dialling",
                    "worker.link == Link::greeting")},
    ("src/client/tasks.cpp", "told", "false"): "words",
    ("src/client/tasks.cpp", "id < workers_.size()", "false"): "words",
    **{("src/worker/attempts.cpp", what, "false"): reason for what, reason in (
        ("!whole", "words"), ("!fresh", "words"),
        ("held.demand.cores != 1", "calls"), ("held.demand.memory_bytes != 0", "calls"))},
    ("src/worker/attempts.cpp", "!fresh", "true"): "words",
    ("src/worker/attempts.cpp", "tasks", "true"): "words",
    ("src/worker/attempts.cpp", "first", "true"): "measure",
    **{("src/core/credit.cpp", what, form): "measure" for form in ("true", "false")
       for what in ("round_trip_ < least", "run_ < least / 10", "run_ < base::BootTime(0)")},
    **{("src/core/detector.cpp", what, form): "measure" for form in ("true", "false")
       for what in ("off < base::BootTime(0)", "gap >= patience_.interval / 2")},
    **{("src/core/detector.cpp", what, form): reason for what, form, reason in (
        ("health_ != Health::dead", "true", "dead"),
        ("ask(now) == Health::dead", "false", "dead"))},
}

PRELUDE = "extern bool repartir_forced(int number, bool value);\n#line 1\n"


class Source:
    """One file, and where what is to be inserted into it."""

    def __init__(self, root, file, flags, mutants):
        import clang.cindex as ci
        self.kinds = ci.CursorKind
        self.file, self.mutants = file, mutants
        self.path = str(root / file)
        self.bytes = (root / file).read_bytes()
        self.inserts = []  # (offset, order, text)
        self.done = set()
        unit = ci.Index.create().parse(self.path, args=[*flags, "-x", "c++"])
        errors = [d for d in unit.diagnostics if d.severity >= 3]
        if errors:
            sys.exit(f"mutants.py: {file}: {errors[0]}")
        for child in unit.cursor.get_children():
            if child.location.file and child.location.file.name == self.path:
                self.walk(child)

    def text(self, begin, end):
        return self.bytes[begin:end].decode()

    def number(self, cursor, what, forms):
        for form in forms:
            self.mutants.append({"file": self.file, "line": cursor.extent.start.line,
                                 "what": re.sub(r"\s+", " ", what), "form": form})
        return len(self.mutants) - len(forms)

    def force(self, cursor):
        """Makes a condition, or the operands of one, overrulable."""
        kind, kids = cursor.kind, list(cursor.get_children())
        begin, end = cursor.extent.start.offset, cursor.extent.end.offset
        if (begin, end) in self.done:
            return
        self.done.add((begin, end))
        inner = kind == self.kinds.PAREN_EXPR or (  # or what is converted to bool
            kind == self.kinds.UNEXPOSED_EXPR and len(kids) == 1 and
            (kids[0].kind == self.kinds.PAREN_EXPR or self.joins(kids[0])))
        if inner:
            self.done.discard((kids[0].extent.start.offset, kids[0].extent.end.offset))
            self.force(kids[0])
            return
        if self.joins(cursor):
            for kid in kids:
                self.force(kid)
            return
        if self.text(begin, end) in ("true", "false"):
            return
        at = self.number(cursor, self.text(begin, end), ["true", "false"])
        self.inserts.append((begin, 1, f"::repartir_forced({at}, static_cast<bool>("))
        self.inserts.append((end, -1, "))"))

    def joins(self, cursor):
        kids = list(cursor.get_children())
        if cursor.kind != self.kinds.BINARY_OPERATOR or len(kids) != 2:
            return False
        between = self.text(kids[0].extent.end.offset, kids[1].extent.start.offset)
        return between.strip(" \n()") in ("&&", "||")

    def walk(self, cursor):
        kids = list(cursor.get_children())
        kind = cursor.kind
        if kind in (self.kinds.IF_STMT, self.kinds.WHILE_STMT):
            self.condition(cursor, kids)
        elif kind == self.kinds.CONDITIONAL_OPERATOR:
            self.force(kids[0])
        elif self.joins(cursor):
            self.force(cursor)
        elif kind == self.kinds.CASE_STMT:
            body = kids[-1]
            if body.kind != self.kinds.CASE_STMT:
                at = self.number(cursor, "case " + self.text(
                    kids[0].extent.start.offset, kids[0].extent.end.offset), ["left out"])
                self.inserts.append((body.extent.start.offset, 0,
                                     f"if (::repartir_forced({at}, false)) {{ break; }} "))
        for kid in kids:
            self.walk(kid)

    def condition(self, cursor, kids):
        first = kids[0]
        if first.kind == self.kinds.DECL_STMT:  # if (x = ...; condition)
            first = kids[1]
        if first.kind == self.kinds.VAR_DECL:  # if (x = ...): the value of x
            at = self.number(cursor, self.text(first.extent.start.offset, first.extent.end.offset),
                             ["true", "false"])
            self.inserts.append((first.extent.end.offset, 0, f"; ::repartir_forced({at}, "
                                 f"static_cast<bool>({first.spelling}))"))
        else:
            self.force(first)

    def rewritten(self):
        out, last = b"", 0
        for offset, _, text in sorted(self.inserts):
            out += self.bytes[last:offset] + text.encode()
            last = offset
        return PRELUDE + (out + self.bytes[last:]).decode()


def plant(root, out, flags):
    mutants = []
    for file in FILES:
        text = Source(root, file, flags, mutants).rewritten()
        copy = out / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or copy.read_text() != text:
            copy.write_text(text)
    (out / "mutants.json").write_text(json.dumps(mutants, indent=0))
    print(f"{len(mutants)} mutants")


def run(command, mutant, timeout):
    """Returns whether the program succeeds with that mutant, and its first words if not."""
    env = {**os.environ, "REPARTIR_MUTANT": str(mutant)}
    limited = ["prlimit", f"--as={4 << 30}", "--core=0", *command]
    try:
        done = subprocess.run(limited, capture_output=True, text=True, env=env, timeout=timeout,
                              errors="replace")
    except subprocess.TimeoutExpired:
        return False, "it never ends"
    lines = done.stdout.splitlines()[:2] if done.returncode == 1 else [f"ends {done.returncode}"]
    return done.returncode == 0, " ".join(line.strip() for line in lines)


def differing(program, seeds):
    """Returns the mutants that change the value of a condition in one of the seeds, and how many
    seconds are a sign that it never ends: many times as long as without any mutant."""
    began = time.monotonic()
    done = subprocess.run([program, "--seeds", str(seeds), "--terse"], capture_output=True,
                          text=True, env={**os.environ, "REPARTIR_MUTANTS_SEEN": "1"}, check=False)
    if done.returncode != 0:
        sys.exit(f"mutants.py: without any mutant: {done.stdout}")
    return {int(line) for line in done.stderr.split()}, 30 + 10 * (time.monotonic() - began)


def try_one(number, program, seeds, units, differ, patience):
    """Returns how a mutant fares: (killer, how)."""
    for some, first in ((8, 1), (seeds - 8, 9)) if number in differ else ():
        passes, how = run([program, "--seeds", str(some), "--first", str(first), "--stop",
                           "--terse"], number, patience)
        if not passes:
            return "seed", how
    if units:
        passes, how = run([units], number, 30)
        if not passes:
            return "unit test", how
    return "", ""


def key_of(mutant):
    """Returns what names a mutant as long as its condition stands there."""
    return mutant["file"], mutant["what"], mutant["form"]


def check(program, mutants, seeds, units, jobs, every, out, again):
    stale = [key for key in KEPT if key not in {key_of(mutant) for mutant in mutants}]
    if stale:
        sys.exit(f"mutants.py: no such condition, though it is kept: {stale[0]}")
    differ, patience = differing(program, seeds)
    found = {key_of(mutant) for mutant in again if mutant["killer"] == "seed"}
    found -= {key_of(mutant) for mutant in again if mutant["killer"] != "seed"}
    numbers = range(0, len(mutants), every)
    mutants = mutants[::every]
    fates = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        def fate_of(pair):
            if key_of(pair[1]) in found:
                return "seed", "as before"
            most = min(seeds, KEPT_SEEDS) if key_of(pair[1]) in KEPT else seeds
            return try_one(pair[0], program, most, units, differ, patience)

        for fate in pool.map(fate_of, zip(numbers, mutants)):
            fates.append(fate)
            if out:  # what was found so far, should this be ended
                pathlib.Path(out + "l").write_text(json.dumps(fates))
            if len(fates) % 50 == 0:
                print(f"{len(fates)} of {len(mutants)} tried", file=sys.stderr)
    killed, kept, survived = 0, 0, []
    for mutant, (killer, how) in zip(mutants, fates, strict=True):
        mutant["killer"], mutant["how"] = killer, how
        reason = REASONS[KEPT[key_of(mutant)]] if key_of(mutant) in KEPT else None
        killed += killer == "seed"
        kept += killer != "seed" and reason is not None
        if killer != "seed" and reason is None:
            survived.append(mutant)
    for mutant in survived:
        print(f"SURVIVED {mutant['file']}:{mutant['line']} {mutant['what']} -> {mutant['form']}"
              f"{' (a unit test finds it)' if mutant['killer'] else ''}")
    found = sum(1 for mutant in survived if mutant["killer"])
    print(f"mutants: {len(mutants)}, {killed} found by one of {seeds} seeds, {kept} kept with a "
          f"reason, {len(survived)} survived ({found} of them found by unit tests)")
    if out:
        pathlib.Path(out).write_text(json.dumps(mutants, indent=1))
    return len(survived)


def option(words, name, default):
    if name in words:
        at = words.index(name)
        value = words[at + 1]
        del words[at:at + 2]
        return value
    return default


def main():
    words = sys.argv[1:]
    if len(words) > 4 and words[0] == "plant" and words[3] == "--":
        plant(pathlib.Path(words[1]), pathlib.Path(words[2]), words[4:])
        return
    units = option(words, "--units", "")
    jobs = int(option(words, "--jobs", str(os.cpu_count())))
    every = int(option(words, "--every", "1"))
    out = option(words, "--out", "")
    again = option(words, "--again", "")
    again = json.loads(pathlib.Path(again).read_text()) if again else []
    if len(words) in (3, 4) and words[0] == "check":
        mutants = json.loads(pathlib.Path(words[2]).read_text())
        seeds = int((words[3:] or ["200"])[0])
        left = check(words[1], mutants, seeds, units, jobs, every, out, again)
        sys.exit(left > SURVIVORS_MAX)
    sys.exit(__doc__)


if __name__ == "__main__":
    main()
