# SPDX-License-Identifier: MIT
"""`repartir run --remote` over a network of several hosts whose cables are pulled out."""
import unittest

from cluster import GATED
from network import NetworkTest

# Says where it begins, and takes a moment.
SHORT = 'echo $0 >>"began.$WHO"; sleep 0.05; echo $0'


class OverANetwork(NetworkTest):
    def sweep_of(self, remote):
        """Starts 60 short tasks, and waits until each worker has begun one."""
        run = self.near(remote.values(), 60, f"cd {self.folder}; {SHORT}")
        self.wait_until("all are at work", lambda: all(self.begun(who) for who in remote))
        return run

    def gated(self, remote, count):
        """Starts tasks that wait to be let go, and waits until all have begun."""
        run = self.near(remote.values(), count, f"cd {self.folder}; {GATED}")
        self.wait_until("all have begun", lambda: count == sum(
            len(self.begun(who)) for who in remote))
        return run

    def two(self):
        return {"a": self.far("a")[1], "b": self.far("b")[1]}


class Cables(OverANetwork):
    def test_what_is_out_of_reach_is_run_elsewhere(self):
        run = self.sweep_of(self.two())
        self.unplug("a")
        self.done(run, 60)

    def test_a_moment_without_a_cable_costs_nothing(self):
        run = self.gated({"a": self.far("a")[1]}, 2)
        self.unplug("a")
        self.let_go("a", "12")
        self.wait_until("their results are lost", lambda: not self.running("a") and
                        self.sends_again("a"))
        self.plug("a")
        self.once_at("a", ["1", "2"], run)

    def test_a_connection_that_was_given_up_is_taken_up_where_it_was(self):
        run = self.gated({"a": self.far("a")[1]}, 2)
        self.unplug("a")
        self.wait_until("it is given up", lambda: not self.connected("a"))
        self.let_go("a", "1")
        self.plug("a")
        self.wait_until("it is taken up", lambda: self.connected("a"))
        self.let_go("a", "2")
        self.once_at("a", ["1", "2"], run)

    def test_who_comes_back_too_late_is_told_to_stop(self):
        run = self.gated(self.two(), 4)
        lost, kept = self.begun("a"), self.begun("b")
        self.assertEqual((len(lost), len(kept)), (2, 2))
        self.unplug("a")
        self.let_go("b", kept)  # so that there is room for others
        self.wait_until("what is lost is run again", lambda: set(lost) < set(self.begun("b")))
        self.assertTrue(self.running("a"))
        self.plug("a")
        self.wait_until("what is stale has ended", lambda: not self.running("a"))
        self.let_go("b", lost)
        self.done(run, 4)
        self.assertEqual(self.begun("a"), lost, "nothing more was run there")


class OneWay(OverANetwork):
    """Packets pass in one direction only."""

    def test_a_worker_that_is_not_heard(self):
        run = self.sweep_of(self.two())
        self.ip(self.hosts["a"], "route", "add", "blackhole", "10.77.1.1/32")
        self.done(run, 60)

    def test_a_worker_that_does_not_hear(self):
        run = self.sweep_of(self.two())
        self.ip(self.ours, "route", "add", "blackhole", "10.77.1.2/32")
        self.done(run, 60)


if __name__ == "__main__":
    unittest.main()
