# SPDX-License-Identifier: MIT
"""The resume log: kill -9 at any moment, run again, and only what is missing runs."""
import os
import resource
import signal
import subprocess
import unittest

from program import ProgramTest


class Resume(ProgramTest):
    def setUp(self):
        super().setUp()
        self.script("note", 'echo "$1" >> ran; test "$1" != "$(cat fails 2>/dev/null)"')

    def ran(self):
        if not os.path.exists(self.path("ran")):
            return []
        words = self.read("ran").split()
        os.unlink(self.path("ran"))
        return sorted(words)

    def test_what_ended_is_skipped(self):
        for wanted in (["a", "b"], []):
            self.run_ok("run", "--resume", "log", "./note", ":::", "a", "b")
            self.assertEqual(self.ran(), wanted)
        result = self.run_program("run", "--resume", "log", "./note", ":::", "a", "c", "b")
        self.assertEqual((result.returncode, self.ran()), (0, ["c"]))
        self.assertIn("3 tasks, 0 failed, 2 of them ended before", result.stderr)

    def test_as_many_equal_tasks_as_are_missing(self):
        self.run_ok("run", "--resume", "log", "./note", ":::", "a", "a")
        self.assertEqual(self.ran(), ["a", "a"])
        self.run_ok("run", "--resume", "log", "./note", ":::", "a", "a", "a")
        self.assertEqual(self.ran(), ["a"])

    def test_failures_stay_until_rerun(self):
        self.write("fails", "b")
        for args, wanted in (([], ["a", "b"]), ([], []), (["--rerun-failed"], ["b"])):
            result = self.run_program("run", "--resume", "log", *args, "./note", ":::", "a", "b")
            self.assertEqual((result.returncode, self.ran()), (1, wanted), result.stderr)
            self.assertIn("1 failed", result.stderr)
        os.unlink(self.path("fails"))
        self.run_ok("run", "--resume", "log", "--rerun-failed", "./note", ":::", "a", "b")
        self.assertEqual(self.ran(), ["b"])
        self.run_ok("run", "--resume", "log", "--rerun-failed", "./note", ":::", "a", "b")
        self.assertEqual(self.ran(), [])

    def test_what_is_skipped_counts_for_the_exit_code_as_when_it_ended(self):
        self.script("end", 'case "$1" in sleep) sleep 600;; *) eval "$1";; esac')
        limited = ["run", "-q", "--timeout", "100ms", "--kill-grace", "1ms"]
        for inputs, code in ((["sleep"], 4), (["sleep", "exit 3", "kill -9 $$"], 4),
                             (["exit 3"], 1), (["kill -9 $$"], 1), (["true"], 0)):
            with self.subTest(inputs):
                log = f"log{len(inputs)}{inputs[0]}"
                args = [*limited, "--resume", log, "./end", ":::", *inputs]
                for _ in range(2):
                    result = self.run_program(*args)
                    self.assertEqual(result.returncode, code, result.stderr)
        for _ in range(2):  # one that could not be started has failed
            self.assertEqual(self.run_program("run", "-q", "--resume", "none", "./no", ":::",
                                              "a").returncode, 1)
        for _ in range(2):  # one that was refused never began
            self.assertEqual(self.run_program("run", "-q", "--resume", "wide", "-j1", "-c2", "true",
                                              ":::", "a").returncode, 6)
        self.assertEqual(self.read("wide").count("\n"), 1)
        # What ended badly is forgiven once it was run well again.
        args = ["run", "-q", "--timeout", "100ms", "--resume", "again", "./note", ":::", "a", "b"]
        self.script("note", "test -e go || sleep 600")
        self.assertEqual(self.run_program(*args).returncode, 4)
        self.write("go", "")
        self.assertEqual(self.run_program(*args).returncode, 4)
        self.assertEqual(self.run_program(*args[:-4], "--rerun-failed", *args[-4:]).returncode, 0)
        self.assertEqual(self.run_program(*args).returncode, 0)

    def test_the_log_decides_though_an_output_file_is_gone(self):
        self.run_ok("run", "--resume", "log", "-o", "out", "./note", ":::", "a", "b")
        self.ran()
        os.unlink(self.path("out/000001-a.out"))
        self.run_ok("run", "--resume", "log", "-o", "out", "./note", ":::", "a", "b")
        self.assertEqual(self.ran(), [])

    def test_a_single_program_keeps_its_own_code(self):
        for script, code in (("exit 3", 3), ("kill -9 $$", 137), ("exit 0", 0)):
            for _ in range(2):
                result = self.run_program("run", "--resume", f"log{code}", "--", "sh", "-c",
                                          f"echo once; {script}")
                self.assertEqual(result.returncode, code, result.stderr)
            self.assertEqual(result.stdout, "")
        for program, code in (("./none", 127), (self.folder, 126)):
            for _ in range(2):
                result = self.run_program("run", "--resume", f"log{code}", program)
                self.assertEqual(result.returncode, code, result.stderr)

    def test_killed_at_any_moment_nothing_that_was_noted_is_lost(self):
        self.script("slow", 'echo "$1"; echo "$1" >> ran')
        words = [str(i) for i in range(300)]
        outputs = []
        for round_number in range(6):
            process = self.start("run", "-q", "-j2", "--resume", "log", "./slow", ":::", *words)
            for _ in range(20 + 13 * round_number):
                line = process.stdout.readline()
                if not line:
                    break
                outputs.append(line.strip())
            process.kill()
            outputs += process.stdout.read().split()
            process.wait()
        outputs += self.run_ok("run", "-q", "--resume", "log", "./slow", ":::", *words).split()
        self.assertEqual(set(outputs), set(words))
        self.assertEqual(self.run_ok("run", "-q", "--resume", "log", "./slow", ":::", *words), "")

    def test_a_kill_leaves_noted_what_was_long_done(self):
        self.script("gate", 'test "$1" = last || { echo "$1" >> ran; exit; }; touch waiting; '
                            "while [ ! -e go ]; do sleep 0.01; done; echo last >> ran")
        process = self.start("run", "-j2", "--resume", "log", "./gate", ":::", "a", "b", "last")
        self.wait_until("two records", lambda: os.path.exists(self.path("log")) and
                        self.read("log").count("\n") == 3)
        process.kill()
        process.wait()
        self.ran()
        self.write("go", "")
        self.run_ok("run", "--resume", "log", "./gate", ":::", "a", "b", "last")
        self.assertEqual(self.ran(), ["last"])

    def test_a_torn_tail_is_cut_and_damage_is_an_error(self):
        self.run_ok("run", "-k", "--resume", "log", "./note", ":::", "a", "b")
        self.ran()
        whole = self.read("log")
        self.write("log", whole[:-5])
        self.run_ok("run", "--resume", "log", "./note", ":::", "a", "b")
        self.assertEqual(len(self.ran()), 1)
        lines = whole.splitlines(keepends=True)
        self.write("log", lines[0] + "x" + lines[1] + lines[2])
        self.assertIn("damaged", self.refused("run", "--resume", "log", "./note", ":::", "a"))
        self.assertEqual(self.ran(), [])

    def test_what_is_no_regular_file_is_refused_at_once(self):
        os.mkfifo(os.path.join(self.folder, "fifo"))
        for path in ("fifo", "/dev/full", "/dev/zero"):
            result = self.run_program("run", "--resume", path, "echo", ":::", "a", timeout=30)
            self.assertEqual(result.returncode, 2, path)
            self.assertIn("is no regular file", result.stderr)

    def test_logs_of_other_commands_and_other_files_are_refused(self):
        self.run_ok("run", "--resume", "log", "./note", ":::", "a")
        self.assertIn("another command", self.refused("run", "--resume", "log", "echo", ":::", "a"))
        self.assertIn("another command",
                      self.refused("run", "--resume", "log", "-e", "K=v", "./note", ":::", "a"))
        self.write("data", "precious\n")
        self.assertIn("no resume log", self.refused("run", "--resume", "data", "echo", ":::", "a"))
        self.assertEqual(self.read("data"), "precious\n")

    def test_two_runs_cannot_share_a_log(self):
        self.script("hold", "touch held; while [ ! -e go ]; do sleep 0.01; done")
        process = self.start("run", "--resume", "log", "./hold", ":::", "a")
        self.wait_for_file("held")
        self.assertIn("in use", self.refused("run", "--resume", "log", "./hold", ":::", "a"))
        self.write("go", "")
        self.assertEqual(process.wait(), 0)

    def test_interrupted_gently_and_hard_the_log_is_right(self):
        self.script("trap", 'trap "" TERM; test "$1" = a && exit; touch held; '
                            "while [ ! -e go ]; do sleep 0.01; done")
        process = self.start("run", "-j2", "--resume", "log", "./trap", ":::", "a", "b")
        self.wait_for_file("held")
        self.wait_until("a record", lambda: self.read("log").count("\n") == 2)
        process.send_signal(signal.SIGINT)
        self.wait_until("the word", lambda: process.poll() is None)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 5)
        self.write("go", "")
        result = self.run_program("run", "--resume", "log", "./trap", ":::", "a", "b")
        self.assertIn("1 of them ended before", result.stderr)

    def test_output_that_was_not_delivered_is_not_done(self):
        with open("/dev/full", "w") as full:
            result = self.run_program("run", "--resume", "log", "echo", ":::", "a", "b",
                                      stdout=full)
        self.assertEqual(result.returncode, 1)
        out = self.run_ok("run", "-k", "--resume", "log", "echo", ":::", "a", "b")
        self.assertEqual(out, "a\nb\n")

    @unittest.skipIf("LLVM_PROFILE_FILE" in os.environ, "the limit would end the coverage counts")
    def test_a_log_on_a_full_disk_stops_the_run_cleanly(self):
        def tight():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        words = [str(i) for i in range(300)]
        result = subprocess.run([os.environ["REPARTIR"], "run", "--resume", "log", "true", ":::",
                                 *words], cwd=self.folder, env=self.env, preexec_fn=tight,
                                stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the resume log log cannot be written", result.stderr)
        self.assertIn("will run again", result.stderr)
        records = self.read("log").count("\n") - 1
        self.assertTrue(self.read("log").endswith("\n"))
        result = self.run_program("run", "--resume", "log", "true", ":::", *words)
        self.assertEqual(result.returncode, 0)
        self.assertIn(f"{records} of them ended before", result.stderr)


if __name__ == "__main__":
    unittest.main()
