# SPDX-License-Identifier: MIT
"""What is measured: problems, their cases, and who takes part in each.

A case is one measurement with one set of parameters. A contestant is a command that either prints
one line of JSON (a program of bench/<problem>/) or is timed from outside (make, xargs, ...).
"""
import dataclasses
import pathlib
import shutil

# With exactly one argument coreutils' true loads the locale, a fifth of its time; the input of
# make, xargs and the others is an argument, so there is another before it.
TRUE = ["/bin/true", "x"]


@dataclasses.dataclass
class Contestant:
    """Who takes part: `command` prints JSON, unless `items` is set: then wall time is divided."""
    name: str
    command: list
    items: int = 0            # tasks that an outside command runs; 0: it reports by itself
    output_bytes: int = 0     # what an outside command must write to its standard output in all
    stdin_path: str = ""      # file for its standard input
    note: str = ""            # why it differs from the others, for people


@dataclasses.dataclass
class Case:
    """One measurement. `pairs` is how many interleaved rounds it gets unless told otherwise."""
    id: str
    contestants: list
    pairs: int = 30
    metric: str = "ns_per_item"
    why_pairs: str = ""       # said openly where pairs is below 30


class Catalogue:
    """Builds the cases from what was built and what is installed."""

    def __init__(self, bin_dir, repartir, scratch, peers, tasks):
        self.bin = pathlib.Path(bin_dir)
        self.repartir = str(repartir)
        self.scratch = pathlib.Path(scratch)
        self.peers = peers
        self.tasks = tasks
        self.absent = dict(peers["absent"])

    def program(self, problem, implementation, *arguments, name=""):
        """A contestant of bench/<problem>/, or nothing where it was not built."""
        path = self.bin / f"{problem}.{implementation}"
        if not path.exists():
            return []
        return [Contestant(name or implementation, [str(path), *map(str, arguments)])]

    def everybody(self, problem, *arguments, extra=()):
        """Repartir, the peers and the serial run of a function problem."""
        names = ["repartir", "tbb", *extra, "taskflow", "serial"]
        return [one for name in names for one in self.program(problem, name, *arguments)]

    def functions(self):
        """Problems of functions in one process: problem -> cases."""
        problems = {}

        def add(problem, case):
            problems.setdefault(problem, []).append(case)

        for workers in (1, 2):
            flags = ("--workers", workers)
            for mode in ("results", "no_results"):
                add("fork_join", Case(f"fork_join.{mode}.w{workers}",
                                      self.everybody("fork_join", "--mode", mode, *flags)))
            for mode in ("outside", "outside_detached", "outside_handle", "inside"):
                extra = [] if mode == "inside" else self.program(
                    "empty_tasks", "tbb", "--mode", f"{mode}_tight", *flags, name="tbb_tight")
                add("empty_tasks", Case(f"empty_tasks.{mode}.w{workers}", self.everybody(
                    "empty_tasks", "--mode", mode, *flags) + extra))
            for mode in ("trivial", "memory"):
                add("parallel_for", Case(f"parallel_for.{mode}.w{workers}", self.everybody(
                    "parallel_for", "--mode", mode, *flags, extra=("tbb_range",))))
            for mode in ("loops", "groups"):
                add("nested", Case(f"nested.{mode}.w{workers}",
                                   self.everybody("nested", "--mode", mode, *flags)))
            add("uts", Case(f"uts.w{workers}", self.everybody("uts", *flags)))
        for mode in ("awake", "parked"):
            add("submit_latency", Case(f"submit_latency.{mode}", self.program(
                "submit_latency", "repartir", "--mode", mode, "--workers", 1)
                + self.program("submit_latency", "tbb", "--mode", mode, "--workers", 1),
                metric="submit_p50_ns"))
        for mode in ("executed", "inline"):
            add("submit_latency", Case(f"submit_latency.{mode}", self.program(
                "submit_latency", "repartir", "--mode", mode, "--workers", 1),
                metric="result_p50_ns"))
        add("wake", Case("wake.latency", self.program(
            "wake", "repartir", "--mode", "latency", "--workers", 2)
            + self.program("wake", "tbb", "--mode", "latency", "--workers", 2),
            metric="wake_p50_ns"))
        add("wake", Case("wake.idle", self.program(
            "wake", "repartir", "--mode", "idle", "--workers", 2), pairs=3,
            metric="idle_context_switches", why_pairs="each watches an idle pool for 10 s"))
        add("deque", Case("deque", self.program("deque", "repartir"), metric="push_pop_ns"))
        for case in self.codec_cases():
            add("codec", case)
        add("queued_memory", Case(
            "queued_memory", self.program("queued_memory", "repartir"), pairs=5,
            metric="bytes_per_task", why_pairs="bytes do not vary"))
        return problems

    def codec_cases(self):
        """A task into bytes and back, beside other formats; then the frame around it."""
        cases = []
        for mode in ("encode", "decode"):
            names = ["repartir", "flatbuffers", "protobuf", "msgpack", "capnp"]
            contestants = [one for name in names
                           for one in self.program("codec", name, "--mode", mode)]
            contestants += self.program("codec", "protobuf", "--mode", f"{mode}_arena",
                                        name="protobuf_arena")
            contestants += self.program("codec", "repartir", "--mode", f"{mode}_values",
                                        name="repartir_values")
            if mode == "encode":
                contestants += self.program("codec", "repartir", "--mode", "copy", name="memcpy")
            cases.append(Case(f"codec.{mode}", contestants))
            cases.append(Case(f"codec.frame_{mode}", self.program(
                "codec", "repartir", "--mode", f"frame_{mode}")))
        return cases

    def processes(self):
        """Problems of programs: problem -> cases."""
        return {"true": self.true_cases(), "output": [self.output_case()],
                "latency": [self.latency_case()], "ballast": [self.ballast_case()]}

    def true_cases(self):
        """/bin/true many times, two at once; the slow GNU Parallel gets its own, shorter case."""
        n = self.tasks
        flags = ("--mode", "true", "--workers", 2, "--count", n)
        contestants = (self.program("processes", "repartir", *flags)
                       + self.program("processes", "bare", *flags, "--pin", 0)
                       + self.program("processes", "bare", *flags, "--pin", 1, name="bare_pinned")
                       + self.run_command(n, TRUE)
                       + self.make_command(n)
                       + self.xargs_command(n, TRUE))
        few = max(50, n // 5)
        slow = (self.run_command(few, TRUE)
                + self.parallel_command(few, TRUE))
        return [Case("true", contestants, pairs=30),
                Case("true_few", slow, pairs=15,
                     why_pairs="GNU Parallel needs seconds where the others need tenths")]

    def output_case(self):
        """64 KiB of standard output each, all of it read and counted."""
        n = max(100, self.tasks // 4)
        flags = ("--mode", "output", "--workers", 2, "--count", n)
        emit = [str(self.bin / "emit")]
        contestants = (self.program("processes", "repartir", *flags)
                       + self.program("processes", "bare", *flags, "--pin", 0)
                       + self.program("processes", "bare", *flags, "--pin", 1, name="bare_pinned")
                       + self.run_command(n, emit, 65536)
                       + self.xargs_command(n, emit, 65536))
        return Case("output", contestants, pairs=30)

    def latency_case(self):
        """One /bin/true at a time, from the call to its result."""
        flags = ("--mode", "latency", "--workers", 1, "--count", 300)
        return Case("latency", self.program("processes", "repartir", *flags)
                    + self.program("processes", "bare", *flags, "--pin", 0)
                    + self.program("processes", "bare", *flags, "--pin", 1, name="bare_pinned"),
                    metric="latency_p50_ns")

    def ballast_case(self):
        """The same rate from a parent that holds 4 GiB and from a small one."""
        flags = ("--mode", "true", "--workers", 2, "--count", self.tasks)
        return Case("ballast", self.program("processes", "repartir", *flags, "--ballast", 4096,
                                            name="repartir_4gib")
                    + self.program("processes", "repartir", *flags, name="repartir_small"),
                    pairs=15, why_pairs="touching 4 GiB takes longer than the measurement")

    def run_command(self, count, words, output_bytes=0):
        """`repartir run` over `count` inputs."""
        if not pathlib.Path(self.repartir).exists():
            return []
        return [Contestant(
            "repartir_run",
            [self.repartir, "run", "-j2", "--array", f"1-{count}", "--", *words, "{}"],
            count, output_bytes * count)]

    def make_command(self, count):
        """make -j2 with a target per task; make runs so simple a command without a shell."""
        if not self.installed("make"):
            return []
        path = self.scratch / f"tasks-{count}.mk"
        names = " ".join(f"t{i}" for i in range(count))
        path.write_text(f".PHONY: all {names}\nall: {names}\n{names}:\n\t@/bin/true x $@\n")
        return [Contestant("make", ["make", "-j2", "-s", "-f", str(path)], count)]

    def xargs_command(self, count, words, output_bytes=0):
        """xargs -P2 -n1 over the same inputs."""
        if not self.installed("xargs"):
            return []
        return [Contestant("xargs", ["xargs", "-P2", "-n1", *words], count, output_bytes * count,
                           self.numbers(count))]

    def parallel_command(self, count, words):
        """GNU Parallel -j2 over the same inputs."""
        if not self.installed("parallel"):
            return []
        return [Contestant("parallel", ["parallel", "--will-cite", "-j2", *words], count, 0,
                           self.numbers(count), "fewer tasks than the others; compared by rate")]

    def installed(self, tool):
        """Whether a peer's program is there; an absent one is named in the report."""
        if shutil.which(tool):
            return True
        self.absent[tool] = f"{tool} is not installed"
        return False

    def numbers(self, count):
        """A file with 1 to count, one a line."""
        path = self.scratch / f"numbers-{count}"
        path.write_text("".join(f"{i}\n" for i in range(1, count + 1)))
        return str(path)
