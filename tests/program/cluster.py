# SPDX-License-Identifier: MIT
"""Workers, runs on them, and a proxy between that does harm: for the tests of `run --remote`."""
import json
import os
import socket
import threading
import time

from program import ProgramTest


class Proxy:
    """Stands between a client and a worker; harms what passes as it is told."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.silent = threading.Event()   # swallows what comes, and keeps the connections open
        self.corrupt = threading.Event()  # flips one bit of the next piece from the worker
        self.delay = 0.0                  # seconds, each way
        self.pairs = []
        self.made = 0                     # connections so far
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # it was closed
            host, port = self.target.rsplit(":", 1)
            try:
                worker = socket.create_connection((host, int(port)))
            except OSError:
                client.close()
                continue
            self.pairs.append((client, worker))
            self.made += 1
            for one, other, back in ((client, worker, False), (worker, client, True)):
                threading.Thread(target=self.pump, args=(one, other, back), daemon=True).start()

    def pump(self, source, sink, back):
        try:
            while data := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                if self.silent.is_set():
                    continue
                if back and self.corrupt.is_set():
                    self.corrupt.clear()
                    data = bytes([data[0]]) + bytes([data[1] ^ 4]) + data[2:]
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()

    def cut(self):
        """Ends all connections that pass now."""
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


class RemoteTest(ProgramTest):
    def worker(self, name, *args, listen=None):
        """Starts one, at a Unix socket unless told otherwise. Returns it and its address."""
        listen = listen or "unix:" + self.path(name)
        with open(self.path(name + ".log"), "w") as log:
            process = self.start("worker", "--print-address", "--slots", "2", "--name", name,
                                 "--listen", listen, *args, stderr=log)
        return process, process.stdout.readline().strip()

    def task(self, remote, *args):
        """Starts a run of one task that sleeps, and waits until it does. Returns run and task."""
        run = self.start("run", "--remote", remote, *args, "--", "sh", "-c",
                         f"echo $$ >{self.path('pid')}; exec sleep 600")
        self.wait_until("the task runs", lambda: os.path.exists(self.path("pid")) and
                        self.read("pid").endswith("\n"))
        return run, int(self.read("pid"))

    def plain(self, name, *args):
        return self.worker(name, "--insecure-plaintext", *args, listen="127.0.0.1:0")

    def sweep(self, remote, count, script, *args):
        """Starts a run of `script` for 1 to count, which complains into `run.err`, and waits until
        the first has ended. Returns the process."""
        with open(self.path("run.err"), "w") as err:
            run = self.start("run", "--remote", remote, "--json", "--array", f"1-{count}", *args,
                             "--", "sh", "-c", script, stderr=err)
        run.begun = run.stdout.readline()
        self.assertNotEqual(run.begun, "", self.read("run.err"))
        return run

    def done(self, run, count):
        """Expects that every task ended well, once, and printed its number. Returns them."""
        out = run.begun + run.stdout.read()
        code = run.wait(timeout=60)
        err = self.read("run.err")
        tasks = [json.loads(line) for line in out.splitlines()]
        tasks = [one for one in tasks if one["type"] == "task"]
        self.assertEqual([one["seq"] for one in tasks if not one["ok"]], [], err)
        self.assertEqual(sorted(one["seq"] for one in tasks), list(range(1, count + 1)), err)
        for one in tasks:
            self.assertEqual(one["stdout"]["data"], f"{one['seq']}\n")
        self.assertEqual(code, 0, err)
        return tasks
