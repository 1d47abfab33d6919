# SPDX-License-Identifier: MIT
"""Runs the built program in a folder of its own and looks at what it does from outside."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["REPARTIR"]
# The presets of the sanitizers set these; a sanitizer itself needs descriptors, threads and memory.
SANITIZED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ
PATIENCE = 60.0  # seconds before a test gives up; never a time that a passing test waits


class ProgramTest(unittest.TestCase):
    """Each test has an empty folder, left for good at its end, and no REPARTIR_* settings."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="repartir-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("REPARTIR")}
        self.env["TMPDIR"] = self.env["XDG_CACHE_HOME"] = self.folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(self.path(name), mode) as file:
            file.write(content)
        return self.path(name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def script(self, name, text):
        """An executable shell script."""
        path = self.write(name, "#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)
        return path

    def run_program(self, *args, **options):
        """Runs it to its end. Text in and out unless binary=True."""
        binary = options.pop("binary", False)
        options.setdefault("stdin" if "input" not in options else "timeout",
                           subprocess.DEVNULL if "input" not in options else PATIENCE)
        options.setdefault("timeout", PATIENCE)
        options.setdefault("env", self.env)
        return subprocess.run([PROGRAM, *args], stdout=options.pop("stdout", subprocess.PIPE),
                              stderr=options.pop("stderr", subprocess.PIPE), cwd=self.folder,
                              text=not binary, check=False, **options)

    def start(self, *args, **options):
        """Starts it; killed at the end of the test if it still runs. `before` is a command that
        executes it, such as nsenter."""
        before = options.pop("before", [])
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("env", self.env)
        process = subprocess.Popen([*before, PROGRAM, *args], cwd=self.folder, text=True,
                                   **options)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def run_ok(self, *args, **options):
        """Runs it and expects exit code 0. Returns standard output."""
        result = self.run_program(*args, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refused(self, *args):
        """Runs it and expects a usage error. Returns the sentence."""
        result = self.run_program(*args)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr

    def wait_until(self, what, condition):
        """Waits for a condition to hold; fails when it does not in PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.005)

    def wait_for_file(self, name):
        self.wait_until("file " + name, lambda: os.path.exists(self.path(name)))


def state(pid):
    """The letter of a process's or thread's state; raises OSError when it is gone."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        return state(pid) not in "ZX"
    except OSError:
        return False


def pending(pid, number):
    """Whether a process has yet to take this signal."""
    with open(f"/proc/{pid}/status") as status:
        masks = [int(line.split()[1], 16) for line in status
                 if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask & (1 << (number - 1)) for mask in masks)


def terminate_group(pid):
    """Ends a process group that a test made."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
