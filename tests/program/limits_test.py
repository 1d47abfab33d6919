# SPDX-License-Identifier: MIT
"""Limits that need a cgroup, and what holds a task together when we are killed. Needs a cgroup that
we may make groups in; skipped where there is none."""
import json
import os
import subprocess
import unittest

from program import PROGRAM, ProgramTest, alive


def cgroup_limits():
    """Whether tasks can be put into a cgroup here."""
    report = subprocess.run([PROGRAM, "info", "--json"], stdout=subprocess.PIPE, check=True).stdout
    return any(feature["name"] == "memory and process limits" and feature["available"]
               for feature in json.loads(report)["features"])


def groups_of(pid):
    """The folders of cgroups that this process made."""
    found = []
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(folder, name) for name in folders
                  if name.startswith(f"repartir-{pid}-")]
    return found


@unittest.skipUnless(cgroup_limits(), "no cgroup that we may make groups in")
class Limits(ProgramTest):
    def start_escape(self, *options):
        """A task with a grandchild in a session of its own. Returns our process and its pid."""
        self.script("escape", "setsid sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 600' "
                              "> /dev/null 2>&1 < /dev/null &\nwait; sleep 600")
        process = self.start("run", *options, "./escape", ":::", "a")
        self.wait_for_file("pid")
        return process, int(self.read("pid"))

    def test_a_memory_limit_ends_what_wants_more(self):
        hog = ("sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=$1 count=1 2> /dev/null", "sh")
        result = self.run_program("run", "-k", "--json", "--limit-memory", "24M", "--", *hog,
                                  ":::", "200M", "1M")
        self.assertEqual(result.returncode, 1, result.stderr)
        large, small = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual((large["ending"], large["ok"], large["exit_code"]),
                         ("out_of_memory", False, 137))
        self.assertEqual((small["ending"], small["ok"]), ("exited", True))
        for record in (large, small):
            attempt = record["attempts"][0]
            self.assertEqual(attempt["containment"], "cgroup")
            self.assertEqual(attempt["peak_memory_source"], "cgroup")
            self.assertLessEqual(attempt["peak_memory_bytes"], 24 << 20)

    def test_a_single_program_that_ran_out_of_memory_is_told(self):
        result = self.run_program("run", "--limit-memory", "24M", "--", "dd", "if=/dev/zero",
                                  "of=/dev/null", "bs=200M", "count=1")
        self.assertEqual(result.returncode, 137)
        self.assertIn("ran out of memory", result.stderr)

    def test_a_memory_limit_under_which_nothing_begins_is_final(self):
        result = self.run_program("run", "--json", "--retries", "2", "--limit-memory", "1", "true",
                                  ":::", "a")
        record = json.loads(result.stdout)
        self.assertEqual((result.returncode, record["ending"]), (1, "not_started"))
        self.assertEqual(len(record["attempts"]), 1)
        error = record["attempts"][0]["error"]
        self.assertEqual(error["fault"], "user")
        self.assertIn("its memory limit of 1 bytes is too small", error["sentence"])

    def test_a_process_limit_refuses_the_fork(self):
        self.script("many", "for i in 1 2 3 4 5 6 7 8; do sleep 600 > /dev/null 2>&1 & done\n"
                            "echo all")
        result = self.run_program("run", "--json", "--limit-processes", "4", "./many", ":::", "a")
        record = json.loads(result.stdout)
        self.assertEqual((result.returncode, record["ok"]), (1, False))
        self.assertIn("fork", record["stderr"]["data"])
        self.assertTrue(any("limit of processes was met" in note
                            for note in record["attempts"][0]["notes"]))
        out = self.run_ok("run", "--limit-processes", "20", "./many", ":::", "a")
        self.assertEqual(out, "all\n")

    def test_nothing_is_left_of_the_groups(self):
        process = self.start("run", "-j4", "--limit-memory", "64M", "--limit-processes", "9",
                             "--array", "1-50", "--", "sh", "-c",
                             "sleep 600 > /dev/null 2>&1 & echo $1", "sh")
        out = process.communicate()[0]
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(out.splitlines()), 50)
        self.assertEqual(groups_of(process.pid), [])

    def test_a_kill_leaves_nothing_of_a_task_in_a_cgroup(self):
        process, escaped = self.start_escape("--limit-processes", "50")
        self.assertTrue(alive(escaped))
        self.assertTrue(groups_of(process.pid))
        process.kill()
        process.wait()
        self.wait_until("the end of what escaped", lambda: not alive(escaped))
        self.wait_until("the end of the cgroups", lambda: not groups_of(process.pid))

    def nest(self, pid, escaped):
        """Moves a process into groups inside the groups of the task, as a program may that has the
        right to."""
        for folder in groups_of(pid):
            os.makedirs(os.path.join(folder, "a", "b"))
            os.makedirs(os.path.join(folder, "a", ".c"))
            with open(os.path.join(folder, "a", "b", "cgroup.procs"), "w") as procs:
                procs.write(str(escaped))

    def test_groups_that_a_task_made_inside_its_own_end_with_it(self):
        self.script("nested", "setsid sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 600' "
                              "> /dev/null 2>&1 < /dev/null &\n"
                              "until [ -e go ]; do sleep 0.01; done")
        process = self.start("run", "--limit-memory", "64M", "./nested", ":::", "a")
        self.wait_for_file("pid")
        escaped = int(self.read("pid"))
        self.nest(process.pid, escaped)
        self.write("go", "")
        self.assertEqual(process.wait(), 0)
        self.assertFalse(alive(escaped))
        self.assertEqual(groups_of(process.pid), [])

    def test_groups_inside_groups_end_with_a_kill_too(self):
        process, escaped = self.start_escape("--limit-memory", "64M")
        self.nest(process.pid, escaped)
        process.kill()
        process.wait()
        self.wait_until("the end of what escaped", lambda: not alive(escaped))
        self.wait_until("the end of the cgroups", lambda: not groups_of(process.pid))

    def test_a_fork_bomb_ends_with_us(self):
        self.script("bomb", "setsid sh -c 'fork() { fork & fork; }; echo > begun; fork' "
                            "> /dev/null 2>&1 &\nwait; exec sleep 600")  # a fork may fail
        process = self.start("run", "--limit-processes", "60", "./bomb", ":::", "a")
        self.wait_for_file("begun")
        folder = groups_of(process.pid)[0]
        process.kill()
        process.wait()
        self.wait_until("the end of the cgroup", lambda: not os.path.exists(folder))
        self.wait_until("the end of all cgroups", lambda: not groups_of(process.pid))


if __name__ == "__main__":
    unittest.main()
