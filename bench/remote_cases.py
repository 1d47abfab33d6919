# SPDX-License-Identifier: MIT
"""The problems with another process at the other end: workers beside what people use instead."""
import pathlib
import subprocess

from cases import Case, Contestant

FOLDER = pathlib.Path(__file__).resolve().parent
INSTALLER = "./dev peers installs it"


def problems(catalogue):
    """Problem -> cases."""
    remote = Remote(catalogue)
    return {"remote_call": remote.call_cases()}


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
            own = self.program("remote_call", "repartir", "--mode", mode)
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
