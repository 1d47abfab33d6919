# SPDX-License-Identifier: MIT
"""Exit codes, and what each task is given: limits, retries, time, environment, streams."""
import json
import os
import resource
import unittest

from program import SANITIZED, ProgramTest


class ExitCodes(ProgramTest):
    def code(self, *args):
        return self.run_program("run", *args).returncode

    def test_a_single_program_gives_its_own(self):
        self.assertEqual(self.code("true"), 0)
        self.assertEqual(self.code("--", "sh", "-c", "exit 42"), 42)
        self.assertEqual(self.code("--", "sh", "-c", "kill -9 $$"), 137)
        self.assertEqual(self.code("--timeout", "50ms", "sleep", "60"), 4)
        self.assertEqual(self.code("/nonexistent/program"), 127)
        self.assertEqual(self.code("no-such-program-anywhere"), 127)
        self.assertEqual(self.code(self.write("text", "no program")), 126)
        self.assertEqual(self.code("n" * 5000), 126)
        self.assertEqual(self.code("-C", "/nonexistent", "true"), 1)  # the program was found
        self.assertEqual(self.code("-j1", "--cores", "2", "true"), 6)

    def test_the_worst_of_several(self):
        self.assertEqual(self.code("true", ":::", "1", "2"), 0)
        self.assertEqual(self.code("--", "sh", "-c", "exit $1", "sh", ":::", "0", "7"), 1)
        self.assertEqual(self.code("--timeout", "50ms", "--", "sh", "-c", "sleep $1; exit 1", "sh",
                                   ":::", "0", "60"), 4)
        self.assertEqual(self.code("/nonexistent/program", ":::", "1"), 1)

    def test_what_cannot_be_scheduled(self):
        result = self.run_program("run", "-j1", "--cores", "9", "true", ":::",
                                  *map(str, range(500)))
        self.assertEqual(result.returncode, 6)
        self.assertIn("refused", result.stderr)


class Tasks(ProgramTest):
    def test_streams_of_a_single_program_are_ours(self):
        data = os.urandom(100_000)
        result = self.run_program("run", "--", "sh", "-c", "cat; echo e >&2", input=data,
                                  binary=True)
        self.assertEqual((result.stdout, result.stderr), (data, b"e\n"))

    def test_standard_input(self):
        self.write("file", "from a file\n")
        self.assertEqual(self.run_ok("run", "--stdin", "file", "cat"), "from a file\n")
        self.assertEqual(self.run_ok("run", "--stdin", "file", "--", "cat", "-", ":::", "-"),
                         "from a file\n")
        out = self.run_ok("run", "--stdin", "-", "--", "sh", "-c", "cat", "sh", ":::", "1", "2",
                          input="each\n")
        self.assertEqual(out, "each\neach\n")
        out = self.run_ok("run", "--", "sh", "-c", "cat", "sh", ":::", "1", input="x")
        self.assertEqual(out, "")
        self.assertEqual(os.listdir(self.folder), ["file"])

    def test_environment_and_folder(self):
        self.env["OURS"] = "1"
        show = ["--", "/bin/sh", "-c", "echo $OURS-$THEIRS-$PWD", "sh", ":::", "x"]
        folder = os.path.realpath(self.folder)
        self.assertEqual(self.run_ok("run", "-e", "THEIRS={}", *show), f"1-x-{folder}\n")
        self.assertEqual(self.run_ok("run", "--clean-env", "-C", "/", *show), "--/\n")
        result = self.run_program("run", "-C", "/nonexistent", "true", ":::", "x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent", result.stderr)

    def test_retries(self):
        self.script("third", 'echo x >> tries; test "$(wc -l < tries)" -ge 3')
        result = self.run_program("run", "--retries", "2", "--retry-delay", "1ms", "--json",
                                  "./third", ":::", "a")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(len(json.loads(result.stdout)["attempts"]), 3)
        os.unlink(self.path("tries"))
        result = self.run_program("run", "--retries", "1", "--retry-delay", "1ms", "./third",
                                  ":::", "a")
        self.assertEqual(result.returncode, 1)
        self.assertIn("(2 tries)", result.stderr)

    def test_the_end_of_a_single_program_is_told(self):
        result = self.run_program("run", "--timeout", "50ms", "sleep", "60")
        self.assertEqual(result.returncode, 4)
        self.assertEqual(result.stderr, "repartir: the program timed out\n")
        result = self.run_program("run", "-q", "--timeout", "50ms", "sleep", "60")
        self.assertEqual((result.returncode, result.stderr), (4, ""))

    def test_timeout_is_told(self):
        result = self.run_program("run", "--timeout", "50ms", "sleep", ":::", "60")
        self.assertEqual(result.returncode, 4)
        self.assertIn("timed out", result.stderr)

    @unittest.skipIf(SANITIZED, "the sanitizer's own checks fail without a descriptor")
    def test_few_descriptors_run_fewer_at_once(self):
        def restrict():
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
            resource.setrlimit(resource.RLIMIT_NOFILE, (22, 22))
        out = self.run_ok("run", "-j8", "--array", "1-40", "--", "sh", "-c", "sleep 0.02; echo x",
                          preexec_fn=restrict)
        self.assertEqual(len(out.splitlines()), 40)

    def test_limits_are_enforced(self):
        def ulimit(letter, *options):
            return self.run_ok("run", *options, "--", "bash", "-c", f"ulimit -{letter}", "sh",
                               ":::", "x").strip()
        self.assertEqual(ulimit("n", "--limit-open-files", "50"), "50")
        self.assertEqual(ulimit("v", "--limit-address-space", "1G"), str(1 << 20))
        self.assertEqual(ulimit("f", "--limit-file-size", "1M"), "1024")
        self.assertEqual(ulimit("St", "--limit-cpu-time", "7s"), "7")
        result = self.run_program("run", "--limit-cpu-time", "1s", "--json", "--", "sh", "-c",
                                  "while :; do :; done", "sh", ":::", "x")
        self.assertEqual(json.loads(result.stdout)["ending"], "signaled")

    def test_niceness_and_pinning(self):
        base = os.nice(0)
        out = self.run_ok("run", "--nice", "3", "--", "sh", "-c", "nice", "sh", ":::", "x")
        self.assertEqual(int(out), min(base + 3, 19))
        out = self.run_ok("run", "--pin", "-j2", "--", "grep", "Cpus_allowed_list", ":::",
                          *["/proc/self/status"] * 6)
        for line in out.splitlines():
            self.assertRegex(line, r":\s+\d+$")

    def test_workers_bound_what_runs_at_once(self):
        self.script("count", "mkdir run.$1; ls -d run.* | wc -l; sleep 0.02; rmdir run.$1")
        out = self.run_ok("run", "-j3", "--array", "1-30", "./count")
        self.assertLessEqual(max(int(line) for line in out.split()), 3)
        out = self.run_ok("run", "-j4", "--cores", "2", "--array", "1-20", "./count")
        self.assertLessEqual(max(int(line) for line in out.split()), 2)

    def test_info(self):
        self.assertIn("CPUs", self.run_ok("info"))
        info = json.loads(self.run_ok("info", "--json"))
        self.assertEqual(len(info["cpus"]), len(os.sched_getaffinity(0)))
        self.assertGreater(info["memory_granted_bytes"], 0)
        self.assertGreaterEqual(info["default_workers"], 1)


if __name__ == "__main__":
    unittest.main()
