# SPDX-License-Identifier: MIT
"""Too few descriptors, processes, disk or readable files: one sentence, no hang, nothing lost."""
import os
import resource
import shutil
import subprocess
import unittest

from program import PROGRAM, SANITIZED, ProgramTest

FULL = "head -c 300000 /dev/zero | tr '\\0' x"


class Shortage(ProgramTest):
    def limited(self, what, most, *args, **options):
        def limit():
            resource.setrlimit(what, (most, most))
        return self.run_program(*args, preexec_fn=limit, **options)

    def sweep(self, what, numbers, *args, wanted="", **options):
        """Runs under each limit. Every run works, or fails with words; the last one works. Returns
        the exit codes."""
        codes = []
        for most in numbers:
            with self.subTest(args, most=most):
                result = self.limited(what, most, *args, **options)
                codes.append(result.returncode)
                if result.returncode == 0:
                    self.assertEqual(sorted(result.stdout.split()), sorted(wanted.split()))
                elif "error while loading shared libraries" not in result.stderr:
                    self.assertIn(result.returncode, (1, 6), result.stderr)
                    self.assertRegex(result.stderr, r"\Arepartir: .*\n", result.stderr)
                    self.assertNotIn("internal", result.stderr)
        self.assertEqual(codes[-1], 0)
        self.assertIn(6, codes)
        return codes

    @unittest.skipIf(SANITIZED, "the sanitizer's own checks fail without a descriptor")
    def test_few_descriptors(self):
        numbers = range(5, 48)
        words = [str(i) for i in range(12)]
        for args, wanted in ((["-j2", "echo", ":::", *words], " ".join(words)),
                             (["-j9", "--stream", "--stdin", "/dev/null", "echo", ":::", "a", "b"],
                              "a b"), (["echo", "a"], "a")):
            codes = self.sweep(resource.RLIMIT_NOFILE, numbers, "run", *args, wanted=wanted)
            # Too few are told before anything begins; else fewer tasks run at once, and none fails.
            self.assertNotIn(1, codes)
        result = self.limited(resource.RLIMIT_NOFILE, 12, "run", "true", ":::", "a")
        self.assertEqual((result.returncode, result.stdout), (6, ""))
        self.assertRegex(result.stderr, r"\A.*open files; raise the limit \(ulimit -n\)\n$")
        result = self.limited(resource.RLIMIT_NOFILE, 5, "info")
        self.assertEqual(result.returncode, 0, result.stderr)

    @unittest.skipIf(SANITIZED, "the sanitizer's own checks fail without a descriptor")
    def test_a_worker_with_few_descriptors(self):
        listens = []
        for most in range(5, 48):
            with self.subTest(most=most):
                worker = self.start(
                    "worker", "--listen", "unix:" + self.path("w"), "--print-address",
                    preexec_fn=lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                    (most, most)))
                listens.append(worker.stdout.readline() != "")
                if listens[-1]:
                    self._end(worker)
                    continue
                err = worker.communicate(timeout=60)[1]
                if "error while loading shared libraries" not in err:
                    self.assertEqual(worker.returncode, 6, err)
                    self.assertRegex(err, r"\Arepartir: .*raise the limit \(ulimit -n\)\n$")
        self.assertEqual((listens[0], listens[-1]), (False, True))

    @unittest.skipIf(SANITIZED, "the sanitizer's own checks fail without a descriptor")
    def test_a_supervisor_that_cannot_watch_gives_up(self):
        result = self.limited(resource.RLIMIT_NOFILE, 4, "worker", "--supervise", "--listen",
                              "unix:" + self.path("w"))
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertIn(' event=gave-up why="the worker could not be watched: Too many open files; '
                      'raise the limits of open files (ulimit -n) and processes (-u)"',
                      result.stderr)

    @unittest.skipIf(SANITIZED, "the sanitizer starts threads of its own")
    def test_few_processes(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become a user without other processes")
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(self.folder, 0o755)
        if subprocess.run(["test", "-x", PROGRAM], check=False, **nobody).returncode != 0:
            self.skipTest("nobody may not run the program where it was built")
        self.sweep(resource.RLIMIT_NPROC, range(0, 12), "run", "-j2", "echo", ":::", "a", "b",
                   wanted="a b", **nobody)

    @unittest.skipIf(SANITIZED, "the sanitizer needs address space of its own")
    @unittest.skipIf("LLVM_PROFILE_FILE" in os.environ, "so do the coverage counts")
    def test_little_memory(self):
        least = 14 << 20  # or so: the kernel and the loader of libraries fail below
        for args in (["run", "-q", "-j2", "true", ":::", "a", "b"], ["info"],
                     ["run", "-q", "--json", "-a", "/etc/passwd", "true"]):
            codes = set()
            for most in [*range(least, least + (3 << 20), 100_000),
                         *range(17 << 20, 60 << 20, 2 << 20)]:
                with self.subTest(args, most=most):
                    result = self.limited(resource.RLIMIT_AS, most, *args)
                    codes.add(result.returncode)
                    if result.returncode == 6:
                        self.assertRegex(result.stderr, r"\Arepartir: .*\n\Z")
            self.assertLessEqual(codes, {0, 6, 127})
            # info needs next to nothing that the loader did not need: 6 shows where it is lucky
            self.assertLessEqual({0} if args == ["info"] else {0, 6}, codes)

    def test_what_cannot_be_read(self):
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        result = self.run_program("run", "--stdin", "-", "cat", ":::", "a", stdin=folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard input cannot be read: Is a directory", result.stderr)
        self.assertIn("cannot be read: Is a directory",
                      self.refused_input("--each-line", self.folder, "echo"))
        self.assertIn("cannot be read: Is a directory",
                      self.refused_input("--from-json", self.folder))
        self.assertIn("cannot be opened: No such file",
                      self.refused("run", "--each-line", "none", "echo"))
        self.assertIn("cannot be opened: No such file", self.refused("run", "--from-json", "none"))
        self.assertIn("Is a directory", self.refused("run", "--resume", ".", "echo", ":::", "a"))
        self.assertIn("no regular file",
                      self.refused("run", "--resume", "/dev/null", "echo", ":::", "a"))

    def refused_input(self, *args):
        result = self.run_program("run", *args)
        self.assertEqual(result.returncode, 2, result.stderr)
        return result.stderr

    def test_a_temporary_folder_that_is_not_there(self):
        self.env["TMPDIR"] = self.path("none")
        result = self.run_program("run", "--stdin", "-", "cat", ":::", "a", input="x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("none", result.stderr)
        # What would be moved to a file to save memory stays in memory.
        out = self.run_ok("run", "-q", "--tag", "-k", "-j4", "--", "sh", "-c", FULL, "sh", ":::",
                          "a", "b")
        self.assertEqual(len(out), 2 * (300000 + len("a\t\n")))

    def test_full_outputs(self):
        for args in (["info"], ["help"], ["run", "--explain", "true", ":::", "a"],
                     ["run", "-n", "--array", "1-100000", "true"], ["man"]):
            with self.subTest(args), open("/dev/full", "w") as full:
                result = self.run_program(*args, stdout=full)
                self.assertEqual(result.returncode, 1)
                self.assertIn("standard output cannot be written: No space left", result.stderr)
        with open("/dev/full", "w") as full:
            result = self.run_program("run", "echo", ":::", "a", "b", stderr=full)
        self.assertEqual((result.returncode, len(result.stdout.split())), (0, 2))

    def test_errors_of_tasks_that_find_no_room_are_not_called_delivered(self):
        for options in ((), ("-s",), ("-k", "-t")):
            command = ("run", "-r", "log", *options, "--array", "1-3", "--", "sh", "-c",
                       "echo e >&2; echo o")
            with self.subTest(options):
                with open("/dev/full", "w") as full:
                    self.assertEqual(self.run_program(*command, stderr=full).returncode, 1)
                self.assertNotIn(" + ", self.read("log"))
                self.assertIn("3 tasks, 0 failed", self.run_program(*command).stderr)
                os.unlink(self.path("log"))
        with open("/dev/full", "w") as full:
            for streams in ({"stdout": full}, {"stderr": full}):
                result = self.run_program("run", "-t", "sh", "-c", "echo e >&2; echo o", **streams)
                self.assertEqual(result.returncode, 1)

    def test_errors_of_tasks_that_nobody_wants_are_no_failure(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        for away in ("2>&-", f"2>&{writer}"):
            script = f'"$0" run -q -r log --array 1-3 -- sh -c "echo e >&2" {away}'
            result = subprocess.run(["sh", "-c", script, PROGRAM], cwd=self.folder, env=self.env,
                                    stdin=subprocess.DEVNULL, pass_fds=[writer], check=False)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(self.read("log").count(" + "), 3)
            os.unlink(self.path("log"))

    def in_small_disk(self, script, size="64k"):
        """Runs a shell script where ./disk is a file system of that size; skips where it cannot."""
        if shutil.which("unshare") is None:
            self.skipTest("no unshare program")
        os.mkdir(self.path("disk"))
        mount = f"mount -t tmpfs -o size={size} none disk"
        result = subprocess.run(
            ["unshare", "-rm", "sh", "-c", f"{mount} 2>/dev/null || exit 77; {script}", "sh",
             PROGRAM], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False)
        if result.returncode == 77 or result.stderr.startswith("unshare:"):
            self.skipTest("no private mounts here")
        return result

    def test_a_log_on_a_full_disk(self):
        result = self.in_small_disk(
            'head -c 57000 /dev/zero > disk/filler; '
            '"$1" run --resume disk/log true ::: $(seq 300); echo "code $?"; '
            'rm disk/filler; "$1" run --resume disk/log true ::: $(seq 300); echo "code $?"')
        self.assertEqual(result.stdout, "code 1\ncode 0\n", result.stderr)
        self.assertIn("the resume log disk/log cannot be written: No space left", result.stderr)
        self.assertIn("will run again", result.stderr)
        self.assertRegex(result.stderr, r"300 tasks, 0 failed, [1-9]\d* of them ended before")

    def test_a_log_that_cannot_even_begin(self):
        result = self.in_small_disk(
            'head -c 70000 /dev/zero > disk/filler 2>/dev/null; '
            '"$1" run --resume disk/log touch ran ::: a; echo "code $?"')
        self.assertEqual(result.stdout, "code 2\n", result.stderr)
        self.assertIn("No space left", result.stderr)
        self.assertFalse(os.path.exists(self.path("ran")))

    def test_output_files_on_a_full_disk(self):
        result = self.in_small_disk(
            f'"$1" run --resume log -j1 -o disk -- sh -c "{FULL}" sh ::: a b; echo "code $?"; '
            'umount disk; "$1" run --resume log --rerun-failed -q -j1 -o disk -- '
            f'sh -c "{FULL}" sh ::: a b; echo "code $?"')
        self.assertEqual(result.stdout, "code 1\ncode 0\n", result.stderr)
        self.assertEqual(len(self.read("disk/000002-b.out")), 300000)

    def test_spilled_output_on_a_full_disk_is_not_done(self):
        big = "head -c 3000000 /dev/zero"
        result = self.in_small_disk(
            f'TMPDIR=$PWD/disk "$1" run --resume log -q --json -- sh -c "{big}" sh ::: a >out; '
            f'echo "code $?"; "$1" run --resume log -q -- sh -c "{big}" sh ::: a | wc -c')
        self.assertEqual(result.stdout.split()[1:], ["1", "3000000"], result.stderr)
        self.assertIn("No space left", result.stderr)


if __name__ == "__main__":
    unittest.main()
