#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""./dev refuses what it does not take, and what it cannot do, in one sentence and at once."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFUSED = [
    (["nosuch"], "no verb is called nosuch"),
    (["--bad"], "unknown option --bad"),
    (["build", "nosuch"], "no preset is called nosuch"),
    (["build", "dev", "x"], 'leave "x" away'),
    (["test", "--x"], "--x is none of them"),
    (["test", "unit.base"], "-R unit.base"),
    (["tier1", "-R"], "-R needs a value"),
    (["asan", "--x"], "--x is none of them"),
    (["lint", "bogus"], "takes --clang-tidy"),
    (["lint", "--clang-tidy", "bogus"], "takes --clang-tidy"),
    (["fuzz", "nosuch"], 'not "nosuch"'),
    (["fuzz", "0"], 'not "0"'),
    (["fuzz", "5", "6"], 'leave "6" away'),
    (["stress", "-1"], 'not "-1"'),
    (["fmt", "x"], "takes no arguments"),
    (["peers", "x"], "takes no arguments"),
    (["tier2", "x"], "takes no arguments"),
    (["tier3", "x"], "takes no arguments"),
]


class Dev(unittest.TestCase):
    def run_dev(self, root, *args, **options):
        return subprocess.run([str(root / "dev"), *args], cwd=root, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, check=False, **options)

    def test_arguments_that_it_does_not_take(self):
        for args, words in REFUSED:
            with self.subTest(args):
                result = self.run_dev(ROOT, *args)
                self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn(words, result.stderr)

    def test_the_tiers_in_the_help_are_those_that_run(self):
        text = (ROOT / "dev").read_text()
        tier2 = re.search(r"stages=\(([^)]*)\)", text).group(1).replace('"', "")
        line = re.search(r"tier2 +what CI runs: (.*)", self.run_dev(ROOT, "help").stdout).group(1)
        for stage in ("test", "lint", "asan", "tsan", "coverage", "demo", "fuzz"):
            self.assertIn(stage, tier2)
            self.assertIn(stage, line)

    def test_the_labels_that_it_asks_for_are_those_of_tests(self):
        listed = "".join(path.read_text() for folder in ("cmake", "examples", "tests")
                         for path in (ROOT / folder).rglob("CMakeLists.txt")) + (
                             ROOT / "cmake/Room.cmake").read_text()
        labels = set(re.findall(r"LABELS (\w+)", listed))
        text = (ROOT / "dev").read_text()
        asked = set(re.findall(r"--label-(?:regex|exclude) '([^']*)'", text))
        words = {word for regex in asked for word in re.findall(r"\w+", regex)}
        self.assertLessEqual({"unit", "process", "package"}, words)
        self.assertEqual([word for word in words if not any(word in label for label in labels)], [])

    def test_a_tree_that_cannot_be_written(self):
        folder = Path(tempfile.mkdtemp(prefix="repartir-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.addCleanup(lambda: [os.chmod(path, 0o755) for path in (
            folder, folder / "build/release") if path.exists()])
        for name in ("dev", "CMakePresets.json"):
            shutil.copy(ROOT / name, folder)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        os.chmod(folder, 0o555)
        for built in (False, True):  # also where all has been built
            with self.subTest(built=built):
                if built:
                    os.chmod(folder, 0o755)
                    (folder / "build/release").mkdir(parents=True)
                    (folder / "build/release/build.ninja").write_text("")
                    os.chmod(folder / "build/release", 0o555)
                result = self.run_dev(folder, "build", env={"PATH": os.environ["PATH"]}, **nobody)
                self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn("cannot be written", result.stderr)


if __name__ == "__main__":
    unittest.main()
