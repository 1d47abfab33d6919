# SPDX-License-Identifier: MIT
"""`repartir worker` from outside: addresses, signals, refusals, supervision, service manager."""
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import unittest

from program import PROGRAM, ProgramTest, alive

LOGFMT = re.compile(r'(?:[a-z_]+=(?:"(?:\\.|[^"\\])*"|[^\s"=]+)(?: |$))+')


class WorkerTest(ProgramTest):
    """A worker's log goes to the file `log`."""

    def setUp(self):
        super().setUp()
        self.env["XDG_CONFIG_HOME"] = self.path("config")
        os.makedirs(self.path("config/repartir"))
        self.write("config/repartir/worker.toml", "")
        self.unix = "unix:" + self.path("socket")

    def worker(self, *args, **options):
        """Starts one that listens at a Unix socket unless args say more, and waits until it does.
        Returns the process and its addresses."""
        listens = [] if "--listen" in args else ["--listen", self.unix]
        with open(self.path("log"), "w") as log:
            process = self.start("worker", "--print-address", *listens, *args, stderr=log,
                                 **options)
        count = max(args.count("--listen"), 1)
        return process, [process.stdout.readline().strip() for _ in range(count)]

    def log(self):
        return self.read("log")

    def logged(self, event):
        """Waits for a line with the event. Returns the last."""
        def lines():
            return [line for line in self.log().splitlines() if f" event={event}" in line]
        self.wait_until(event, lines)
        return lines()[-1]

    def ends(self, process, code):
        """Expects the exit code and nothing more on standard output."""
        rest = process.communicate(timeout=60)[0]
        self.assertEqual((process.returncode, rest), (code, ""), self.log())


class Worker(WorkerTest):
    def test_each_gentle_signal_drains(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                process, addresses = self.worker()
                self.assertEqual(addresses, [self.unix])
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(self.path("socket"))
                self.logged("connected")
                process.send_signal(number)
                self.ends(process, 0)
                self.assertIn(f"event=draining reason={number.name} deadline_ms=30000", self.log())
                self.assertIn("event=ended how=drained", self.log())
                self.assertFalse(os.path.exists(self.path("socket")))

    def test_a_second_signal_stops_at_once(self):
        process, _ = self.worker()
        process.send_signal(signal.SIGSTOP)  # so that both are there when it looks
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        self.ends(process, 5)
        self.assertIn("event=stopping", self.log())

    def test_the_log_is_logfmt_with_time_and_level(self):
        process, _ = self.worker("--name", 'a "b"\nc', "--drain-timeout", "2s")
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)
        lines = self.log().splitlines()
        self.assertGreaterEqual(len(lines), 4)
        for line in lines:
            self.assertRegex(line, r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=[a-z]+ "
                                   r"event=[a-z-]+( |$)")
            self.assertTrue(LOGFMT.fullmatch(line), line)
        self.assertIn(r'name="a \"b\"\nc"', self.log())

    def test_stdout_is_quiet_unless_asked(self):
        with open(self.path("log"), "w") as log:
            process = self.start("worker", "--listen", self.unix, stderr=log)
        self.logged("serving")
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)

    def test_port_0_is_printed_as_what_it_became(self):
        process, addresses = self.worker("--listen", "127.0.0.1:0", "--listen", self.unix,
                                         "--insecure-plaintext")
        self.assertRegex(addresses[0], r"^127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(addresses[1], self.unix)
        socket.create_connection(("127.0.0.1", int(addresses[0].split(":")[1]))).close()
        self.assertIn(" level=warning event=insecure-plaintext ", self.log())
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)

    def test_addresses_that_cannot_be_printed_end_it(self):
        with open("/dev/full", "w") as full:
            result = self.run_program("worker", "--listen", self.unix, "--print-address",
                                      stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output cannot be written", result.stderr)

    def test_it_raises_its_soft_limit_of_open_files(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lower = min(hard, 256)
        process, _ = self.worker(
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard)))
        with open(f"/proc/{process.pid}/limits") as limits:
            line = next(line for line in limits if line.startswith("Max open files"))
        soft, hard_now = line.split()[3:5]
        self.assertEqual(soft, hard_now)
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)

    def test_a_log_that_nobody_reads_stops_nothing(self):
        process = self.start("worker", "--listen", self.unix, "--print-address")
        process.stdout.readline()
        for _ in range(2000):  # two lines each: more than a pipe takes
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path("socket"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)


class Refusals(WorkerTest):
    def test_mistakes_are_one_sentence(self):
        files = ("--tls-ca", "no-ca", "--tls-cert", "no-cert", "--tls-key", "no-key")
        for args, words in (
                ((), "no address to listen at"),
                (("--listen", "a:b:c"), "'a:b:c' is no address"),
                (("--listen", "127.0.0.1:70000"), "is no address"),
                (("--listen", "127.0.0.1:0"), "TCP needs certificates"),
                (("--listen", "0.0.0.0:0", "--insecure-plaintext"), "--insecure-plaintext=any"),
                (("--listen", self.unix, "--socket-group", "no such"), "'no such' is not known"),
                (("--listen", "unix:/nowhere/at/all"), "cannot listen at unix:/nowhere/at/all: its"
                 " folder does not exist, make it"),
                (("--listen", "unix:/dev/null"), "a file is there that is no socket"),
                (("--listen", "unix:" + "x" * 200), "at most 107 bytes"),
                (("--listen", self.unix, "more"), 'leave "more" away'),
                (("--listen",), "needs a value"),
                (("--lisen", "x"), "did you mean --listen?"),
                (("--listen", self.unix, "--slots", "many"), "--slots"),
                (("--listen", "127.0.0.1:0", "--tls-cert", "c"), "TLS needs --tls-ca too"),
                (("--listen", "127.0.0.1:0", *files), "--tls-cert: there is no file no-c")):
            with self.subTest(args):
                self.assertIn(words, self.refused("worker", *args))

    def test_a_socket_of_another_worker_stays(self):
        first, _ = self.worker()
        os.unlink(self.path("socket"))
        second, _ = self.worker()
        first.terminate()
        self.assertEqual(first.wait(timeout=60), 0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path("socket"))
        second.terminate()
        self.assertEqual(second.wait(timeout=60), 0)
        self.assertFalse(os.path.exists(self.path("socket")))

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for more in ((), ("--supervise",)):
                result = self.run_program("worker", "--listen", f"127.0.0.1:{port}",
                                          "--insecure-plaintext", *more)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn("another program does so already", result.stderr)
                self.assertNotIn("crashed", result.stderr)


class Tls(WorkerTest):
    def setUp(self):
        super().setUp()
        self.run_ok("pki", "init", "--dir", "pki", "--name", "test")
        self.run_ok("pki", "issue", "worker", "w", "--dir", "pki", "--host", "127.0.0.1")
        self.run_ok("pki", "issue", "client", "c", "--dir", "pki")
        self.files = ["--tls-ca", "pki/ca.crt", "--tls-cert", "pki/w.crt", "--tls-key", "pki/w.key"]

    def handshake(self, port, certificate=None):
        """Connects with a client's certificate or none. Returns the version of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.path("pki/ca.crt"))
        if certificate:
            context.load_cert_chain(self.path(f"pki/{certificate}.crt"),
                                    self.path(f"pki/{certificate}.key"))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as secure:
                return secure.version()

    def test_who_shows_no_certificate_is_refused(self):
        process, addresses = self.worker("--listen", "127.0.0.1:0", *self.files)
        port = int(addresses[0].rsplit(":", 1)[1])
        self.assertEqual(self.handshake(port, "c"), "TLSv1.3")
        self.logged("connected")
        self.handshake(port)  # its end of TLS 1.3 is done before it is judged
        self.assertIn("certificate", self.logged("refused"))
        self.assertNotIn("insecure-plaintext", self.log())
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)

    def test_files_that_cannot_serve_are_one_sentence(self):
        os.chmod(self.path("pki/c.key"), 0o644)
        self.write("empty", "")
        for at, file in ((1, "none.crt"), (1, "empty"), (3, "none.crt"), (3, "pki/c.crt"),
                         (5, "pki/c.key"), (5, "empty")):
            with self.subTest(file):
                files = list(self.files)
                files[at] = file
                self.assertIn(file, self.refused("worker", "--listen", "127.0.0.1:0", *files))
        self.assertIn("none.crl", self.refused("worker", "--listen", "127.0.0.1:0", *self.files,
                                               "--tls-crl", "none.crl"))


class Supervised(WorkerTest):
    def child(self):
        return int(re.search(r" pid=(\d+)", self.logged("supervising")).group(1))

    def test_a_crash_is_mended_and_a_drain_is_not(self):
        process, _ = self.worker("--supervise")
        first = self.child()
        os.kill(first, signal.SIGKILL)
        self.assertEqual(process.stdout.readline().strip(), self.unix)  # by the next one
        second = self.child()
        self.assertNotEqual(first, second)
        self.assertRegex(self.logged("crashed"), f"pid={first} code=137 crashes=1 restart_ms=")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path("socket"))
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)
        self.assertFalse(alive(second))
        self.assertEqual(self.log().count("event=crashed"), 1)
        self.assertEqual(self.log().count("event=draining"), 1)

    def test_a_drain_of_the_worker_itself_ends_both(self):
        process, _ = self.worker("--supervise")
        os.kill(self.child(), signal.SIGTERM)
        self.ends(process, 0)

    def test_no_restart_after_a_signal_while_it_waits(self):
        process, _ = self.worker("--supervise")
        os.kill(self.child(), signal.SIGKILL)
        self.logged("crashed")
        process.send_signal(signal.SIGTERM)  # it may just have been started again
        self.assertEqual(process.wait(timeout=60), 0, self.log())

    def test_the_worker_dies_with_its_parent(self):
        process, _ = self.worker("--supervise")
        child = self.child()
        process.kill()
        process.wait()
        self.wait_until("the end of the worker", lambda: not alive(child))


class Notified(WorkerTest):
    def setUp(self):
        super().setUp()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path("notify"))
        self.manager.settimeout(60)
        self.env["NOTIFY_SOCKET"] = self.path("notify")

    def told(self):
        return self.manager.recv(4096).decode()

    def test_ready_and_stopping(self):
        process, _ = self.worker("--drain-timeout", "2s")
        self.assertEqual(self.told(), "READY=1")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=17000000")
        self.ends(process, 0)

    def test_the_loop_keeps_the_watchdog_quiet(self):
        self.env["WATCHDOG_USEC"] = "100000"
        process, _ = self.worker()
        self.assertEqual(self.told(), "READY=1")
        for _ in range(3):
            self.assertEqual(self.told(), "WATCHDOG=1")
        process.kill()

    def test_a_supervised_worker_tells_too(self):
        self.env["WATCHDOG_USEC"] = "100000"
        script = 'WATCHDOG_PID=$$ exec "$0" worker --supervise --listen "$1" 2> log'
        process = subprocess.Popen(["sh", "-c", script, PROGRAM, self.unix], cwd=self.folder,
                                   env=self.env)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(self.told(), "READY=1")
        self.assertEqual(self.told(), "WATCHDOG=1")

    def test_a_watchdog_of_somebody_else_is_none_of_ours(self):
        self.env.update(WATCHDOG_USEC="1000", WATCHDOG_PID="1")
        process, _ = self.worker()
        self.assertEqual(self.told(), "READY=1")
        process.send_signal(signal.SIGTERM)
        self.assertTrue(self.told().startswith("STOPPING=1\n"))

    def test_a_manager_that_is_gone_is_borne(self):
        self.env["NOTIFY_SOCKET"] = self.path("gone")
        process, _ = self.worker()
        self.logged("not-told")
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)


if __name__ == "__main__":
    unittest.main()
