# SPDX-License-Identifier: MIT
"""Ctrl-C once and twice, SIGTERM, SIGHUP, kill -9: what happens to the children."""
import os
import signal
import subprocess
import unittest

from program import PROGRAM, ProgramTest, alive, pending, state, terminate_group


class Signals(ProgramTest):
    def setUp(self):
        super().setUp()
        self.script("polite", 'trap "touch told.$1; exit 0" TERM; echo $$ > "pid.$1"; '
                              "while :; do sleep 0.01; done")
        self.script("deaf", 'trap "" TERM INT HUP; echo $$ > "pid.$1"; '
                            "while :; do sleep 0.01; done")

    def started(self, script, *options):
        process = self.start("run", "-j2", *options, script, ":::", "1", "2", "3")
        for name in ("pid.1", "pid.2"):
            self.wait_until(name, lambda n=name: os.path.exists(self.path(n)) and
                            self.read(n).strip())
        pids = [int(self.read(f"pid.{i}")) for i in (1, 2)]
        for pid in pids:
            self.addCleanup(terminate_group, pid)
        return process, pids

    def test_once_is_gentle(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process, pids = self.started("./polite", "--kill-grace", "1m")
                process.send_signal(number)
                _, err = process.communicate()
                self.assertEqual(process.returncode, 5, err)
                self.assertIn("cancelled", err)
                self.assertFalse(any(alive(pid) for pid in pids))
                for name in ("told.1", "told.2"):
                    os.unlink(self.path(name))
                self.assertFalse(os.path.exists(self.path("pid.3")))
                os.unlink(self.path("pid.1"))
                os.unlink(self.path("pid.2"))

    def test_grace_ends_with_a_kill(self):
        process, pids = self.started("./deaf", "--kill-grace", "100ms")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 5)
        self.assertFalse(any(alive(pid) for pid in pids))

    def test_twice_kills_at_once(self):
        process, pids = self.started("./deaf", "--kill-grace", "1h")
        process.send_signal(signal.SIGINT)
        # Two that are pending together are one: the second waits until the first was read.
        self.wait_until("the first to be heard", lambda: not pending(process.pid, signal.SIGINT))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 5)
        self.assertFalse(any(alive(pid) for pid in pids))

    def test_killed_itself_it_leaves_no_child(self):
        process, pids = self.started("./deaf")
        process.kill()
        process.wait()
        self.wait_until("children gone", lambda: not any(alive(pid) for pid in pids))

    def test_what_was_ignored_stays_ignored(self):
        script = f'trap "" HUP; exec "{os.environ["REPARTIR"]}" run -q ./polite ::: 1'
        process = subprocess.Popen(["sh", "-c", script], cwd=self.folder, env=self.env)
        self.addCleanup(process.kill)
        self.wait_for_file("pid.1")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 5)

    def test_children_start_with_clean_signals(self):
        def ignore_all():
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_IGN)
        for before in (None, ignore_all):
            for inputs in ([":::", "/proc/self/status"], ["/proc/self/status"]):
                out = self.run_ok("run", "grep", "-E", "^Sig(Blk|Ign)", *inputs, preexec_fn=before)
                self.assertEqual([int(line.split()[1], 16) for line in out.splitlines()], [0, 0])

    def test_a_job_in_the_background_of_a_script(self):
        # Without job control a shell starts it with SIGINT and SIGQUIT ignored.
        self.script("mark", 'echo $$ > "pid.$1"; trap "touch interrupted.$1" INT; '
                            "until [ -e go ]; do sleep 0.01; done")
        process = subprocess.Popen(
            ["sh", "-c", f'"{PROGRAM}" run -q ./mark ::: 1 & echo $! > ours.new; '
             "mv ours.new ours; wait $!"], cwd=self.folder, env=self.env)
        self.addCleanup(self._end, process)
        self.wait_for_file("ours")
        ours = int(self.read("ours"))
        self.wait_until("the task", lambda: os.path.exists(self.path("pid.1")) and
                        self.read("pid.1").strip())
        task = int(self.read("pid.1"))
        for number in (signal.SIGINT, signal.SIGQUIT):
            os.kill(ours, number)
        os.kill(task, signal.SIGINT)  # which the task, for its part, hears
        self.wait_for_file("interrupted.1")
        self.write("go", "")
        self.assertEqual(process.wait(), 0)

    def test_halt_now_and_soon(self):
        self.script("work", 'test "$1" = bad && { while [ ! -e pid.slow ]; do sleep 0.01; done; '
                            'exit 1; }; echo $$ > "pid.$1"; test "$1" != slow || sleep "$2"')
        process = self.start("run", "-j2", "--halt", "now,fail=1", "--kill-grace", "100ms",
                             "./work", "{1}", "600", ":::", "slow", "bad", *["later"] * 200)
        _, err = process.communicate()
        self.assertEqual(process.returncode, 1, err)
        self.assertIn("halted", err)
        self.assertFalse(os.path.exists(self.path("pid.later")) and alive(
            int(self.read("pid.slow"))))
        os.unlink(self.path("pid.slow"))
        result = self.run_program("run", "-j2", "--halt", "soon,fail=1", "./work", "{1}", "0.2",
                                  ":::", "slow", "bad")
        self.assertEqual(result.returncode, 1)
        self.assertIn("2 tasks, 1 failed, halted", result.stderr)

    def test_halt_looks_at_each_end_before_the_next_start(self):
        for when in ("soon", "now"):
            self.run_program("run", "-j1", "--halt", when + ",fail=1", "--", "sh", "-c",
                             "echo $1 >> ran; exit $1", "sh", ":::", "0", "1", "0", "0")
            self.assertEqual(self.read("ran"), "0\n1\n")
            os.unlink(self.path("ran"))

    def test_halt_soon_starts_nothing_that_is_queued(self):
        self.script("work", 'test "$1" != bad || exit 1; echo >> started; sleep 0.1')
        result = self.run_program("run", "-j1", "--halt", "soon,fail=1", "./work", ":::", "bad",
                                  *["later"] * 60)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("1 failed, halted", result.stderr)
        started = self.read("started") if os.path.exists(self.path("started")) else ""
        self.assertLess(started.count("\n"), 30)

    def test_a_parent_that_ignores_sigchld_changes_nothing(self):
        ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        result = self.run_program("run", "sh", "-c", "exit $1", "sh", ":::", "0", "3",
                                  preexec_fn=ignore)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("(3): exited 3", result.stderr)
        self.assertEqual(self.run_program("run", "sh", "-c", "exit 3",
                                          preexec_fn=ignore).returncode, 3)

    def test_a_single_program_is_ended_too(self):
        process = self.start("run", "./polite", "1")
        self.wait_for_file("pid.1")
        process.terminate()
        self.assertEqual(process.wait(), 5)
        self.assertTrue(os.path.exists(self.path("told.1")))

    def test_a_program_that_stops_itself_where_no_shell_would_continue_us(self):
        stops = "trap 'touch told; exit' TERM; kill -STOP $$; touch went.on"
        options = dict(start_new_session=True)  # without a terminal
        result = self.run_program("run", "--timeout", "300ms", "sh", "-c", stops, **options)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertTrue(os.path.exists(self.path("told")))
        process = self.start("run", "sh", "-c", "echo $$ > pid; " + stops, **options)
        self.wait_until("its pid", lambda: os.path.exists(self.path("pid")) and
                        self.read("pid").strip())
        child = int(self.read("pid"))
        self.addCleanup(terminate_group, child)
        self.wait_until("its stop", lambda: state(child) == "T")
        self.wait_until("us to go on as long as it takes", lambda: state(process.pid) != "T")
        process.send_signal(signal.SIGCONT)  # reaches it too
        self.wait_for_file("went.on")
        self.assertEqual(process.wait(), 0)


if __name__ == "__main__":
    unittest.main()
