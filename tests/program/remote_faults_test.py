# SPDX-License-Identifier: MIT
"""`repartir run --remote` when workers, clients, connections and certificates fail."""
import signal
import time
import unittest

from cluster import GATED, Proxy, RemoteTest
from program import alive, pending


class FaultTest(RemoteTest):
    def authority(self):
        """Makes certificates for a worker w and a client me."""
        self.run_ok("pki", "init", "--dir", "pki")
        self.run_ok("pki", "issue", "worker", "w", "--host", "127.0.0.1", "--dir", "pki")
        self.run_ok("pki", "issue", "client", "me", "--dir", "pki")

    @staticmethod
    def tls(name, crl=None):
        """Options of an end that shows this certificate, and knows of revoked ones or not."""
        options = ["--tls-ca", "pki/ca.crt", "--tls-cert", f"pki/{name}.crt",
                   "--tls-key", f"pki/{name}.key"]
        return options + (["--tls-crl", f"pki/{crl}.pem"] if crl else [])


class Revocation(FaultTest):
    def setUp(self):
        super().setUp()
        self.authority()

    def test_a_worker_that_is_revoked_gets_nothing_more(self):
        _, address = self.worker("w", *self.tls("w"), listen="127.0.0.1:0")
        run = self.sweep(address, 10_000, "sleep 0.05; echo $0", "--reach", "1s",
                         *self.tls("me", "crl"))
        self.run_ok("pki", "revoke", "w", "--dir", "pki")
        out = run.stdout.read()
        self.assertEqual(run.wait(timeout=60), 3)
        self.assertIn("revoked", out)

    def test_a_client_that_is_revoked_is_turned_away(self):
        _, address = self.worker("w", *self.tls("w", "crl"), listen="127.0.0.1:0")
        run = self.sweep(address, 10_000, "sleep 0.05; echo $0", "--reach", "1s",
                         *self.tls("me"))
        self.run_ok("pki", "revoke", "me", "--dir", "pki")
        out = run.stdout.read()
        self.assertEqual(run.wait(timeout=60), 3)
        self.assertIn("revoked", out)
        self.assertIn("revoked", self.read("w.log"))


class Roles(FaultTest):
    def test_a_certificate_serves_in_its_role_only(self):
        self.authority()
        _, address = self.worker("w", *self.tls("w"), listen="127.0.0.1:0")
        done = self.run_program("run", "--remote", address, "--reach", "1s", *self.tls("w"), "true")
        self.assertEqual(done.returncode, 3)
        why = "the certificate is for the role worker, and hello came as client: only clients"
        self.assertIn(why, done.stderr)
        self.assertRegex(self.read("w.log"),
                         f'level=warning event=refused connection=[0-9]+ why="{why}')
        self.assertIn("is for the role client, and who listens must be a worker",
                      self.refused("worker", "--listen", "127.0.0.1:0", *self.tls("me")))


class Faults(FaultTest):
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

    def test_who_stops_and_goes_on_is_where_it_was(self):
        worker, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        run = self.array(proxy.address, 2, f"cd {self.folder}; {GATED}", "--insecure-plaintext")
        self.wait_until("both tasks run", lambda: len(self.begun("w")) == 2)
        for stopped, task in ((worker, "1"), (run, "2")):
            stopped.send_signal(signal.SIGSTOP)
            made = proxy.made
            self.wait_until("it is given up", lambda made=made: len(proxy.over) == made)
            stopped.send_signal(signal.SIGCONT)
            self.wait_until("it is back", lambda made=made: proxy.made > made)
            self.let_go("w", task)
            run.begun += run.stdout.readline()
        self.once_at("w", ["1", "2"], run)

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

    def test_output_that_streams_comes_once_however_often_a_connection_is_cut(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        wanted = [f"{stream} {number}\n" for number in range(40) for stream in ("out", "err")]
        go = self.path("go")
        with open(self.path("run.err"), "w") as err:
            run = self.start("run", "--quiet", "--remote", proxy.address, "--insecure-plaintext",
                             "--stream", "--", "sh", "-c",
                             "i=0; while [ $i -lt 40 ]; do echo out $i; echo err $i >&2; "
                             f"until [ -e {go}.$i ]; do sleep 0.01; done; i=$((i + 1)); done",
                             stderr=err)
        lines = []
        for number in range(40):
            lines.append(run.stdout.readline())
            if number % 10 == 5:
                made = proxy.made
                proxy.cut()
                if number != 35:  # then it ends on the way, too
                    self.wait_until("a new connection", lambda made=made: proxy.made > made)
            self.write(f"go.{number}", "")
        self.assertEqual(run.wait(timeout=60), 0, self.read("run.err"))
        lines += run.stdout.readlines()
        self.assertEqual(lines, [one for one in wanted if one.startswith("out")])
        self.assertEqual([one for one in self.read("run.err").splitlines(True) if "err" in one],
                         [one for one in wanted if one.startswith("err")])

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

    def damaged(self, address, *args):
        """Expects that tasks end well, once each, though a bit of the bytes is flipped each way."""
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        run = self.sweep(proxy.address, 40, "sleep 0.05; echo $0", *args)
        for back in (True, False):
            made = proxy.made
            proxy.corrupt[back].set()
            self.wait_until("a new connection", lambda made=made: proxy.made > made)
            self.assertFalse(proxy.corrupt[back].is_set())
        self.done(run, 40)

    def test_bytes_that_are_damaged_end_the_connection_and_no_task(self):
        _, address = self.plain("w")
        self.damaged(address, "--insecure-plaintext")

    def test_the_same_over_tls(self):
        self.authority()
        _, address = self.worker("w", *self.tls("w"), listen="127.0.0.1:0")
        self.damaged(address, *self.tls("me"))

    def test_a_slow_network_delays_and_loses_nothing(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        proxy.delay = 0.05
        self.addCleanup(proxy.close)
        self.done(self.sweep(proxy.address, 30, "echo $0", "--insecure-plaintext"), 30)

    def test_a_client_that_vanishes_leaves_nothing_running(self):
        _, address = self.worker("w", "--keep-work", "500ms")  # then it does not come back
        run, pid = self.task(address)
        run.kill()
        run.wait()
        self.wait_until("the task is gone", lambda: not alive(pid))

    def interrupted_twice(self, run):
        """Returns how many seconds it took to end after the second."""
        run.send_signal(signal.SIGINT)
        self.wait_until("the first to be heard", lambda: not pending(run.pid, signal.SIGINT))
        begin = time.monotonic()
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=60), 5)
        return time.monotonic() - begin

    def test_a_second_ctrl_c_ends_the_run_whatever_the_worker_does(self):
        worker, address = self.worker("w")
        run, _ = self.task(address)
        worker.send_signal(signal.SIGSTOP)
        self.assertLess(self.interrupted_twice(run), 2)
        worker.send_signal(signal.SIGCONT)

    def test_a_second_ctrl_c_kills_what_runs_there(self):
        _, address = self.worker("w")
        run = self.start("run", "--remote", address, "--kill-grace", "1h", "--", "sh", "-c",
                         f"trap '' TERM; echo $$ >{self.path('pid')}; while :; do sleep 0.1; done")
        self.wait_until("the task runs", lambda: self.lines("pid"))
        self.interrupted_twice(run)
        self.wait_until("it is gone", lambda: not alive(int(self.lines("pid")[0])))

    def test_a_retry_that_comes_due_when_nobody_is_there_ends_the_run(self):
        worker, address = self.worker("w")
        with open(self.path("run.err"), "w") as err:
            run = self.start("run", "--remote", address, "--reach", "100ms", "--retries", "3",
                             "--retry-delay", "2s", "--", "sh", "-c",
                             f"touch {self.path('begun')}; exit 1", ":::", "a", "b", "c",
                             stderr=err)
        self.wait_for_file("begun")
        worker.kill()
        self.assertEqual(run.wait(timeout=60), 3, self.read("run.err"))
        self.assertEqual(self.read("run.err").count("no worker could be reached"), 3)

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
