# SPDX-License-Identifier: MIT
"""On a terminal: the progress bar, the foreground, stop and continue. Uses pseudo-terminals."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
import unittest

from program import PATIENCE, PROGRAM, ProgramTest, alive


class Terminal(ProgramTest):
    """Runs the program as the leader of a session on a terminal of its own."""

    def fork_program(self, *args, columns=60):
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.folder)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                os.execve(PROGRAM, [PROGRAM, *args], self.env)
            finally:
                os._exit(99)
        self.addCleanup(os.close, master)
        self.addCleanup(self.reap, pid)
        self.seen = b""
        self.status = None
        return pid, master

    def reap(self, pid):
        if self.status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def read_until(self, master, wanted):
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            self.assertLess(time.monotonic(), deadline, (wanted, self.seen))
            if select.select([master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(master, 65536)
                except OSError:
                    self.assertIn(wanted, self.seen)
                    return

    def finish(self, pid, master):
        deadline = time.monotonic() + PATIENCE
        while True:
            self.assertLess(time.monotonic(), deadline, self.seen)
            if select.select([master], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(master, 65536)
                except OSError:
                    pass
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self.status = status
                return os.waitstatus_to_exitcode(status)

    def test_progress_bar_fits_and_is_cleared(self):
        pid, master = self.fork_program("run", "-j2", "--array", "1-40", "--", "sh", "-c",
                                        "sleep 0.03; echo line $1", "sh", columns=60)
        self.assertEqual(self.finish(pid, master), 0)
        text = self.seen.decode()
        self.assertIn("/40 done", text)
        for bar in text.split("\r\x1b[K"):
            if " done, " in bar:
                self.assertLess(len(bar), 60, bar)
                self.assertNotIn("\n", bar.split(" left")[0])
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if "line" in line]
        self.assertEqual(len(lines), 40)
        for line in lines:
            self.assertRegex(line.rsplit("\x1b[K", 1)[-1], r"^line \d+$")
        self.assertLess(text.count(" done, "), 40)  # redrawn at times, not per task

    def test_a_single_program_may_read_the_terminal(self):
        pid, master = self.fork_program("run", "--", "sh", "-c", "echo ready; read x; echo got $x")
        self.read_until(master, b"ready")
        os.write(master, b"words\n")
        self.read_until(master, b"got words")
        self.assertEqual(self.finish(pid, master), 0)

    def test_ctrl_c_reaches_a_single_program(self):
        self.script("ask", 'trap "echo trapped; exit 7" INT; echo ready; read x; sleep 60')
        pid, master = self.fork_program("run", "./ask")
        self.read_until(master, b"ready")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        os.write(master, b"\x03")
        self.read_until(master, b"trapped")
        self.assertEqual(self.finish(pid, master), 7)

    def test_stopping_stops_both_and_going_on_goes_on(self):
        self.script("ask", "echo ready; read x; echo got $x")
        pid, master = self.fork_program("run", "./ask")
        self.read_until(master, b"ready")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        child = os.tcgetpgrp(master)
        os.kill(-child, signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE
        while os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        self.assertEqual(os.tcgetpgrp(master), pid)
        os.kill(pid, signal.SIGCONT)
        self.wait_until("the foreground again", lambda: os.tcgetpgrp(master) == child)
        os.write(master, b"more\n")
        self.read_until(master, b"got more")
        self.assertEqual(self.finish(pid, master), 0)

    def test_a_terminal_that_closes_ends_the_run(self):
        self.script("wait", "echo $$ > pid; while :; do sleep 0.01; done")
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.folder)
                os.execve(PROGRAM, [PROGRAM, "run", "./wait", ":::", "a"], self.env)
            finally:
                os._exit(99)
        self.wait_until("the child", lambda: os.path.exists(self.path("pid")) and
                        self.read("pid").strip())
        child = int(self.read("pid"))
        os.close(master)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5)
        self.assertFalse(alive(child))


if __name__ == "__main__":
    unittest.main()
