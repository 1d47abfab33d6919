# SPDX-License-Identifier: MIT
"""The systemd unit of a worker: systemd reads it, and finds it closed enough."""
import os
import shutil
import subprocess
import unittest

from program import PROGRAM, ProgramTest

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy",
                    "repartir-worker.service")
EXPOSURE_MAX = 20  # tenths of what systemd-analyze calls "OK"; 0 is a unit that can do nothing


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze on this machine")
class Unit(ProgramTest):
    def analyze(self, *args):
        return subprocess.run(["systemd-analyze", *args], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, text=True, env=self.env, timeout=60)

    def test_it_is_hardened(self):
        result = self.analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", UNIT)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_systemd_understands_every_line(self):
        with open(UNIT) as unit:
            text = unit.read()
        self.assertEqual(text.count("\nExecStart=repartir "), 1)
        copy = self.write("repartir-worker.service",
                          text.replace("\nExecStart=repartir ", f"\nExecStart={PROGRAM} "))
        result = self.analyze("verify", "--man=no", copy)
        said = [line for line in result.stdout.splitlines()
                if "repartir-worker" in line and "DelegateSubgroup" not in line]  # new in 254
        self.assertEqual(said, [], result.stdout)

    def test_what_it_starts_is_understood_too(self):
        with open(UNIT) as unit:
            line = next(line for line in unit if line.startswith("ExecStart="))
        words = line.split("=", 1)[1].split()
        self.write("worker.toml", "listen = 'unix:socket'\n")
        args = [self.path("worker.toml") if word.startswith("/etc/") else word
                for word in words[2:]]
        self.assertEqual(words[:2], ["repartir", "worker"])
        self.assertIn("unix:socket", self.run_ok("config", "show", *args))


if __name__ == "__main__":
    unittest.main()
