# SPDX-License-Identifier: MIT
"""The problems with another process at the other end: workers beside what people use instead."""
import dataclasses
import pathlib
import subprocess
import sys

from cases import Case, Contestant

FOLDER = pathlib.Path(__file__).resolve().parent
INSTALLER = "./dev peers installs it"


def problems(catalogue):
    """Problem -> cases."""
    remote = Remote(catalogue)
    return {"remote_call": remote.call_cases(), "remote_programs": remote.program_cases(),
            "remote_bulk": remote.bulk_cases(), "idle_workers": remote.idle_cases()}


def replace(contestants, name):
    """The same, called otherwise."""
    return [dataclasses.replace(one, name=name) for one in contestants]


class Remote:
    """Builds the cases from what was built and what is installed."""

    def __init__(self, catalogue):
        self.catalogue = catalogue
        self.installed = catalogue.bin.parent / "peers"  # by ./dev peers
        self.pki = ""

    def call_cases(self):
        """An empty function of another process, one at a time and many; Dask and Ray, which take
        seconds to start, get shorter cases of their own."""
        cases = []
        for mode, metric in (("latency", "call_p50_ns"), ("throughput", "ns_per_item")):
            own = self.program("remote_call", "repartir", "--mode", mode, "--at", "tcp")
            others = self.over_tls("remote_call", "--mode", mode)
            for name in ("raw_tcp", "zeromq", "nng", "grpc"):
                others += self.program("remote_call", name, "--mode", mode)
            if mode == "latency":
                others += self.program("remote_call", "raw_tcp", "--mode", mode, "--pin", 1,
                                       name="raw_tcp_apart")
            slow = [one for name in ("dask", "ray")
                    for one in self.python(name, "remote_call", "--mode", mode)]
            cases.append(Case(f"remote_call.{mode}", own + others, metric=metric))
            cases.append(Case(f"remote_call.{mode}_python", own + slow, pairs=10, metric=metric,
                              why_pairs="Dask and Ray take seconds to start"))
        return cases

    def program_cases(self):
        """/bin/true on one worker beside the local pool, with as many at once; Python's and the
        Rust original get shorter cases of their own."""
        cases = []
        for mode, workers, count, metric in (("true", 2, self.catalogue.tasks, "ns_per_item"),
                                             ("latency", 1, 300, "latency_p50_ns")):
            flags = ("--mode", mode, "--workers", workers, "--count", count)
            own = [replace(self.over_tls("processes", *flags), "repartir_tls"),
                   replace(self.program("processes", "repartir", *flags, "--at", "unix"),
                           "repartir_unix"),
                   replace(self.program("processes", "repartir", *flags), "repartir_local")]
            slow = self.python("dask", "remote_programs", "--mode", mode)
            if mode == "true":
                slow += self.python("hyperqueue", "remote_programs", "--mode", mode)
                slow += replace(self.python("hyperqueue", "remote_programs", "--mode",
                                            "true_no_output"), "hyperqueue_no_output")
            slow += self.rust_original(mode)
            cases.append(Case(f"remote_programs.{mode}", sum(own, []), metric=metric))
            cases.append(Case(f"remote_programs.{mode}_peers", own[0] + slow, pairs=10,
                              metric=metric,
                              why_pairs="its peers need seconds where the others need tenths"))
        return cases

    def bulk_cases(self):
        """64 MiB from a worker beside one stream of the same kind, without and with TLS."""
        cases = []
        for at in ("tcp", "tls"):
            pki = ("--pki", self.certificates()) if at == "tls" else ()
            contestants = []
            for mode in ("into", "buffer", "function", "program", "stream"):
                contestants += self.program("remote_bulk", "repartir", "--mode", mode, "--at", at,
                                            *pki, name=f"repartir_{mode}")
            contestants += self.program("remote_bulk", f"raw_{at}", *pki)
            cases.append(Case(f"remote_bulk.{at}", contestants))
        return cases

    def idle_cases(self):
        """What a client holds and does for 2,000 workers that have nothing to do."""
        return [Case("idle_workers", self.program(
            "idle_workers", "repartir", "--count", 2000, "--seconds", 20, "--at", "tls", "--pki",
            self.certificates()), pairs=3, metric="rss_bytes_per_worker",
            why_pairs="each watches them for 20 s")]

    def rust_original(self, mode):
        """The Rust original, as it is and with TCP_NODELAY preloaded."""
        folder = self.installed / "rust"
        name = "rust_original"
        if not (folder / "target" / "release" / "rust-original").exists():
            self.catalogue.absent[name] = f"the Rust original is not built; {INSTALLER}"
            return []
        command = [sys.executable, str(FOLDER / "remote_programs" / "rust_original_peer.py"),
                   str(folder), mode]
        library = self.catalogue.bin / "nodelay.so"
        note = "fewer tasks than the others; compared by rate"
        found = [Contestant(name, [*command, "40"], note=note)]
        if library.exists():
            found.append(Contestant(f"{name}_nodelay", [*command, "400", str(library)], note=note))
        return found

    def program(self, *arguments, **name):
        """See Catalogue.program."""
        return self.catalogue.program(*arguments, **name)

    def over_tls(self, problem, *arguments):
        """Ours with certificates at both ends, which it gets first."""
        return self.program(problem, "repartir", *arguments, "--at", "tls", "--pki",
                            self.certificates(), name="repartir_tls")

    def certificates(self):
        """A folder with an authority, and certificates called worker and client."""
        if not self.pki and pathlib.Path(self.catalogue.repartir).exists():
            self.pki = str(self.catalogue.scratch / "pki")
            for words in (["init"], ["issue", "worker", "worker", "--host", "127.0.0.1"],
                          ["issue", "client", "client"]):
                subprocess.run([self.catalogue.repartir, "pki", *words, "--dir", self.pki],
                               check=True, stdout=subprocess.DEVNULL)
        return self.pki

    def python(self, peer, problem, *arguments):
        """A peer from PyPI, driven by bench/<problem>/<peer>_peer.py."""
        interpreter = self.installed / "python" / "bin" / "python"
        if not interpreter.exists():
            self.catalogue.absent[peer] = f"{peer} is not installed; {INSTALLER} from PyPI"
            return []
        script = FOLDER / problem / f"{peer}_peer.py"
        return [Contestant(peer, [str(interpreter), str(script), *map(str, arguments)])]
