# SPDX-License-Identifier: MIT
"""`repartir run --remote` on workers whose disk is full, and on so many that some always fail."""
import os
import re
import resource
import shutil
import unittest

from cluster import RemoteTest
from program import SANITIZED

# 6 MB where the task's number is even: more than the disk takes.
SCRIPT = ('if [ $(($0 % 2)) = 0 ]; then yes ' + 99 * "y" + ' | head -c 6000000; '
          'else echo $0; fi')
LOSS = (r"stdout is incomplete: the first \d+ bytes are kept, \d+ are lost; "
        "cannot write its spill file in .*/disk: No space left on device; make room there or use "
        r"another folder \(TMPDIR\)")


class FullDisk(RemoteTest):
    """The worker's spill files go to a disk of 4 MiB."""

    def setUp(self):
        super().setUp()
        if shutil.which("unshare") is None:
            self.skipTest("no unshare program")
        os.mkdir(self.path("disk"))
        mount = ["unshare", "-rm", "sh", "-c",
                 'mount -t tmpfs -o size=4m none "$TMPDIR" 2>/dev/null || exit 77; exec "$@"', "sh"]
        self.process, self.address = self.worker(
            "w", before=mount, env={**self.env, "TMPDIR": self.path("disk")})
        if self.address == "" and (self.process.wait() == 77 or
                                   self.read("w.log").startswith("unshare:")):
            self.skipTest("no private mounts here")
        self.assertNotEqual(self.address, "", self.read("w.log"))

    def test_a_task_that_fills_it_says_so_and_the_others_go_on(self):
        tasks, code = self.ended(self.array(self.address, 20, SCRIPT), 20)
        self.assertEqual(code, 1)
        for one in tasks:
            last = one["attempts"][-1]
            if one["seq"] % 2:
                self.assertEqual((one["ok"], one["stdout"]["data"]), (True, f"{one['seq']}\n"))
                continue
            self.assertEqual((one["ending"], len(one["attempts"])), ("output_lost", 1), one)
            self.assertRegex(last["error"]["sentence"], "^on worker 'w': " + LOSS + "$")
        self.assertIsNone(self.process.poll(), self.read("w.log"))

    def test_the_same_when_output_streams(self):
        done = self.run_program("run", "--remote", self.address, "--stream", "--array", "1-20",
                                "--", "sh", "-c", SCRIPT)
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.split("\n")
        for number in range(1, 21):
            said = [line for line in done.stderr.splitlines() if f"task {number} " in line]
            if number % 2:
                self.assertEqual((said, lines.count(str(number))), ([], 1))
            else:
                self.assertEqual(len(said), 1, done.stderr)
                self.assertRegex(said[0], LOSS)
        self.assertIn("20 tasks, 10 failed", done.stderr)
        self.assertIsNone(self.process.poll(), self.read("w.log"))

    def test_what_was_fetched_takes_no_room(self):
        for _ in range(3):
            done = self.run_program("run", "--remote", self.address, "--", "head", "-c", "3000000",
                                    "/dev/zero")
            self.assertEqual((done.returncode, len(done.stdout)), (0, 3_000_000), done.stderr)


class FewDescriptors(RemoteTest):
    """A worker with fewer than its clients would take."""

    def limited(self, most):
        """Starts one that may have so many open. Returns its address and how many it serves."""
        _, address = self.worker(f"w{most}", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (most, most)))
        served = re.search(rf" event=few-descriptors open_files={most} clients=(\d+) ",
                           self.read(f"w{most}.log"))
        self.assertIsNotNone(served, self.read(f"w{most}.log"))
        return address, int(served[1])

    @unittest.skipIf(SANITIZED, "a sanitizer needs descriptors itself")
    def test_tasks_have_what_they_need_and_clients_too_many_are_told(self):
        for most in (30, 64):
            with self.subTest(most):
                address, serves = self.limited(most)
                gate = self.path(f"go{most}")
                runs = [self.array(address, 4, f"until [ -e {gate} ]; do sleep 0.02; done; echo $0")
                        for _ in range(serves)]
                self.wait_until("they are served", lambda n=serves: len(re.findall(
                    "event=connected ", self.read(f"w{most}.log"))) == n)
                others = [self.start("run", "--remote", address, "--reach", "1500ms", "--", "true")
                          for _ in range(25)]
                why = f"{serves} clients are served here already, which are the most: use another"
                for run in others:
                    err = run.communicate(timeout=60)[1]
                    self.assertEqual(run.returncode, 3, err)
                    self.assertIn(why, err)
                    self.assertIn("ulimit -n", err)
                self.assertIn(why, self.read(f"w{most}.log"))
                self.assertNotIn("Too many open files", self.read(f"w{most}.log"))
                self.write(f"go{most}", "")
                for run in runs:
                    self.done(run, 4)
                self.run_ok("run", "--remote", address, "--", "true")


class ManyWorkers(RemoteTest):
    def test_a_third_of_them_dies_in_the_middle(self):
        count = 24 if SANITIZED else 120
        workers = [self.worker(f"w{i}", "--slots", "1") for i in range(count)]
        run = self.sweep(",".join(address for _, address in workers), 5 * count,
                         "sleep 0.3; echo $0")
        for process, _ in workers[::3]:
            process.kill()
        tasks = self.done(run, 5 * count)
        where = {one["attempts"][-1]["where"].split("/")[0] for one in tasks}
        self.assertGreater(len(where), count // 2, "the others all work")


if __name__ == "__main__":
    unittest.main()
