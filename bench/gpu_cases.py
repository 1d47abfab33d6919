# SPDX-License-Identifier: MIT
"""The problem gpu: what a dispatch costs, beside raw Vulkan and what people use instead. Runs on
any Vulkan device, also on a driver that computes on the CPU, where matrices are smaller."""
import dataclasses
import json
import pathlib
import subprocess

from cases import Case, Contestant

FOLDER = pathlib.Path(__file__).resolve().parent
KIB, MIB = 1 << 10, 1 << 20
SIZES = {"1KiB": KIB, "4MiB": 4 * MIB, "256MiB": 256 * MIB}
PROBE_TIMEOUT_S = 60
WHY_PAIRS = "each opens a driver, which takes up to a second"


def probe(command):
    """Asks a side whether it can take part. Returns its figures and why it cannot."""
    try:
        done = subprocess.run([*command, "--mode", "probe"], capture_output=True, text=True,
                              timeout=PROBE_TIMEOUT_S, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout), ""
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        return {}, lines[-1]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {}, str(error)


@dataclasses.dataclass
class Side:
    """A way to use the GPU: a program, or why there is none."""
    command: list
    why: str = ""


class Gpu:
    """Builds the cases from who is there. `ask` is probe(), or what a test puts in its place."""

    def __init__(self, catalogue, ask=probe):
        self.catalogue = catalogue
        self.device = "none"
        self.on_cpu = False
        self.sides = {}
        python = catalogue.bin.parent / "peers" / "python" / "bin" / "python"
        kompute = [str(python), str(FOLDER / "gpu" / "kompute_peer.py"), str(catalogue.bin)]
        for name, command in (("vulkan", self.program("vulkan")),
                              ("repartir", [*self.program("repartir"), "--at", "local"]),
                              ("repartir_host", [*self.program("repartir"), "--at", "process"]),
                              ("wgpu", self.program("wgpu")), ("kompute", kompute),
                              ("cuda", self.program("cuda"))):
            self.sides[name] = self.look_for(name, command, ask)
        self.sides["cublas"] = self.blas(ask)

    def program(self, implementation):
        """The command of a program of ours."""
        return [str(self.catalogue.bin / f"gpu.{implementation}")]

    def look_for(self, name, command, ask):
        """A side, asked whether it can take part; one that cannot is named in the report."""
        if not pathlib.Path(command[0]).exists():
            why = self.catalogue.absent.get(name, f"{command[0]} was not built")
            if name == "kompute":
                why = "Kompute is not installed; ./dev peers installs it from PyPI"
        else:
            figures, why = ask(command)
            if not why and name == "vulkan":
                self.device = figures.get("device", "unknown")
                self.on_cpu = bool(figures.get("on_cpu"))
        if why:
            self.catalogue.absent[name] = f"gpu: {name} is skipped: {why}"
        return Side(command, why)

    def blas(self, ask):
        """cuBLAS, which CUDA's program loads when it is there."""
        cuda = self.sides["cuda"]
        why = cuda.why or ask([*cuda.command, "--mode", "product", "--count", "128"])[1]
        if why:
            self.catalogue.absent["cublas"] = f"gpu: cublas is skipped: {why}"
        return Side(cuda.command, why)

    def case(self, name, count, contestants, metric="round_p50_ns"):
        """A case of what is there. @param contestants: name -> (side, mode)"""
        found = []
        for contestant, (side, mode) in contestants.items():
            if not self.sides[side].why:
                command = [*self.sides[side].command, "--mode", mode, "--count", str(count)]
                found.append(Contestant(contestant, command))
        return Case(f"gpu.{name}", found, pairs=10, metric=metric, why_pairs=WHY_PAIRS)

    def cases(self):
        """All of them in which somebody takes part."""
        found = [self.empty(), *self.trips(), *self.many(), *self.products(), *self.uses(),
                 *self.uploads()]
        return [case for case in found if case.contestants]

    def empty(self):
        """One dispatch that does nothing, waited for."""
        names = ("repartir", "repartir_host", "vulkan", "wgpu", "kompute", "cuda")
        return self.case("empty", 0, {**{name: (name, "empty") for name in names},
                                      "cuda_graph": ("cuda", "empty:graph")})

    def trips(self):
        """Bytes in, each number doubled, as many out."""
        found = []
        for size, count in SIZES.items():
            names = ("repartir", "repartir_host", "vulkan", "wgpu", "kompute", "cuda")
            who = {name: (name, "trip") for name in names}
            who["vulkan_per_task"] = ("vulkan", "trip:per_task")
            if count == KIB:
                who["vulkan_direct"] = ("vulkan", "trip:direct")
            found.append(self.case(f"trip.{size}", count, who))
        return found

    def many(self):
        """Dispatches that are waited for together."""
        names = ("repartir", "repartir_host", "vulkan", "wgpu", "kompute", "cuda")
        who = {**{name: (name, "many") for name in names},
               "vulkan_submits": ("vulkan", "many:submits"), "cuda_graph": ("cuda", "many:graph")}
        return [self.case(f"many.{count}", count, who) for count in (100, 10000)]

    def products(self):
        """Matrices from host to host, and of kernels alone."""
        found = []
        sizes = (256,) if self.on_cpu else (1024, 4096)
        if self.on_cpu:
            self.catalogue.absent["gpu.product"] = (
                "gpu: matrices of 1024 and 4096, uploads and the goals are skipped: this device "
                "computes on the CPU")
        for rows in sizes:
            found.append(self.case(f"product.{rows}", rows, {
                "repartir": ("repartir", "product"), "repartir_host": ("repartir_host", "product"),
                "repartir_glsl": ("repartir", "product:glsl"), "vulkan": ("vulkan", "product"),
                "cublas": ("cublas", "product")}))
            found.append(self.case(f"kernel.{rows}", rows, {
                "dsl": ("vulkan", "kernel:dsl"), "dsl_plain": ("vulkan", "kernel:plain"),
                "glsl": ("vulkan", "kernel"), "cublas": ("cublas", "kernel")}, metric="gflops"))
        return found

    def uses(self):
        """First use: of a process, and of a kernel."""
        names = ("repartir", "repartir_host", "vulkan", "wgpu")
        return [self.case("first", 0, {name: (name, "first")
                                       for name in (*names, "kompute", "cuda")}),
                self.case("fresh", 0, {name: (name, "fresh") for name in names})]

    def uploads(self):
        """How fast bytes come to the device. To a CPU they need not: it has them."""
        if self.on_cpu:
            return []
        names = ("repartir", "repartir_host", "vulkan", "wgpu", "cuda")
        return [self.case("upload.256MiB", 256 * MIB, {name: (name, "upload") for name in names},
                          metric="gb_per_s")]
