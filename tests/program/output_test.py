# SPDX-License-Identifier: MIT
"""What is printed, where and in which order; readers that are slow, gone or full."""
import base64
import json
import os
import random
import shutil
import subprocess
import unittest

from program import PATIENCE, SANITIZED, ProgramTest, state


class Output(ProgramTest):
    def test_order_of_ends_and_of_inputs(self):
        self.script("later", 'test "$1" = 1 && while [ ! -e go ]; do sleep 0.01; done; '
                             'echo "$1"; test "$1" = 2 && touch go; exit 0')
        self.script("held", 'test "$1" = 1 && while [ ! -e seen ]; do sleep 0.01; done; echo "$1"')
        process = self.start("run", "-j2", "./held", ":::", "1", "2")
        self.assertEqual(process.stdout.readline(), "2\n")
        self.write("seen", "")
        self.assertEqual(process.communicate()[0], "1\n")
        self.assertEqual(self.run_ok("run", "-j2", "-k", "./later", ":::", "1", "2"), "1\n2\n")

    def test_keep_order_under_random_durations(self):
        source = random.Random(7)
        words = [f"{i}:{source.random() / 50:.3f}" for i in range(200)]
        out = self.run_ok("run", "-k", "-j8", "--", "sh", "-c",
                          'sleep "${1#*:}"; echo "$1"', "sh", ":::", *words)
        self.assertEqual(out.splitlines(), words)

    def test_output_that_found_no_place_is_told_and_runs_again(self):
        self.env["TMPDIR"] = self.path("full")  # nothing can be spilled there
        command = ("run", "--resume", "log", "head", "-c", "{}", "/dev/zero", ":::", "3000000")
        result = self.run_program(*command)
        self.assertEqual(result.returncode, 1)
        self.assertIn("stdout is incomplete", result.stderr)
        self.assertIn("1 task, 1 failed", result.stderr)
        os.mkdir(self.path("full"))
        self.assertEqual(len(self.run_ok(*command)), 3000000)
        self.assertEqual(self.run_ok(*command), "")

    def test_output_without_end_ends_its_task(self):
        result = self.run_program("run", "-j2", "--limit-output", "2M", "--", "sh", "-c", "yes",
                                  "sh", ":::", "a", "b")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stdout), 2 * (2 << 20))
        lines = [line for line in result.stderr.splitlines() if "task" in line]
        self.assertEqual(len(lines), 3, result.stderr)  # one each, and the summary
        self.assertIn("wrote more than could be kept: stdout is incomplete", lines[0])
        self.assertIn("output limit is 2097152 bytes", lines[0])
        self.assertIn("2 tasks, 2 failed", lines[2])
        quiet = self.run_program("run", "-q", "--limit-output", "1K", "yes", ":::", "a")
        self.assertIn("stdout is incomplete", quiet.stderr)
        shown = self.run_program("run", "--json", "--limit-output", "1K", "yes", ":::", "a")
        record = json.loads(shown.stdout)
        self.assertEqual((record["ending"], record["ok"]), ("output_lost", False))
        self.assertEqual(record["attempts"][0]["error"]["code"], "too_large")

    def test_a_full_disk_for_spilled_output_ends_the_task(self):
        if os.geteuid() != 0 or not shutil.which("unshare"):
            self.skipTest("needs root to mount a small file system")
        script = ('mount -t tmpfs -o size=4m none "$TMPDIR" && '
                  f'exec "{os.environ["REPARTIR"]}" run -- yes ::: a')
        result = subprocess.run(["unshare", "-m", "sh", "-c", script], env=self.env,
                                capture_output=True, timeout=60, check=False)
        if b"mount" in result.stderr or b"unshare" in result.stderr:
            self.skipTest(result.stderr.decode())
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left on device", result.stderr)
        self.assertGreater(len(result.stdout), 1 << 20)

    def test_a_kill_leaves_no_spill_file(self):
        process = self.start("run", "--", "sh", "-c",
                             "head -c 3000000 /dev/zero; echo > ready; sleep 60", "sh", ":::", "a")
        self.wait_for_file("ready")
        self.wait_until("a spill file", lambda: any(
            "(deleted)" in os.readlink(f"/proc/{process.pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{process.pid}/fd")))
        process.kill()
        process.wait()
        self.assertEqual(os.listdir(self.folder), ["ready"])

    def test_both_streams_arrive_whole(self):
        result = self.run_program("run", "--", "sh", "-c", "echo out; echo err >&2", "sh",
                                  ":::", "x")
        self.assertEqual(result.stdout, "out\n")
        self.assertEqual(result.stderr.splitlines()[0], "err")
        self.assertIn("1 task, 0 failed", result.stderr.splitlines()[1])

    def test_tags_and_missing_newlines(self):
        out = self.run_ok("run", "-k", "--tag", "printf", "one\\ntwo", ":::", "a", "b")
        self.assertEqual(out, "a\tone\na\ttwo\nb\tone\nb\ttwo\n")

    def test_quiet_prints_only_what_tasks_print(self):
        result = self.run_program("run", "-q", "--", "sh", "-c", "echo x; exit 3", "sh", ":::", "a")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "x\n", ""))

    def test_failures_are_told_one_line_each(self):
        result = self.run_program("run", "-k", "--", "sh", "-c", "exit $1", "sh", ":::", "0", "3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("repartir: task 2 (3): exited 3\n", result.stderr)
        self.assertNotIn("task 1", result.stderr)

    def test_streamed_lines_stay_whole(self):
        self.script("lines", 'for i in 1 2 3 4 5 6 7 8 9; do printf "$1"; printf "$1\\n"; done')
        out = self.run_ok("run", "--stream", "-j4", "./lines", ":::",
                          "aaaa", "bbbb", "cccc", "dddd")
        self.assertEqual(sorted(out.splitlines()),
                         sorted([c * 8 for c in "abcd" for _ in range(9)]))

    def test_streamed_lines_are_live(self):
        self.script("step", "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo done")
        process = self.start("run", "--stream", "--tag", "./step", ":::", "x")
        self.assertEqual(process.stdout.readline(), "x\tready\n")
        self.write("go", "")
        self.assertEqual(process.communicate()[0], "x\tdone\n")

    def test_output_files(self):
        self.run_ok("run", "--output-dir", "out/{1}", "--", "sh", "-c", "echo $1; echo e >&2", "sh",
                    ":::", "a b", "c")
        self.assertEqual(self.read("out/a b/000001-a_b.out"), "a b\n")
        self.assertEqual(self.read("out/a b/000001-a_b.err"), "e\n")
        self.assertEqual(self.read("out/c/000002-c.out"), "c\n")
        printed = self.run_program("run", "-q", "--output-dir", "out", "--", "sh", "-c",
                                   "echo $1; echo e >&2", "sh", ":::", "a", "b")
        self.assertEqual((printed.stdout, printed.stderr), ("", ""))
        self.assertEqual(self.run_ok("run", "-k", "-o", "out", "echo", ":::", "a", "b"), "a\nb\n")
        self.assertEqual(self.run_ok("run", "-t", "-o", "out", "echo", ":::", "a"), "a\ta\n")
        self.write("file", "")
        result = self.run_program("run", "--output-dir", "file/x", "true", ":::", "a")
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot be made", result.stderr)

    def test_json_lines(self):
        result = self.run_program("run", "-k", "--json", "--", "sh", "-c",
                                  "echo out; printf '\\377' >&2; exit $1", "sh", ":::", "0", "3")
        self.assertEqual(result.returncode, 1)
        good, bad = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual((good["v"], good["seq"], good["ok"], good["input"]), (1, 1, True, ["0"]))
        self.assertEqual(good["stdout"], {"bytes": 4, "encoding": "utf-8", "data": "out\n"})
        self.assertEqual(base64.b64decode(good["stderr"]["data"]), b"\xff")
        self.assertEqual((bad["ending"], bad["code"], bad["exit_code"]), ("exited", 3, 3))
        self.assertGreater(bad["attempts"][0]["wall_ns"], 0)

    def test_json_of_what_could_not_start_or_be_scheduled(self):
        self.write("tasks.json", json.dumps([
            {"program": "./none"}, {"program": "echo", "args": ["x"], "cores": 4000}]))
        result = self.run_program("run", "-k", "-j1", "--json", "--from-json", "tasks.json")
        self.assertEqual(result.returncode, 6, result.stderr)
        absent, refused = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual((absent["ending"], absent["exit_code"]), ("not_started", 127))
        self.assertEqual(absent["attempts"][0]["error"]["code"], "not_found")
        self.assertFalse(refused["ok"])
        self.assertIn("4000", refused["refused"]["sentence"])

    def test_large_outputs_are_tagged_and_ordered_too(self):
        out = self.run_ok("run", "-q", "-k", "--tag", "--", "sh", "-c",
                          "yes line | head -n 400000", "sh", ":::", "a", "b")
        self.assertEqual(out, "a\tline\n" * 400000 + "b\tline\n" * 400000)

    def test_outputs_that_wait_for_their_turn_do_not_fill_memory(self):
        # The first task ends last; what the others wrote, 90 MB, waits for it.
        self.script("wait", 'test "$1" = 1 && until [ -e last ]; do sleep 0.01; done; '
                            'head -c 900000 /dev/zero | tr "\\0" "x"; echo "$1"; '
                            'test "$1" != 100 || touch last')
        process = self.start("run", "-q", "-k", "-j2", "--array", "1-100", "./wait")
        self.wait_for_file("last")
        with open(f"/proc/{process.pid}/status") as status:
            held = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertEqual(out, "".join("x" * 900000 + f"{i}\n" for i in range(1, 101)))
        if "LLVM_PROFILE_FILE" not in os.environ and not SANITIZED:
            self.assertLess(held[0], 88 << 10)

    def test_plain_progress_comes_by_and_by(self):
        process = self.start("run", "--progress", "plain", "-j1", "--", "sh", "-c",
                             "until [ -e go ]; do sleep 0.01; done", "sh", ":::", "a", "b")
        self.assertIn("0/2 done", process.stderr.readline())
        self.write("go", "")
        self.assertEqual(process.communicate()[0], "")
        self.assertEqual(process.returncode, 0)

    def test_binary_output_is_untouched(self):
        data = bytes(range(256)) * 300
        self.write("data", data)
        result = self.run_program("run", "cat", ":::", "data", binary=True)
        self.assertEqual(result.stdout, data)

    def test_large_outputs_pass_in_bounded_memory(self):
        size = 64 << 20
        process = self.start("run", "-q", "-j2", "--", "head", "-c", str(size), "/dev/zero", ":::",
                             stdout=subprocess.PIPE)
        self.assertEqual(process.wait(), 0)  # an empty list runs nothing
        process = subprocess.Popen(
            [os.environ["REPARTIR"], "run", "-q", "-j2", "--", "sh", "-c",
             f"head -c {size} /dev/zero", "sh", ":::", "1", "2"],
            stdout=subprocess.PIPE, env=self.env, cwd=self.folder)
        total = 0
        while piece := process.stdout.read(1 << 20):
            total += len(piece)
        with open(f"/proc/{process.pid}/status") as status:
            peak = [line for line in status if line.startswith("VmHWM")]
        process.stdout.close()
        self.assertEqual(process.wait(), 0)
        self.assertEqual(total, 2 * size)
        if peak:  # gone when the process has ended already
            self.assertLess(int(peak[0].split()[1]), 64 * 1024, "KiB")
        self.assertEqual(os.listdir(self.folder), [])


class Readers(ProgramTest):
    def test_a_reader_that_goes_away_ends_the_run_quietly(self):
        process = self.start("run", "--array", "1-1000000", "echo")
        self.assertTrue(process.stdout.readline())
        process.stdout.close()
        self.assertEqual(process.wait(), 5)
        self.assertEqual(process.stderr.read(), "")

    def test_a_full_disk_is_told_and_fails(self):
        with open("/dev/full", "w") as full:
            result = self.run_program("run", "echo", ":::", "a", "b", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("No space left", result.stderr)

    def test_closed_streams_do_not_mix_files(self):
        script = f'exec "{os.environ["REPARTIR"]}" run --resume log -- echo out ::: a >&- 2>&-'
        result = subprocess.run(["sh", "-c", script], cwd=self.folder, env=self.env, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertTrue(self.read("log").startswith("repartir-resume "))
        self.assertNotIn("out\n", self.read("log"))

    def test_closed_standard_error_is_no_failure(self):
        script = f'exec "{os.environ["REPARTIR"]}" run -- echo ::: out 2>&-'
        out = subprocess.run(["sh", "-c", script], cwd=self.folder, env=self.env, check=True,
                             stdout=subprocess.PIPE).stdout
        self.assertEqual(out, b"out\n")

    def test_a_slow_reader_bounds_memory_and_loses_nothing(self):
        process = self.start("run", "-q", "-k", "-j4", "--array", "1-300", "--", "sh", "-c",
                             "head -c 100000 /dev/zero | tr '\\0' x; echo", "sh")
        self.wait_until("a full pipe", lambda: self.blocked(process.pid))
        out = process.communicate()[0]
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(out), 300 * 100_001)

    def test_a_run_goes_on_when_all_that_waited_is_gone_at_once(self):
        self.write("piece", "x" * 900_000)
        os.mkfifo(self.path("gate"))
        gate = os.open(self.path("gate"), os.O_RDWR)
        self.addCleanup(os.close, gate)
        process = self.start(
            "run", "-q", "-j8", "--array", "1-12", "--", "sh", "-c",
            'case $1 in [1-5]) read x <gate; echo late;; *) cat piece >&2;; esac', "sh")
        # Behind the full pipe of standard error more waits than may: no ends are looked at.
        self.wait_until("all of it to wait", lambda: self.idle_children(process.pid) == 5)
        os.write(gate, b"\n" * 5)
        self.wait_until("the late ones to end", lambda: self.idle_children(process.pid) == 0)
        process.stderr.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(process.stdout.read(), "late\n" * 5)

    def test_a_stream_goes_on_when_all_that_waited_is_gone_at_once(self):
        self.write("piece", "x" * 30_000_000)
        process = self.start("run", "-q", "-s", "--", "sh", "-c", "cat piece >&2; echo end",
                             "sh", ":::", "a")
        self.wait_until("all of it to wait", lambda: self.idle_children(process.pid) == 1)
        process.stderr.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(process.stdout.read(), "end\n")

    @staticmethod
    def idle_children(pid):
        """How many children it has besides its guard; None while one of them, or a thread of it,
        does something."""
        threads = f"/proc/{pid}/task"
        try:
            own = os.listdir(threads)
            children = []
            for thread in own:
                with open(f"{threads}/{thread}/children") as file:
                    children += file.read().split()
            idle = all(state(who) == "S" for who in own + children)
            return len(children) - 1 if idle else None
        except OSError:
            return None  # one has ended while we looked

    @staticmethod
    def blocked(pid):
        with open(f"/proc/{pid}/wchan") as file:
            return "poll" in file.read()

    def test_output_to_one_file_keeps_lines_whole(self):
        with open(self.path("both"), "w") as both:
            self.run_program("run", "-j4", "--array", "1-50", "--", "sh", "-c",
                             "echo out; echo err >&2", "sh", stdout=both, stderr=both)
        lines = self.read("both").splitlines()
        self.assertEqual(lines.count("out"), 50)
        self.assertEqual(lines.count("err"), 50)
        self.assertEqual(len(lines), 101)

    def test_progress_in_a_pipe_only_when_asked(self):
        result = self.run_program("run", "--progress=bar", "--array", "1-20", "--", "sh", "-c",
                                  "sleep 0.02", "sh", binary=True)
        self.assertIn(b"\r\x1b[K[", result.stderr)
        result = self.run_program("run", "--array", "1-20", "--", "sh", "-c",
                                  "sleep 0.02", "sh", binary=True)
        self.assertNotIn(b"\r", result.stderr)


if __name__ == "__main__":
    unittest.main()
