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

    def test_a_kill_leaves_nothing_of_a_task_in_a_cgroup(self):
        process, escaped = self.start_escape("--limit-processes", "50")
        self.assertTrue(alive(escaped))
        self.assertTrue(groups_of(process.pid))
        process.kill()
        process.wait()
        self.wait_until("the end of what escaped", lambda: not alive(escaped))
        self.wait_until("the end of the cgroups", lambda: not groups_of(process.pid))

    def test_a_fork_bomb_ends_with_us(self):
        self.script("bomb", "setsid sh -c 'fork() { fork & fork; }; echo > begun; fork' "
                            "> /dev/null 2>&1 &\nwait; sleep 600")
        process = self.start("run", "--limit-processes", "60", "./bomb", ":::", "a")
        self.wait_for_file("begun")
        folder = groups_of(process.pid)[0]
        process.kill()
        process.wait()
        self.wait_until("the end of the cgroup", lambda: not os.path.exists(folder))
        self.wait_until("the end of all cgroups", lambda: not groups_of(process.pid))


if __name__ == "__main__":
    unittest.main()
