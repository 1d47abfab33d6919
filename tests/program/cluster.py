# SPDX-License-Identifier: MIT
"""Workers, runs on them, and a proxy between that does harm: for the tests of `run --remote`."""
import json
import os
import socket
import threading
import time

from program import PATIENCE, ProgramTest, alive

# Says where it begins, and waits until it is let go there.
GATED = ('echo $$ >>"pids.$WHO"; echo $0 >>"began.$WHO"; '
         'until [ -e "go.$WHO.$0" ]; do sleep 0.02; done; echo $0')


class Proxy:
    """Stands between a client and a worker; harms what passes as it is told."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.silent = threading.Event()   # swallows what comes, and keeps the connections open
        self.corrupt = {True: threading.Event(),   # flips one bit of the next piece from the worker
                        False: threading.Event()}  # and to it
        self.delay = 0.0                  # seconds, each way
        self.rate = 0                     # bytes per second, each way; 0: as they come
        self.pairs = []
        self.made = 0                     # connections so far
        self.over = set()                 # those of them that an end has closed
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
                if self.delay or self.rate:
                    time.sleep(self.delay + (len(data) / self.rate if self.rate else 0))
                if self.silent.is_set():
                    continue
                if self.corrupt[back].is_set():
                    self.corrupt[back].clear()
                    data = data[:-1] + bytes([data[-1] ^ 4])
                sink.sendall(data)
        except OSError:
            pass
        self.over.add(source if back else sink)
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
    def worker(self, name, *args, listen=None, **options):
        """Starts one, at a Unix socket unless told otherwise, whose tasks find its name in $WHO.
        Returns it and its address."""
        listen = listen or "unix:" + self.path(name)
        options.setdefault("env", {**self.env, "WHO": name})
        with open(self.path(name + ".log"), "w") as log:
            process = self.start("worker", "--print-address", "--slots", "2", "--name", name,
                                 "--listen", listen, *args, stderr=log, **options)
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

    def array(self, remote, count, script, *args, **options):
        """Starts a run of `script` for 1 to count, which complains into `run.err`."""
        with open(self.path("run.err"), "w") as err:
            run = self.start("run", "--remote", remote, "--json", "--array", f"1-{count}", *args,
                             "--", "sh", "-c", script, stderr=err, **options)
        run.begun = ""
        return run

    def sweep(self, *args, **options):
        """An array(), of which the first has ended."""
        run = self.array(*args, **options)
        run.begun = run.stdout.readline()
        self.assertNotEqual(run.begun, "", self.read("run.err"))
        return run

    def lines(self, name):
        """What tasks have written to a file, which may not be there yet."""
        return self.read(name).split() if os.path.exists(self.path(name)) else []

    def begun(self, who):
        """The tasks that have begun at this worker, as often as they have."""
        return self.lines("began." + who)

    def let_go(self, who, tasks):
        for one in tasks:
            self.write(f"go.{who}.{one}", "")

    def running(self, who):
        """Whether any of the tasks that began at this worker has not ended."""
        return any(alive(int(pid)) for pid in self.lines("pids." + who))

    def once_at(self, who, tasks, run):
        """Expects that these tasks end well, and that each of them ran once, at this worker."""
        for one in self.done(run, len(tasks)):
            self.assertEqual(len(one["attempts"]), 1, one)
        self.assertEqual(sorted(self.begun(who)), tasks)

    def ended(self, run, count):
        """Expects that every task had one outcome. Returns their records, and the exit code."""
        out = run.begun + run.stdout.read()
        code = run.wait(timeout=PATIENCE)
        tasks = [json.loads(line) for line in out.splitlines()]
        tasks = [one for one in tasks if one["type"] == "task"]
        self.assertEqual(sorted(one["seq"] for one in tasks), list(range(1, count + 1)),
                         self.read("run.err"))
        return tasks, code

    def done(self, run, count):
        """Expects that every task ended well, once, and printed its number. Returns them."""
        tasks, code = self.ended(run, count)
        err = self.read("run.err")
        self.assertEqual([one["seq"] for one in tasks if not one["ok"]], [], err)
        for one in tasks:
            self.assertEqual(one["stdout"]["data"], f"{one['seq']}\n")
        self.assertEqual(code, 0, err)
        return tasks
