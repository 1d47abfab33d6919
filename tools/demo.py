#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration: two jobs that a person recognises, run three ways and more, checked and drawn.

    ./dev demo        (or tools/demo.py [--build DIR] [--results DIR] [--quick])

1. A sweep: 1,000 parameter sets of a compiled Monte Carlo program (examples/montecarlo.cpp).
2. A real tree of files of this machine: hash and compress each.
3. The sweep again, killed with kill -9 half-way, then resumed.
4. The sweep on two workers over TLS, one of which is killed half-way.

The first two run serially and by xargs -P too; Repartir's results must always equal the serial ones
byte for byte.
Leaves sweep.png, sweep.csv and table.txt in the results folder. Exit status: 0 when every
comparison held, 1 when one did not or a run failed.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = ["8", "16", "32", "64", "128"]
P_VALUES = [f"{0.45 + 0.0015 * i:.4f}" for i in range(200)]
SEED = "2026"
TREES = ["/usr/share/doc", "/usr/share/man", "/usr/include", "/usr/include/c++",
         "/usr/include/linux", "/usr/lib/python3", "/etc"]
TREE_FILES_MAX = 1500
TREE_BYTES_MAX = 64 << 20
WORKERS = len(os.sched_getaffinity(0))

PACK = """#!/bin/sh
# hash and compress one file of the tree: the checksum to standard output, the rest to $OUT
sha256sum "$1" && gzip -9cn "$1" >"$OUT/$1.gz"
"""

PLOT = """
set terminal pngcairo size 1100,720 font "sans,13" background "#ffffff"
set output "{png}"
set datafile separator ","
set title "Site percolation: does water find a way through?\\n\
{{/*0.8 1,000 parameter sets, {trials} random lattices each, run by Repartir}}" offset 0,-0.3
set xlabel "probability that a site is open"
set ylabel "probability of an open path from top to bottom"
set xrange [0.45:0.75]
set yrange [-0.02:1.02]
set key at graph 0.02,0.97 left top reverse Left samplen 2 spacing 1.25 title "lattice" left
set border 3 lc rgb "#555555"
set tics nomirror out tc rgb "#333333"
set grid back lc rgb "#e6e6e6" lt 1
set arrow 1 from 0.592746,-0.02 to 0.592746,1.02 nohead dt 2 lc rgb "#888888"
set label 1 "infinite lattice: 0.5927" at 0.594,0.03 tc rgb "#666666"
array colour[5] = ["#fdb863", "#e08214", "#d6604d", "#8073ac", "#2d004b"]
sizes = "{sizes}"
plot for [i=1:words(sizes)] "{csv}" \
    using (strcol(1) eq word(sizes, i) ? $2 : NaN):5 with lines lw 2.5 lc rgb colour[i] \
    title word(sizes, i)." × ".word(sizes, i)
"""


class Failed(Exception):
    """A run or a comparison that went wrong; its text says which and how."""


class Demo:
    """The folders and programs of one demonstration, and the steps."""

    def __init__(self, build, results, scratch, quick):
        self.repartir = build / "bin" / "repartir"
        self.montecarlo = build / "bin" / "montecarlo"
        self.results = results
        self.scratch = scratch
        self.trials = "20" if quick else "600"
        self.files_max = 100 if quick else TREE_FILES_MAX
        self.rows = []
        self.workers = []
        self.on_terminal = sys.stderr.isatty()
        for program in (self.repartir, self.montecarlo):
            if not program.exists():
                raise Failed(f"{program} is missing; build it first: ./dev build")

    def say(self, text):
        """Tells a person at a terminal what happens now."""
        if self.on_terminal:
            print(text, file=sys.stderr, flush=True)

    def timed(self, command, out_path, stdin_path=None, **settings):
        """Runs a command. Returns its wall and CPU seconds; a failure raises."""
        stdin = open(stdin_path, "rb") if stdin_path else subprocess.DEVNULL
        said = self.scratch / "stderr"
        with open(out_path, "wb") as out, open(said, "wb") as errors:
            begin = time.monotonic()
            child = subprocess.Popen(command, stdin=stdin, stdout=out,
                                     stderr=None if self.on_terminal else errors, **settings)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - begin
            child.returncode = os.waitstatus_to_exitcode(status)
        if stdin_path:
            stdin.close()
        if child.returncode != 0:
            raise Failed(f"{' '.join(map(str, command[:3]))} ... ended with {child.returncode}"
                         f"\n{said.read_text(errors='replace')[-2000:]}")
        return wall, usage.ru_utime + usage.ru_stime

    def run_command(self, *options):
        """`repartir run`, with its bar where there is a terminal to show it."""
        return [self.repartir, "run", "--workers", str(WORKERS),
                "--progress", "bar" if self.on_terminal else "none", *options]

    def add_rows(self, job, serial, xargs, ours):
        """Adds the three runs of a job to the table."""
        for how, (wall, cpu) in (("serial", serial), (f"xargs -P{WORKERS}", xargs),
                                 ("repartir run", ours)):
            self.rows.append((job, how, f"{wall:.2f}", f"{cpu:.2f}", f"{serial[0] / wall:.2f}"))

    def simulation(self, size, p):
        """The command line of one parameter set."""
        return [str(self.montecarlo), "--size", size, "--p", p, "--trials", self.trials,
                "--seed", SEED]

    def sweep(self):
        """The Monte Carlo program over 1,000 parameter sets. Returns the serial results."""
        inputs = self.scratch / "sets"
        inputs.write_text("".join(f"{size} {p}\n" for size in SIZES for p in P_VALUES))
        serial, by_xargs, ours = (self.scratch / name for name in ("serial", "xargs", "ours"))
        one = " ".join(self.simulation("$size", "$p"))
        self.say("sweep, serial: 1,000 parameter sets of examples/montecarlo.cpp ...")
        alone = self.timed(["sh", "-c", f"while read -r size p; do {one} || exit 1; done"],
                           serial, inputs)
        self.say(f"sweep, xargs -P{WORKERS} ...")
        xargs = self.timed(["xargs", f"-P{WORKERS}", "-n2", "sh", "-c",
                            f"size=$0 p=$1; exec {one}"], by_xargs, inputs)
        self.say("sweep, repartir run:")
        mine = self.timed(self.run_command("--keep-order", "--", *self.simulation("{1}", "{2}"),
                                           ":::", *SIZES, ":::", *P_VALUES), ours)
        if serial.read_bytes() != ours.read_bytes():
            raise Failed("the sweep's results differ from the serial run's")
        if sorted(serial.read_bytes().splitlines()) != sorted(by_xargs.read_bytes().splitlines()):
            raise Failed("the results of xargs differ from the serial run's")
        self.add_rows("sweep of 1,000 sets", alone, xargs, mine)
        return serial.read_bytes()

    @staticmethod
    def files_of(tree):
        """Every file under a folder, relative to it, in order; and their bytes."""
        names, size = [], 0
        for folder, folders, files in os.walk(tree):
            folders.sort()
            for name in sorted(files):
                path = pathlib.Path(folder, name)
                if path.is_symlink() or not path.is_file() or "\n" in str(path):
                    continue
                if os.access(path, os.R_OK):
                    names.append(str(path.relative_to(tree)))
                    size += path.stat().st_size
        return names, size

    def choose_files(self):
        """The tree of this machine that has the most files of those that take seconds, not minutes;
        all of its files, or the first of them where it has to be quick."""
        best = (None, [])
        for tree in map(pathlib.Path, TREES):
            names, size = self.files_of(tree)
            if len(best[1]) < len(names) <= TREE_FILES_MAX and size <= TREE_BYTES_MAX:
                best = (tree, names)
        return best[0], best[1][:self.files_max]

    def tree(self):
        """Hashes and compresses every file of a tree."""
        tree, names = self.choose_files()
        if not names:
            raise Failed("no tree of a fitting size among " + ", ".join(TREES))
        inputs = self.scratch / "files"
        inputs.write_text("".join(f"{name}\n" for name in names))
        script = self.scratch / "pack.sh"
        script.write_text(PACK)
        folders = {}
        for kind in ("serial", "xargs", "ours"):
            folders[kind] = self.scratch / f"packed-{kind}"
            for folder in {pathlib.Path(name).parent for name in names}:
                (folders[kind] / folder).mkdir(parents=True, exist_ok=True)

        def run(kind, command, stdin_path=None):
            return self.timed(command, self.scratch / f"sums-{kind}", stdin_path, cwd=tree,
                              env={**os.environ, "OUT": str(folders[kind])})

        self.say(f"tree, serial: hash and compress {len(names)} files of {tree} ...")
        loop = f"while IFS= read -r file; do sh {script} \"$file\" || exit 1; done"
        alone = run("serial", ["sh", "-c", loop], inputs)
        self.say(f"tree, xargs -P{WORKERS} ...")
        xargs = run("xargs", ["xargs", f"-P{WORKERS}", "-d", "\\n", "-n1", "sh", str(script)],
                    inputs)
        self.say("tree, repartir run:")
        mine = run("ours", self.run_command("--keep-order", "--each-line", str(inputs), "--", "sh",
                                            str(script), "{}"))
        if (self.scratch / "sums-serial").read_bytes() != (self.scratch / "sums-ours").read_bytes():
            raise Failed("the checksums differ from the serial run's")
        for name in names:
            if ((folders["serial"] / f"{name}.gz").read_bytes()
                    != (folders["ours"] / f"{name}.gz").read_bytes()):
                raise Failed(f"the compressed {name} differs from the serial run's")
        self.add_rows(f"{len(names)} files of {tree}", alone, xargs, mine)

    def interrupted(self, expected):
        """The sweep again, killed half-way and resumed. Returns one sentence on what happened."""
        log, ran, out = (self.scratch / name for name in ("resume.log", "ran", "resumed"))
        # Every start of a task leaves a line in `ran`: the tasks themselves count what was run.
        one = f"echo \"$0 $1\" >>{ran}; exec " + " ".join(self.simulation('"$0"', '"$1"'))
        command = self.run_command("--resume", str(log), "--output-dir", str(out), "--",
                                   "sh", "-c", one, "{1}", "{2}", ":::", *SIZES, ":::", *P_VALUES)
        total = len(SIZES) * len(P_VALUES)
        self.say("kill -9 half-way:")
        ran.touch()
        first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=None if self.on_terminal else subprocess.DEVNULL)
        while first.poll() is None and len(ran.read_bytes().splitlines()) < total // 2:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        if first.wait() != -signal.SIGKILL:
            raise Failed("the run ended before it could be killed")
        self.wait_until_gone()
        started = len(ran.read_bytes().splitlines())
        logged = len(log.read_bytes().splitlines()) - 1  # the first line is the header
        self.say(f"\nkilled: {logged} of {total} are in the log; the same command again:")
        self.timed(command, self.scratch / "resumed.out")
        again = len(ran.read_bytes().splitlines()) - started
        if again != total - logged:
            raise Failed(f"after the kill {again} tasks ran; {total - logged} were missing")
        results = sorted(out.glob("*.out"), key=lambda path: int(path.name.split("-")[0]))
        if b"".join(path.read_bytes() for path in results) != expected:
            raise Failed("the resumed run's results differ from the serial run's")
        return (f"killed with kill -9 after {logged} of {total} tasks: no process survived, and "
                f"the same command ran the {again} missing ones; results identical")

    def worker(self, name, security):
        """Starts one on loopback, whose tasks find its name in $WHO. Returns it and its address."""
        with open(self.scratch / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [self.repartir, "worker", "--config", "/dev/null", "--listen", "127.0.0.1:0",
                 "--print-address", "--slots", str(max(1, WORKERS // 2)), "--name", name,
                 *security(name)], env={**os.environ, "WHO": name}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        self.workers.append(process)
        address = process.stdout.readline().strip()
        if not address:
            raise Failed(f"worker {name} did not start: "
                         + (self.scratch / f"{name}.log").read_text(errors="replace"))
        return process, address

    def authority(self):
        """Makes certificates. Returns what gives the options of an end that shows one of them."""
        folder = str(self.scratch / "pki")
        for words in (["init"], ["issue", "worker", "one", "--host", "127.0.0.1"],
                      ["issue", "worker", "two", "--host", "127.0.0.1"],
                      ["issue", "client", "demo"]):
            self.timed([self.repartir, "pki", *words, "--dir", folder], self.scratch / "pki.out")
        return lambda name: ["--tls-ca", f"{folder}/ca.crt", "--tls-cert", f"{folder}/{name}.crt",
                             "--tls-key", f"{folder}/{name}.key", "--tls-crl", f"{folder}/crl.pem"]

    def cluster(self, expected):
        """The sweep on two workers, one killed half-way. Returns one sentence on what happened."""
        security = self.authority()
        victim, first = self.worker("one", security)
        _, second = self.worker("two", security)
        ran, out = self.scratch / "ran-there", self.scratch / "there"
        ran.touch()
        one = f'echo "$WHO" >>{ran}; exec ' + " ".join(self.simulation('"$0"', '"$1"'))
        total = len(SIZES) * len(P_VALUES)
        self.say("two workers over TLS, one killed with kill -9 half-way:")
        with open(out, "wb") as file:
            run = subprocess.Popen(
                [self.repartir, "run", "--remote", f"{first},{second}", *security("demo"),
                 "--keep-order", "--progress", "bar" if self.on_terminal else "none", "--",
                 "sh", "-c", one, "{1}", "{2}", ":::", *SIZES, ":::", *P_VALUES],
                stdin=subprocess.DEVNULL, stdout=file,
                stderr=None if self.on_terminal else subprocess.DEVNULL)
        while run.poll() is None and len(ran.read_bytes().splitlines()) < total // 2:
            time.sleep(0.01)
        if run.poll() is not None:
            raise Failed("the run ended before a worker could be killed")
        victim.kill()
        victim.wait()
        begun = len(ran.read_bytes().splitlines())
        code = run.wait()
        where = ran.read_text().split()  # of each try that began
        if code != 0 or out.read_bytes() != expected:
            raise Failed(f"the results of the workers differ from the serial run's, or exit code "
                         f"{code} is not 0")
        if set(where[:total // 2]) != {"one", "two"} or set(where[-total // 4:]) != {"two"}:
            raise Failed("at first both workers were to run tasks, and at last the second alone")
        return (f"one of two workers over TLS killed with kill -9 when {begun} of {total} tasks "
                f"had begun: the other ran the rest, and again the {len(where) - total} that were "
                "lost; results identical")

    def stop_workers(self):
        """Ends the workers that still run."""
        for process in self.workers:
            process.terminate()
            process.wait()
            process.stdout.close()

    def wait_until_gone(self):
        """Waits at most 5 s until no simulation of ours runs."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            alive = 0
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    alive += os.readlink(process / "exe") == str(self.montecarlo)
                except OSError:
                    continue
            if alive == 0:
                return
            time.sleep(0.02)
        raise Failed("tasks survived the kill -9 of their parent for 5 s")

    def plot(self, results):
        """Draws the sweep."""
        csv, png = self.results / "sweep.csv", self.results / "sweep.png"
        csv.write_bytes(b"size,p,trials,seed,probability,error\n" + results)
        if not shutil.which("gnuplot"):
            raise Failed("gnuplot is not installed, so there is no plot (Debian: gnuplot-nox)")
        script = PLOT.format(png=png, csv=csv, trials=self.trials, sizes=" ".join(SIZES))
        drawn = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True,
                               check=False)
        if drawn.returncode != 0 or not png.exists():
            raise Failed(f"gnuplot could not draw the sweep: {drawn.stderr.strip()}")

    def table(self):
        """The table for people."""
        rows = [("job", "how", "wall s", "CPU s", "speed-up"), *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = []
        for row in rows:
            left = [row[i].ljust(widths[i]) for i in range(2)]
            lines.append("  ".join(left + [row[i].rjust(widths[i]) for i in range(2, 5)]))
        lines.insert(1, "-" * len(lines[0]))
        lines.insert(5, "")
        return "\n".join(lines)


def main():
    """The program."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="Runs the demonstration.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "demo")
    parser.add_argument("--quick", action="store_true",
                        help="small sizes: the same checks, but no fair timing")
    arguments = parser.parse_args()
    begin = time.monotonic()
    arguments.results.mkdir(parents=True, exist_ok=True)
    results = arguments.results.resolve()
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=results) as scratch:
        try:
            demo = Demo(arguments.build.resolve(), results, pathlib.Path(scratch), arguments.quick)
            expected = demo.sweep()
            demo.tree()
            sentences = [demo.interrupted(expected)]
            try:
                sentences.append(demo.cluster(expected))
            finally:
                demo.stop_workers()
            demo.plot(expected)
        except Failed as error:
            print(f"demo: FAILED: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("demo: interrupted", file=sys.stderr)
            return 130
    text = (f"{demo.table()}\n\nall results identical to the serial runs'\n"
            + "".join(f"{sentence}\n" for sentence in sentences) +
            f"plot: {results / 'sweep.png'}\n")
    (results / "table.txt").write_text(text)
    print(f"\n{text}whole demonstration: {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
