# SPDX-License-Identifier: MIT
"""On a terminal: the progress bar, the foreground, stop and continue. Uses pseudo-terminals."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import unittest

from program import PATIENCE, PROGRAM, ProgramTest, alive


class Terminal(ProgramTest):
    """Runs the program as the leader of a session on a terminal of its own."""

    def setUp(self):
        super().setUp()
        try:
            for end in pty.openpty():
                os.close(end)
        except OSError:
            self.skipTest("no pseudoterminal can be made here (/dev/pts is not mounted)")

    @staticmethod
    def state(pid):
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def fork_program(self, *args, columns=60):
        return self.fork_command(PROGRAM, *args, columns=columns)

    def fork_command(self, *command, columns=60):
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.folder)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                os.execve(command[0], command, self.env)
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

    def answer(self, pid, master):
        """Gives words to who reads from the terminal, and expects them back, and a good end."""
        os.write(master, b"words\n")
        self.read_until(master, b"got words")
        self.assertEqual(self.finish(pid, master), 0)

    def wait_stopped(self, pid):
        self.wait_until("the stop", lambda: os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] != 0)

    def await_stopped_job(self, master):
        """Waits until the shell knows of a stop. It hears of it once all threads have stopped, and
        "fg" of what it takes to be running continues nothing."""
        self.seen = b""
        os.write(master, b'while [ -z "$(jobs -s)" ]; do sleep 0.01; done; echo so it"" is\n')
        self.read_until(master, b"so it is")

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
        self.answer(pid, master)

    def ask(self, script="echo ready; read x; echo got $x"):
        """Starts a program that says "ready" and reads. Returns us, the terminal and its group."""
        self.script("ask", script)
        pid, master = self.fork_program("run", "./ask")
        self.read_until(master, b"ready")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        return pid, master, os.tcgetpgrp(master)

    def go_on(self, pid, master, child):
        """Continues us after a stop, and answers the program."""
        os.kill(pid, signal.SIGCONT)
        self.wait_until("the foreground again", lambda: os.tcgetpgrp(master) == child)
        os.write(master, b"more\n")
        self.read_until(master, b"got more")
        self.assertEqual(self.finish(pid, master), 0)

    def test_ctrl_c_reaches_a_single_program(self):
        pid, master, _ = self.ask('trap "echo trapped; exit 7" INT; echo ready; read x; sleep 60')
        os.write(master, b"\x03")
        self.read_until(master, b"trapped")
        self.assertEqual(self.finish(pid, master), 7)

    def test_stopping_stops_both_and_going_on_goes_on(self):
        pid, master, child = self.ask()
        os.kill(-child, signal.SIGSTOP)
        self.wait_stopped(pid)
        self.assertEqual(os.tcgetpgrp(master), pid)
        self.go_on(pid, master, child)

    def editor(self):
        """A program that takes the terminal as an editor does, and says what keys it gets."""
        self.write("editor.py", """
import os, signal, sys, tty
tty.setraw(0)
with open("pids.new", "w") as file:
    file.write(f"{os.getppid()} {os.getpid()}")
os.rename("pids.new", "pids")
os.write(1, b"raw\\r\\n")
while (key := os.read(0, 1)) != b"q":
    if key == b"z":
        signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"continued\\r\\n"))
        os.kill(0, signal.SIGTSTP)
    os.write(1, b"key %d.\\r\\n" % key[0])
""")
        return sys.executable, "editor.py"

    def pids(self):
        """Ours and the editor's."""
        self.wait_for_file("pids")
        return [int(word) for word in self.read("pids").split()]

    def test_ctrl_c_ends_a_single_program_as_it_would_without_us(self):
        pid, master = self.fork_program("run", "sh", "-c", "echo ready; exec sleep 60")
        self.read_until(master, b"ready")
        os.write(master, b"\x03")
        self.assertEqual(self.finish(pid, master), 128 + signal.SIGINT)
        self.assertEqual(self.seen.replace(b"^C", b"").strip(), b"ready")

    def test_raw_mode_gets_every_key_and_its_end_is_left_alone(self):
        pid, master = self.fork_program("run", *self.editor())
        self.read_until(master, b"raw")
        os.write(master, b"\x03\x1a")
        self.read_until(master, b"key 26.")
        self.assertIn(b"key 3.", self.seen)
        before = termios.tcgetattr(master)
        os.write(master, b"q")
        self.assertEqual(self.finish(pid, master), 0)
        self.assertEqual(termios.tcgetattr(master), before, "as stty's, its change stays")

    def edit_from_a_shell(self, then):
        """A shell that runs us with the editor, does what is said, and reads from the terminal.
        Returns it, the terminal, the terminal's modes before, our pid and the editor's."""
        run = f'read go; "{PROGRAM}" run {" ".join(self.editor())}; {then}; read x; echo got $x'
        pid, master = self.fork_command("/bin/sh", "-c", run)
        before = termios.tcgetattr(master)
        os.write(master, b"go\n")
        self.read_until(master, b"raw")
        self.assertNotEqual(termios.tcgetattr(master), before)
        return pid, master, before, *self.pids()

    def test_the_terminal_is_restored_after_a_program_that_was_killed(self):
        pid, master, before, _, editor = self.edit_from_a_shell('echo "code $?"')
        self.assertEqual(os.tcgetpgrp(master), editor)
        os.kill(editor, signal.SIGKILL)
        self.read_until(master, b"code 137")
        self.assertEqual(termios.tcgetattr(master), before)
        self.answer(pid, master)

    def test_the_terminal_is_restored_when_we_are_killed(self):
        pid, master, before, ours, editor = self.edit_from_a_shell(
            "echo > ended; while [ ! -e go ]; do sleep 0.01; done")
        os.kill(ours, signal.SIGKILL)
        self.wait_for_file("ended")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) == pid)
        self.wait_until("the modes", lambda: termios.tcgetattr(master) == before)
        self.wait_until("the end of the program", lambda: not alive(editor))
        self.write("go", "")
        self.answer(pid, master)

    def test_a_program_that_stops_itself_in_raw_mode(self):
        pid, master = self.fork_program("run", *self.editor())
        self.read_until(master, b"raw")
        raw = termios.tcgetattr(master)
        _, editor = self.pids()
        os.write(master, b"z")
        self.wait_until("our stop", lambda: os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == pid)
        self.assertEqual(os.tcgetpgrp(master), pid)
        self.assertTrue(termios.tcgetattr(master)[3] & termios.ICANON, "what the shell needs")
        os.kill(pid, signal.SIGCONT)
        self.read_until(master, b"continued")
        self.assertEqual(os.tcgetpgrp(master), editor)
        self.assertEqual(termios.tcgetattr(master), raw, "what the program had")
        os.write(master, b"aq")
        self.read_until(master, b"key 97.")
        self.assertEqual(self.finish(pid, master), 0)

    @unittest.skipUnless(os.path.exists("/bin/bash"), "needs bash")
    def test_job_control_of_a_shell(self):
        self.script("ask", "echo ready; read x; echo got $x; read y; echo got $y")
        self.env.update(PS1="prompt$ ", HISTFILE="", TERM="dumb")
        pid, master = self.fork_command("/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
        self.read_until(master, b"prompt$")
        os.write(master, f'"{PROGRAM}" run ./ask\n'.encode())
        self.read_until(master, b"ready")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        os.write(master, b"\x1a")
        self.read_until(master, b"Stopped")
        self.wait_until("the shell", lambda: os.tcgetpgrp(master) == pid)
        os.write(master, b"echo in the $((6 * 7)) shell\n")
        self.read_until(master, b"in the 42 shell")
        os.write(master, b"fg\n")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        os.write(master, b"one\n")
        self.read_until(master, b"got one")
        os.write(master, b"\x1a")
        self.wait_until("the shell", lambda: os.tcgetpgrp(master) == pid)
        os.write(master, b"bg\n")
        self.await_stopped_job(master)  # it read, and was stopped again
        os.write(master, b"fg\n")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) != pid)
        os.write(master, b"two\n")
        self.read_until(master, b"got two")
        self.wait_until("the shell", lambda: os.tcgetpgrp(master) == pid)
        os.write(master, b"exit 3\n")
        self.assertEqual(self.finish(pid, master), 3)

    @unittest.skipUnless(os.path.exists("/bin/bash"), "needs bash")
    def test_a_shell_that_edits_its_lines_keeps_its_modes_for_itself(self):
        self.env.update(PS1="prompt$ ", HISTFILE="", TERM="dumb", INPUTRC="/dev/null")
        pid, master = self.fork_command("/bin/bash", "--norc", "--noprofile", "-i")
        self.read_until(master, b"prompt$")
        os.write(master, f'"{PROGRAM}" run cat & p=$!; echo "pid"$p.\n'.encode())
        self.read_until(master, b".\r\nprompt$")
        run = int(self.seen.rsplit(b"pid", 1)[1].split(b".")[0])
        self.wait_until("its stop", lambda: self.state(run) == "T")
        self.await_stopped_job(master)
        os.write(master, b"fg\n")
        self.wait_until("the foreground", lambda: os.tcgetpgrp(master) not in (pid, run))
        self.assertTrue(termios.tcgetattr(master)[3] & termios.ICANON)
        os.write(master, b"words\n\x04")
        self.wait_until("the shell", lambda: os.tcgetpgrp(master) == pid)
        os.write(master, b"exit 3\n")
        self.assertEqual(self.finish(pid, master), 3)

    def test_a_program_may_ask_the_terminal_though_its_input_is_a_pipe(self):
        self.script("ask", "cat > data; echo ready; read x < /dev/tty; echo got $x")
        pid, master = self.fork_command("/bin/sh", "-c", f'echo text | "{PROGRAM}" run ./ask')
        self.read_until(master, b"ready")
        self.answer(pid, master)
        self.assertEqual(self.read("data"), "text\n")

    def test_a_stop_that_is_asked_for_stops_both(self):
        pid, master, child = self.ask()
        os.kill(pid, signal.SIGTSTP)
        self.wait_stopped(pid)
        self.assertEqual(self.state(child), "T")
        self.go_on(pid, master, child)

    def test_a_run_from_the_background_gets_the_terminal_when_it_is_fetched(self):
        self.script("ask", "touch ready; until [ -e go ]; do sleep 0.01; done; read x; echo got $x")
        shell = (f'set -m; "{PROGRAM}" run ./ask & echo $! >pid; '
                 "until [ -e fetch ]; do sleep 0.01; done; fg")
        for reads_first in (False, True):
            with self.subTest(reads_first=reads_first):
                pid, master = self.fork_command("/bin/sh", "-c", shell)
                self.wait_for_file("ready")
                run = int(self.read("pid"))
                first, second = ("go", "fetch") if reads_first else ("fetch", "go")
                self.write(first, "")
                if reads_first:
                    self.wait_until("its stop", lambda r=run: self.state(r) == "T")
                else:
                    self.wait_until("the foreground",
                                    lambda r=run, m=master: os.tcgetpgrp(m) == r)
                self.write(second, "")
                self.answer(pid, master)
                for name in ("ready", "go", "fetch", "pid"):
                    os.unlink(self.path(name))

    def test_odd_terminals(self):
        for columns, term in ((1, "dumb"), (0, ""), (3, "xterm"), (500, "nonsense")):
            with self.subTest(columns):
                self.env.pop("TERM", None)
                if term:
                    self.env["TERM"] = term
                pid, master = self.fork_program("run", "-j2", "--array", "1-20", "--", "sh", "-c",
                                                "sleep 0.02; echo line $1", "sh", columns=columns)
                self.assertEqual(self.finish(pid, master), 0)
                self.assertEqual(self.seen.count(b"line "), 20)

    def test_the_bar_follows_the_width(self):
        self.script("wait", "until [ -e go ]; do sleep 0.01; done")
        pid, master = self.fork_program("run", "-j1", "./wait", ":::", "a", "b", columns=120)
        self.read_until(master, b"/2 done")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 12, 0, 0))
        self.seen = b""
        self.read_until(master, b"\r\x1b[K  0% 0/2 do\r")
        self.seen = b""
        self.read_until(master, b"\r\x1b[K  0% 0/2 do\r")  # and none wider since
        self.assertNotIn(b"done", self.seen)
        self.write("go", "")
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
