# SPDX-License-Identifier: MIT
"""`repartir run --remote` against real workers: over sockets and TLS."""
import json
import os
import signal
import socket
import time
import unittest

from cluster import Proxy, RemoteTest
from program import alive


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

    def test_progress_says_where_tasks_run(self):
        _, address = self.worker("w")
        for here, wanted in ((["--workers", "1"], "cpu: 1, remote: 2 running"),
                             ([], "failed, remote: 2 running")):
            with self.subTest(wanted):
                script = f"until [ -e {self.path('go')} ]; do sleep 0.02; done; echo $0"
                run = self.array(address, 12, script, "--progress", "bar", *here)
                self.wait_until("the bar says so", lambda: wanted in self.read("run.err"))
                self.write("go", "")
                self.done(run, 12)
                os.remove(self.path("go"))

    def test_input_files_and_output_files_are_ours(self):
        _, address = self.worker("w")
        text = "x" * 300_000
        self.write("in", text)
        done = self.run_program("run", "--remote", address, "--stdin", "in", "-o", "out", "--",
                                "sh", "-c", "cat; echo $0 >&2", ":::", "a", "b")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("out/000001-a.out"), text)
        self.assertEqual(self.read("out/000002-b.err"), "b\n")

    def test_input_that_cannot_be_sent_is_named(self):
        _, address = self.worker("w")
        self.write("large", b"x" * ((15 << 20) + 1))
        for name, word in (("large", "large has more than 15 MiB"),
                           (self.folder, "cannot be read here"), ("none", "none")):
            with self.subTest(name):
                done = self.run_program("run", "--remote", address, "--stdin", name, "--", "cat")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(word, done.stderr)

    def test_our_standard_input_is_sent_where_that_is_asked_for(self):
        _, address = self.worker("w")
        for more, out in ((["--stdin", "-"], "hello"), ([], ""),
                          (["--stdin", "-", "--workers", "1"], "hello")):
            with self.subTest(more):
                self.assertEqual(self.run_ok("run", "--remote", address, *more, "--", "cat",
                                             input="hello"), out)

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
        run, pid = self.task(address)
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=60), 5)
        self.wait_until("the task is gone", lambda: not alive(pid))


class Choices(RemoteTest):
    """Why tasks ran where they ran."""

    def test_a_slow_way_is_measured_and_counts(self):
        _, address = self.plain("w")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        proxy.rate = 4_000_000
        tasks, code = self.ended(self.array(
            proxy.address, 40, "sleep 0.05; head -c 2000000 /dev/urandom", "--workers", "1",
            "--explain=choices", "--insecure-plaintext"), 40)
        self.assertEqual(code, 0)
        numbers = [one["attempts"][-1]["candidates"] for one in tasks]
        for two in numbers:
            self.assertEqual([one["chosen"] for one in two].count(True), 1, two)
        far = [one for two in numbers for one in two if "1 worker" in one["where"]]
        self.assertEqual(len(far), 40)
        # 2 MB at 4 MB/s
        self.assertGreater(max(one["transfer_ns"] for one in far), 250_000_000)
        self.assertLess(max(one["transfer_ns"] for one in far), 2_000_000_000)

    def far_away(self, count, script):
        """Runs tasks on one core here and two that are 50 ms away. Returns how many ran there."""
        _, address = self.plain("far")
        proxy = Proxy(address)
        self.addCleanup(proxy.close)
        proxy.delay = 0.025
        tasks, code = self.ended(self.array(proxy.address, count, script, "--workers", "1",
                                            "--insecure-plaintext"), count)
        self.assertEqual(code, 0, self.read("run.err"))
        return [one["attempts"][-1]["where"] for one in tasks].count("far/cpu")

    def test_what_is_short_stays_here(self):
        self.assertLess(self.far_away(200, ":"), 20)

    def test_what_is_long_is_shared(self):
        self.assertEqual(self.far_away(6, "sleep 1"), 4)

    def test_large_tasks_that_wait_leave_small_workers_to_small_tasks(self):
        names = {"large": 4, "one": 1, "two": 1}
        remote = ",".join(self.worker(name, "--slots", str(slots))[1]
                          for name, slots in names.items())
        script = (f"cd {self.folder}; [ $0 -gt 8 ] || until [ -e go ]; do sleep 0.02; done; "
                  "echo $0 >>ended; echo $0")
        jobs = [{"program": "sh", "args": ["-c", script, str(number)],
                 "cores": 4 if number <= 8 else 1} for number in range(1, 17)]
        with open(self.path("run.err"), "w") as err:
            run = self.start("run", "--remote", remote, "--json", "--from-json",
                             self.write("jobs", json.dumps(jobs)), stderr=err)
        run.begun = ""
        self.wait_until("small ones have ended", lambda: len(self.lines("ended")) >= 4)
        self.write("go", "")
        self.done(run, 16)

    def test_in_words(self):
        _, address = self.worker("w")
        done = self.run_program("run", "--quiet", "--remote", address, "--workers", "1",
                                "--explain=choices", "--", "echo", ":::", "a", "b", "c")
        self.assertEqual(done.returncode, 0)
        for task, label in (("1", "a"), ("2", "b"), ("3", "c")):
            said = [line for line in done.stderr.splitlines() if f"task {task} ({label})" in line]
            self.assertEqual(len(said), 3, done.stderr)
            self.assertEqual(["chosen" in line for line in said].count(True), 1)
            self.assertRegex(said[2], r"exited 0, after [0-9.]+ [mu]s, at \S+/cpu$")

    def test_a_task_that_takes_much_longer_than_others_is_noted(self):
        _, address = self.worker("w")
        tasks, _ = self.ended(self.array(
            address, 8, "if [ $0 = 8 ]; then sleep 1.5; else sleep 0.02; fi"), 8)
        noted = {one["seq"]: one["attempts"][-1].get("notes") for one in tasks}
        self.assertEqual([seq for seq, notes in noted.items() if notes], [8], noted)
        self.assertRegex(noted[8][0], r"^ran 1\.\d+ s where .* ms were expected$")


class Addresses(RemoteTest):
    def test_one_worker_at_two_addresses_is_one_worker(self):
        worker, first = self.worker("w", "--listen", "unix:" + self.path("other"))
        second = worker.stdout.readline().strip()
        run = self.array(f"{first},{second},{first}", 200, "sleep 0.01; echo $0")
        self.done(run, 200)
        self.assertLess(self.read("w.log").count("event=connected"), 10)


class Plaintext(RemoteTest):
    """Every start without TLS says so, once, on standard error; --quiet changes nothing."""

    def warnings(self, address, *args):
        done = self.run_program("run", "--remote", address, *args, "--", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        return [line for line in done.stderr.splitlines() if "warning" in line]

    def test_it_is_warned_of_at_every_start(self):
        _, address = self.plain("w")
        for option in ("--insecure-plaintext", "--insecure-plaintext=any"):
            for more in ([], ["--quiet"]):
                with self.subTest(option=option, more=more):
                    said = self.warnings(address, option, *more)
                    self.assertEqual(len(said), 1, said)
                    self.assertIn(f"repartir: warning: {option}: ", said[0])

    def test_without_it_nothing_is_said(self):
        _, address = self.worker("w")
        self.assertEqual(self.warnings(address), [])
        done = self.run_program("run", "--insecure-plaintext", "--", "echo")
        self.assertEqual(done.stderr, "", "there is no connection at all")


class ManyWorkers(RemoteTest):
    AT_ONCE = 128

    def test_a_client_shakes_hands_with_so_many_at_once(self):
        self.run_ok("pki", "init", "--dir", "pki")
        self.run_ok("pki", "issue", "client", "me", "--dir", "pki")
        silent = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.addCleanup(silent.close)
        address = "127.0.0.1:%d" % silent.getsockname()[1]
        self.start("run", "--remote", ",".join([address] * (self.AT_ONCE + 50)), "--tls-ca",
                   "pki/ca.crt", "--tls-cert", "pki/me.crt", "--tls-key", "pki/me.key", "--",
                   "true")
        silent.settimeout(20)
        taken = [silent.accept()[0] for _ in range(self.AT_ONCE)]
        silent.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            silent.accept()[0].close()
        taken.pop().close()
        silent.settimeout(20)
        silent.accept()[0].close()  # the next
        for one in taken:
            one.close()


class Refusals(RemoteTest):
    def test_nobody_there(self):
        started = time.monotonic()
        done = self.run_program("run", "--remote", "unix:" + self.path("none"), "--reach", "300ms",
                                "--", "true")
        self.assertEqual(done.returncode, 3)
        self.assertIn("does not exist", done.stderr)
        self.assertLess(time.monotonic() - started, 8)

    def test_a_worker_that_is_frozen(self):
        """Its kernel takes connections that it does not know of."""
        self.run_program("pki", "init", "--dir", "pki")
        self.run_program("pki", "issue", "worker", "w", "--host", "127.0.0.1", "--dir", "pki")
        self.run_program("pki", "issue", "client", "c", "--dir", "pki")
        tls = {who: ["--tls-ca", "pki/ca.crt", "--tls-cert", f"pki/{who}.crt",
                     "--tls-key", f"pki/{who}.key"] for who in "wc"}
        for security, ours in ((["--insecure-plaintext"],) * 2, (tls["w"], tls["c"])):
            with self.subTest(security):
                worker, address = self.worker("w", *security, listen="127.0.0.1:0")
                worker.send_signal(signal.SIGSTOP)
                done = self.run_program("run", "--remote", address, *ours, "--reach", "1s", "--",
                                        "true")
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertRegex(done.stderr, f"{address} .it took the connection, but nothing "
                                 "answered within 1.0[0-9] s: see whether the process there is "
                                 "stopped")

    def test_a_task_that_is_larger_than_all_workers(self):
        _, address = self.worker("w")
        done = self.run_program("run", "--remote", address, "--reach", "300ms", "--cores", "5",
                                "--", "true", ":::", "a", "b")
        self.assertEqual(done.returncode, 6, done.stderr)
        for task in ("task 1 (a)", "task 2 (b)"):
            self.assertIn(task + ": could not be started: the task asks for 5 cores, the largest "
                          "executor has 2", done.stderr)

    def test_tcp_needs_certificates(self):
        done = self.run_program("run", "--remote", "127.0.0.1:1", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("certificates", done.stderr)

    def test_plaintext_to_another_machine_is_refused_at_once(self):
        for address in ("192.0.2.1:9000", "[2001:db8::1]:9000"):
            said = self.refused("run", "--remote", f"127.0.0.1:1,{address}", "--reach", "1h",
                                "--insecure-plaintext", "--", "true")
            self.assertIn(address + " is not on this machine", said)

    def test_addresses_and_options_that_make_no_sense(self):
        for args, word in ((["--remote", "a,,b"], "empty"),
                           (["--remote", "h:99999"], "--remote: 'h:99999' is no address"),
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
        done = self.run_program("run", "--remote", address, "--insecure-plaintext",
                                "--reach", "1s", "--", "true")
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"{address} (it speaks TLS, and was spoken to in plaintext: give both or "
                      "neither the TLS options)", done.stderr)
        self.assertIn("TLS", self.read("w.log"))


if __name__ == "__main__":
    unittest.main()
