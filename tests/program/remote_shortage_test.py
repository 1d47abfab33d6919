# SPDX-License-Identifier: MIT
"""`repartir run --remote` on workers whose disk is full, and on so many that some always fail."""
import os
import shutil
import unittest

from cluster import RemoteTest
from program import SANITIZED

# 6 MB where the task's number is even: more than the disk takes.
SCRIPT = ('if [ $(($0 % 2)) = 0 ]; then yes ' + 99 * "y" + ' | head -c 6000000; '
          'else echo $0; fi')
LOSS = (r"stdout is incomplete: the first \d+ bytes are kept, \d+ are lost; "
        "cannot write its spill file in .*/disk: No space left on device")


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
            self.assertRegex(last["error"]["sentence"], "^" + LOSS)
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
