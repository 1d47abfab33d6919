# SPDX-License-Identifier: MIT
"""A client's host and workers' hosts, each a network namespace, with a cable to each worker's."""
import os
import shutil
import subprocess

from cluster import RemoteTest

ESTABLISHED = "01"  # a state in /proc/net/tcp


class NetworkTest(RemoteTest):
    """The hosts are in a user namespace of the test's, which needs no privilege where the kernel
    lets anybody make one; where it does not, the tests are skipped."""

    def setUp(self):
        super().setUp()
        for tool in ("unshare", "nsenter", "ip"):
            if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
                self.skipTest(f"no {tool} program: Debian has it in util-linux or iproute2")
        self.ours = self.host(["unshare", "-r", "-n"])
        self.hosts = {}

    def host(self, made_by):
        """A namespace that lives as long as the test. Returns the process that keeps it."""
        keeper = subprocess.Popen([*made_by, "sh", "-c", "echo made; exec sleep infinity"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(self._end, keeper)
        if keeper.stdout.readline() != "made\n":
            self.skipTest("no network namespace can be made here: " + keeper.stderr.read())
        return keeper

    @staticmethod
    def inside(keeper):
        """What executes a command in a host."""
        return ["nsenter", "-t", str(keeper.pid), "-U", "--preserve-credentials", "-n"]

    def ip(self, keeper, *args):
        """Has a host's network changed."""
        done = subprocess.run([*self.inside(keeper), "ip", *args], capture_output=True, text=True,
                              check=False, env={**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:"
                                                "/bin"})
        if "Operation not supported" in done.stderr or "Unknown device type" in done.stderr:
            self.skipTest("this kernel has no veth: " + done.stderr)
        self.assertEqual(done.returncode, 0, f"ip {args}: {done.stderr}")

    def far(self, name, *args):
        """Starts a worker on a host of its own. Returns it and its address."""
        number = len(self.hosts) + 1
        other = self.host([*self.inside(self.ours)[:-1], "unshare", "-n"])
        self.hosts[name] = other
        net = f"10.77.{number}"
        self.ip(self.ours, "link", "add", "to-" + name, "type", "veth", "peer", "name", "cable",
                "netns", str(other.pid))
        self.ip(self.ours, "addr", "add", net + ".1/24", "dev", "to-" + name)
        self.ip(other, "addr", "add", net + ".2/24", "dev", "cable")
        self.plug(name)
        self.ip(other, "link", "set", "cable", "up")
        return self.worker(name, "--insecure-plaintext=any", *args, listen=net + ".2:9000",
                           before=self.inside(other))

    def plug(self, name):
        """Puts the cable to a host in."""
        self.ip(self.ours, "link", "set", "to-" + name, "up")

    def unplug(self, name):
        """Pulls the cable to a host out: neither end is told."""
        self.ip(self.ours, "link", "set", "to-" + name, "down")

    def near(self, remote, count, script, *args):
        """An array() of tasks, on our host."""
        return self.array(",".join(remote), count, script, "--insecure-plaintext=any", *args,
                          before=self.inside(self.ours))

    def connected(self, name):
        """Whether our host has a connection to that one which it takes for a good one."""
        return any(row[2] == self.wire_address(name) for row in self.connections(self.ours))

    def sends_again(self, name):
        """Whether that host has sent something to ours once more, and has no answer still."""
        return any(row[1] == self.wire_address(name) and int(row[6], 16) > 0
                   for row in self.connections(self.hosts[name]))

    def wire_address(self, name):
        """Where that host's worker listens, as the kernel writes it: 10.77.number.2:9000."""
        return f"02{list(self.hosts).index(name) + 1:02X}4D0A:2328"

    @staticmethod
    def connections(keeper):
        """The fields of each open connection of a host, as in proc(5)."""
        with open(f"/proc/{keeper.pid}/net/tcp") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        return [row for row in rows if row[3] == ESTABLISHED]
