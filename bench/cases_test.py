#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of who takes part: cases.py and remote_cases.py, against folders made for them, that each
goal is about something that is measured, and of harness/python_peer.py."""
import argparse
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

import cases
import gpu_cases
import remote_cases

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "harness"))
import python_peer  # noqa: E402


class Participants(unittest.TestCase):
    """Over a build folder with what each test puts into it."""

    def setUp(self):
        self.build = pathlib.Path(tempfile.mkdtemp(prefix="repartir-test-"))
        self.addCleanup(shutil.rmtree, self.build)
        (self.build / "bench").mkdir()
        (self.build / "scratch").mkdir()

    def make(self, path, text=""):
        """A program."""
        file = self.build / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def catalogue(self):
        """What run.py makes of the build folder."""
        return cases.Catalogue(self.build / "bench", self.build / "bin" / "repartir",
                               self.build / "scratch", {"present": {}, "absent": {}}, 100)

    def everything(self):
        """Problem -> cases, where all that could be is built and installed."""
        for problem in FOLDER.iterdir():
            for source in [*problem.glob("*.cpp"), *problem.glob("*.cu")]:
                self.make(f"bench/{problem.name}.{source.stem}")
        self.make("bin/repartir", "#!/bin/sh\nexit 0\n")
        self.make("peers/python/bin/python")
        self.make("peers/rust/bin/repartir-worker")
        self.make("peers/rust/target/release/rust-original")
        catalogue = self.catalogue()
        return {**catalogue.functions(), **catalogue.processes(),
                **remote_cases.problems(catalogue), "gpu": self.gpu(catalogue).cases()}

    @staticmethod
    def gpu(catalogue, why="", on_cpu=False):
        """The problem gpu, where each side says the same of itself."""
        return gpu_cases.Gpu(catalogue, lambda command: ({"device": "a", "on_cpu": on_cpu}, why))

    def test_what_is_not_built_or_installed_does_not_take_part_and_is_named(self):
        catalogue = self.catalogue()
        for name, found in remote_cases.problems(catalogue).items():
            for case in found:
                self.assertEqual([one.name for one in case.contestants], [], name)
        self.assertIn("./dev peers", catalogue.absent["dask"])
        for peer in ("ray", "hyperqueue", "rust_original"):
            self.assertIn("./dev peers", catalogue.absent[peer])

    def test_sides_of_a_gpu_that_cannot_take_part_are_named_with_the_reason(self):
        for name in ("vulkan", "repartir", "cuda"):
            self.make(f"bench/gpu.{name}")
        catalogue = self.catalogue()
        self.assertEqual(self.gpu(catalogue, why="there is no device").cases(), [])
        for name in ("vulkan", "repartir", "repartir_host", "cuda", "cublas"):
            self.assertIn("there is no device", catalogue.absent[name])
        self.assertIn("was not built", catalogue.absent["wgpu"])
        self.assertIn("./dev peers", catalogue.absent["kompute"])

    def test_a_gpu_that_is_a_cpu_gets_small_matrices_and_says_so(self):
        self.make("bench/gpu.vulkan")
        catalogue = self.catalogue()
        gpu = self.gpu(catalogue, on_cpu=True)
        names = [case.id for case in gpu.cases()]
        self.assertIn("gpu.product.256", names)
        self.assertNotIn("gpu.product.4096", names)
        self.assertIn("computes on the CPU", catalogue.absent["gpu.product"])

    def test_a_program_is_asked_whether_it_can_take_part(self):
        self.make("yes", "#!/bin/sh\necho '{\"device\": \"a\"}'\n")
        self.make("no", "#!/bin/sh\necho first >&2; echo there is none >&2; exit 1\n")
        self.make("silent", "#!/bin/sh\nexit 3\n")
        self.assertEqual(gpu_cases.probe([str(self.build / "yes")]), ({"device": "a"}, ""))
        self.assertEqual(gpu_cases.probe([str(self.build / "no")]), ({}, "there is none"))
        self.assertIn("ended with 3", gpu_cases.probe([str(self.build / "silent")])[1])
        self.assertIn("missing", gpu_cases.probe([str(self.build / "missing")])[1])

    def test_each_goal_is_about_contestants_of_a_case(self):
        found = {case.id: [one.name for one in case.contestants]
                 for group in self.everything().values() for case in group}
        for goal in json.loads((FOLDER / "goals.json").read_text()):
            if goal["case"].startswith("instructions"):
                continue  # counted by instructions.py
            with self.subTest(goal["id"]):
                self.assertIn(goal["case"], found)
                self.assertIn(goal["ours"], found[goal["case"]])
                self.assertLessEqual(set(goal.get("peers", [])) - {"make", "xargs", "parallel"},
                                     set(found[goal["case"]]))

    def test_each_script_that_is_run_exists(self):
        for group in self.everything().values():
            for case in group:
                for one in case.contestants:
                    for word in one.command:
                        if word.endswith(".py"):
                            self.assertTrue(pathlib.Path(word).exists(), word)

    def test_no_case_has_a_contestant_twice(self):
        for group in self.everything().values():
            for case in group:
                names = [one.name for one in case.contestants]
                self.assertEqual(len(names), len(set(names)), case.id)

    def test_certificates_are_made_once(self):
        self.make("bin/repartir", f"#!/bin/sh\necho \"$2\" >> {self.build}/called\n")
        remote = remote_cases.Remote(self.catalogue())
        self.assertEqual(remote.certificates(), remote.certificates())
        self.assertEqual((self.build / "called").read_text().split(), ["init", "issue", "issue"])


class PythonPeers(unittest.TestCase):
    """What the drivers of Python peers print."""

    def figures(self, problem, mode, one, many):
        """The line of one measurement with four items."""
        options = argparse.Namespace(mode=mode, count=4)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            python_peer.measure(problem, "peer", options, {}, one, many)
        return json.loads(out.getvalue())

    def test_one_at_a_time(self):
        calls = []
        line = self.figures("remote_call", "latency", lambda: calls.append(1) is None, None)
        self.assertEqual(len(calls), 5, "one of them warms up")
        self.assertEqual((line["items"], line["correct"]), (4, True))
        self.assertLessEqual(line["call_p50_ns"], line["call_p99_ns"])

    def test_many(self):
        counts = []
        line = self.figures("remote_programs", "true", None,
                            lambda count: counts.append(count) is None)
        self.assertEqual(counts, [1, 4])
        self.assertNotIn("latency_p50_ns", line)
        self.assertTrue(line["correct"])

    def test_one_wrong_answer_makes_all_wrong(self):
        answers = iter([True, True, False, True, True])
        line = self.figures("remote_programs", "latency", lambda: next(answers), None)
        self.assertFalse(line["correct"])
        self.assertIn("latency_p50_ns", line)


if __name__ == "__main__":
    unittest.main()
