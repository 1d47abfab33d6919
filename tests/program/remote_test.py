# SPDX-License-Identifier: MIT
"""`repartir run --remote` against real workers: over sockets, TLS, and everything that breaks."""
import json
import os
import signal
import socket
import threading
import time
import unittest

from program import ProgramTest, alive


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


class Working(RemoteTest):
    def test_one_program_gives_its_output_and_its_code(self):
        _, address = self.worker("w")
        done = self.run_program("run", "--remote", address, "--", "sh", "-c",
                                "echo out; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, "out\n"))
        self.assertIn("err\n", done.stderr)

    def test_many_tasks_over_two_workers_and_this_machine(self):
        _, first = self.worker("a")
        _, second = self.worker("b")
        run = self.sweep(f"{first},{second}", 200, "echo $0", "--workers", "1")
        tasks = self.done(run, 200)
        where = {one["attempts"][0]["where"].split("/")[0] for one in tasks}
        self.assertGreaterEqual(where, {"a", "b"})

    def test_input_files_and_output_files_are_ours(self):
        _, address = self.worker("w")
        text = "x" * 300_000
        self.write("in", text)
        done = self.run_program("run", "--remote", address, "--stdin", "in", "-o", "out", "--",
                                "sh", "-c", "cat; echo $0 >&2", ":::", "a", "b")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("out/000001-a.out"), text)
        self.assertEqual(self.read("out/000002-b.err"), "b\n")

    def test_output_streams(self):
        _, address = self.worker("w")
        os.mkfifo(self.path("go"))
        run = self.start("run", "--remote", address, "--stream", "--", "sh", "-c",
                         f"echo first; read x <{self.path('go')}; echo last")
        self.assertEqual(run.stdout.readline(), "first\n")
        self.write("go", "go\n")
        self.assertEqual(run.communicate(timeout=60)[0], "last\n")

    def test_what_cannot_be_started_says_so_as_it_would_here(self):
        _, address = self.worker("w")
        done = self.run_program("run", "--remote", address, "--", "no-such-program")
        self.assertEqual(done.returncode, 127)
        self.assertIn("no-such-program", done.stderr)

    def test_sigint_ends_what_runs_there(self):
        _, address = self.worker("w")
        run = self.start("run", "--remote", address, "--", "sh", "-c",
                         f"echo $$ >{self.path('pid')}; exec sleep 600")
        self.wait_until("the task runs", lambda: os.path.exists(self.path("pid")) and
                        self.read("pid").endswith("\n"))
        pid = int(self.read("pid"))
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=60), 5)
        self.wait_until("the task is gone", lambda: not alive(pid))


class Refusals(RemoteTest):
    def test_nobody_there(self):
        started = time.monotonic()
        done = self.run_program("run", "--remote", "unix:" + self.path("none"), "--", "true")
        self.assertEqual(done.returncode, 3)
        self.assertIn("does not exist", done.stderr)
        self.assertLess(time.monotonic() - started, 30)

    def test_tcp_needs_certificates(self):
        done = self.run_program("run", "--remote", "127.0.0.1:1", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("certificates", done.stderr)

    def test_addresses_and_options_that_make_no_sense(self):
        for args, word in ((["--remote", "a,,b"], "empty"), (["--remote", "h:99999"], "h:99999"),
                           (["--remote", "unix:/x", "--pin"], "--pin")):
            with self.subTest(args):
                done = self.run_program("run", *args, "--", "true")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(word, done.stderr)

    def test_plain_client_and_tls_worker_tell_each_other(self):
        self.run_program("pki", "init", "--dir", "pki")
        self.run_program("pki", "issue", "worker", "w", "--host", "127.0.0.1", "--dir", "pki")
        _, address = self.worker("w", "--tls-ca", "pki/ca.crt", "--tls-cert", "pki/w.crt",
                                 "--tls-key", "pki/w.key", listen="127.0.0.1:0")
        done = self.run_program("run", "--remote", address, "--insecure-plaintext", "--", "true")
        self.assertEqual(done.returncode, 3)
        self.assertIn("TLS", done.stderr)
        self.assertIn("TLS", self.read("w.log"))


class Revocation(RemoteTest):
    def setUp(self):
        super().setUp()
        self.run_ok("pki", "init", "--dir", "pki")
        self.run_ok("pki", "issue", "worker", "w", "--host", "127.0.0.1", "--dir", "pki")
        self.run_ok("pki", "issue", "client", "me", "--dir", "pki")

    def tls(self, name, crl):
        """Options of an end that shows this certificate."""
        options = ["--tls-ca", "pki/ca.crt", "--tls-cert", f"pki/{name}.crt",
                   "--tls-key", f"pki/{name}.key"]
        return options + (["--tls-crl", "pki/crl.pem"] if crl else [])

    def test_a_worker_that_is_revoked_gets_nothing_more(self):
        _, address = self.worker("w", *self.tls("w", False), listen="127.0.0.1:0")
        run = self.sweep(address, 10_000, "sleep 0.05; echo $0", *self.tls("me", True))
        self.run_ok("pki", "revoke", "w", "--dir", "pki")
        out = run.stdout.read()
        self.assertEqual(run.wait(timeout=60), 3)
        self.assertIn("revoked", out)

    def test_a_client_that_is_revoked_is_turned_away(self):
        _, address = self.worker("w", *self.tls("w", True), listen="127.0.0.1:0")
        run = self.sweep(address, 10_000, "sleep 0.05; echo $0", *self.tls("me", False))
        self.run_ok("pki", "revoke", "me", "--dir", "pki")
        out = run.stdout.read()
        self.assertEqual(run.wait(timeout=60), 3)
        self.assertIn("revoked", out)
        self.assertIn("revoked", self.read("w.log"))


class Faults(RemoteTest):
    def test_kill_9_of_a_worker_costs_time_and_no_result(self):
        victim, first = self.worker("a")
        _, second = self.worker("b")
        run = self.sweep(f"{first},{second}", 60, "sleep 0.05; echo $0")
        victim.kill()
        self.done(run, 60)

    def test_a_worker_that_restarts_is_used_again(self):
        victim, address = self.worker("w")
        run = self.sweep(address, 40, "sleep 0.05; echo $0")
        victim.kill()
        victim.wait()
        self.worker("w")
        self.done(run, 40)

    def test_a_worker_that_stops_is_done_without(self):
        victim, first = self.worker("a")
        _, second = self.worker("b")
        run = self.sweep(f"{first},{second}", 60, "sleep 0.05; echo $0")
        victim.send_signal(signal.SIGSTOP)
        self.done(run, 60)
        victim.send_signal(signal.SIGCONT)

    def test_connections_that_are_cut_are_made_again_and_nothing_runs_twice(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        script = f"echo $0 >>{self.path('runs')}; sleep 0.05; echo $0"
        run = self.sweep(proxy.address, 40, script, "--insecure-plaintext")
        for _ in range(3):
            proxy.cut()
            run.begun += run.stdout.readline()
        self.done(run, 40)
        self.assertEqual(sorted(self.read("runs").split(), key=int),
                         [str(i) for i in range(1, 41)])

    def test_a_connection_that_only_seems_open_is_found_out(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        run = self.sweep(proxy.address, 40, "sleep 0.05; echo $0", "--insecure-plaintext")
        proxy.silent.set()
        self.wait_until("the client gives the connection up", lambda: len(proxy.pairs) > 1)
        proxy.silent.clear()
        proxy.cut()
        self.done(run, 40)

    def test_bytes_that_are_damaged_end_the_connection_and_no_task(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        run = self.sweep(proxy.address, 40, "sleep 0.05; echo $0", "--insecure-plaintext")
        proxy.corrupt.set()
        self.done(run, 40)
        self.assertFalse(proxy.corrupt.is_set())
        self.assertGreater(proxy.made, 1)

    def test_a_slow_network_delays_and_loses_nothing(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        proxy.delay = 0.05
        self.addCleanup(proxy.close)
        self.done(self.sweep(proxy.address, 30, "echo $0", "--insecure-plaintext"), 30)

    def test_a_client_that_vanishes_leaves_nothing_running(self):
        _, address = self.worker("w")
        run = self.start("run", "--remote", address, "--", "sh", "-c",
                         f"echo $$ >{self.path('pid')}; exec sleep 600")
        self.wait_until("the task runs", lambda: os.path.exists(self.path("pid")) and
                        self.read("pid").endswith("\n"))
        pid = int(self.read("pid"))
        run.kill()
        run.wait()
        # it may come back within 20 s; then its task ends
        self.wait_until("the task is gone", lambda: not alive(pid))

    def test_draining_gives_back_what_has_not_begun(self):
        victim, first = self.worker("a")
        _, second = self.worker("b")
        run = self.sweep(f"{first},{second}", 60, "sleep 0.1; echo $0")
        victim.send_signal(signal.SIGTERM)
        self.assertEqual(victim.wait(timeout=60), 0)
        for one in self.done(run, 60):
            self.assertEqual(len(one["attempts"]), 1, "nothing was lost")


if __name__ == "__main__":
    unittest.main()
