# SPDX-License-Identifier: MIT
"""A worker over TLS, seen by Python's own: whom it lets in, whom it refuses and how."""
import os
import re
import socket
import ssl
import struct
import unittest

from program import PATIENCE, ProgramTest


class SecureWorker(ProgramTest):
    def setUp(self):
        super().setUp()
        self.env["REPARTIR_PKI_DIR"] = self.path("pki")
        self.run_ok("pki", "init")
        self.run_ok("pki", "issue", "worker", "localhost")
        self.run_ok("pki", "issue", "client", "ada")

    def file(self, name):
        return os.path.join(self.path("pki"), name)

    def start_worker(self, *args):
        log = open(self.path("log"), "w+")
        self.addCleanup(log.close)
        self.worker = self.start(
            "worker", "--listen", "127.0.0.1:0", "--tls-ca", self.file("ca.crt"), "--tls-crl",
            self.file("crl.pem"), "--tls-cert", self.file("localhost.crt"), "--tls-key",
            self.file("localhost.key"), *args, stderr=log)
        self.wait_until("the worker listens", lambda: "event=listening" in self.read("log"))
        self.port = int(re.search(r"address=127\.0\.0\.1:(\d+)", self.read("log"))[1])

    def context(self, name="ada"):
        context = ssl.create_default_context(cafile=self.file("ca.crt"))
        if name:
            context.load_cert_chain(self.file(name + ".crt"), self.file(name + ".key"))
        return context

    def connect(self, context, host="localhost", session=None):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.addCleanup(plain.close)
        secure = context.wrap_socket(plain, server_hostname=host, session=session)
        self.addCleanup(secure.close)
        return secure

    def said(self, sentence):
        self.wait_until(sentence, lambda: sentence in self.read("log"))

    def assert_alert(self, name, connect):
        """TLS 1.3 tells a client only when it reads that it was refused."""
        with self.assertRaises(ssl.SSLError) as caught:
            connect().recv(1)
        self.assertIn(name, str(caught.exception).upper().replace(" ", "_"))

    def assert_quiet(self, connection):
        """It stands: the worker waits for what the client has to say."""
        connection.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE)


class WhoComesIn(SecureWorker):
    def setUp(self):
        super().setUp()
        self.start_worker()

    def test_a_client_with_a_certificate(self):
        connection = self.connect(self.context())
        self.assert_quiet(connection)
        self.assertEqual(connection.version(), "TLSv1.3")
        names = [pair for pair in connection.getpeercert()["subjectAltName"]]
        self.assertIn(("DNS", "localhost"), names)
        self.assertIn(("URI", "urn:repartir:role:worker"), names)
        self.said("peer=ada")

    def test_nobody_without_one(self):
        self.assert_alert("CERTIFICATE_REQUIRED", lambda: self.connect(self.context(None)))
        self.said("it showed no certificate")

    def test_nobody_of_another_authority(self):
        self.run_ok("pki", "init", "--dir", "other")
        self.run_ok("pki", "issue", "client", "eve", "--dir", "other")
        context = self.context(None)
        context.load_cert_chain(self.path("other/eve.crt"), self.path("other/eve.key"))
        self.assert_alert("UNKNOWN_CA", lambda: self.connect(context))
        self.said("was signed by no authority in")

    def test_nobody_who_wants_less_than_tls_1_3(self):
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assert_alert("PROTOCOL_VERSION", lambda: self.connect(context))
        self.said("speaks no TLS 1.3")

    def test_nobody_who_speaks_plaintext(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain:
            # The beginning of a frame: its length, then the magic number.
            plain.sendall(struct.pack("<I4s", 40, b"RPTR") + bytes(36))
            answer = plain.recv(4096)
        self.assertEqual(answer[4:8], b"RPTR")
        self.assertIn(b"it speaks TLS, and was spoken to in plaintext", answer)
        self.said("speaks plaintext where this end speaks TLS")

    def test_garbage_and_silence_end(self):
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x40\x00" + bytes(16384), bytes(9)):
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain:
                plain.sendall(said)
                try:
                    while plain.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.assert_quiet(self.connect(self.context()))

    def test_the_worker_is_who_was_dialled(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(self.context(), host="elsewhere")
        self.said("refused this worker's certificate")


class TakenBack(SecureWorker):
    def test_a_live_connection_is_closed_and_no_session_helps(self):
        self.start_worker()
        context = self.context()
        connection = self.connect(context)
        self.assert_quiet(connection)  # and the ticket has come
        session = connection.session
        resumed = self.connect(context, session=session)
        self.assert_quiet(resumed)
        self.assertTrue(resumed.session_reused)
        self.run_ok("pki", "revoke", "ada")
        for live in (connection, resumed):
            rest = b"".join(iter(lambda stream=live: stream.recv(4096), b""))
            self.assertIn(b"is revoked in", rest)
        for last in (session, resumed.session, None):
            self.assert_alert("CERTIFICATE_REVOKED",
                              lambda known=last: self.connect(context, session=known))

    def test_a_broken_list_changes_nothing(self):
        self.run_ok("pki", "revoke", "ada")
        self.start_worker()
        self.assert_alert("CERTIFICATE_REVOKED", lambda: self.connect(self.context()))
        self.write(self.file("crl.pem"), "junk")
        self.said("crl.pem holds no revocation list")
        self.assert_alert("CERTIFICATE_REVOKED", lambda: self.connect(self.context()))

    def test_a_certificate_is_renewed_under_way(self):
        self.start_worker()
        before = self.connect(self.context())
        self.assert_quiet(before)
        old = before.getpeercert()["serialNumber"]
        self.run_ok("pki", "issue", "worker", "localhost", "--renew")
        self.wait_until("the new certificate is shown", lambda: self.connect(
            self.context()).getpeercert()["serialNumber"] != old)
        self.assert_quiet(before)


class Start(SecureWorker):
    def refuses(self, says):
        result = self.run_program(
            "worker", "--listen", "127.0.0.1:0", "--tls-ca", self.file("ca.crt"), "--tls-crl",
            self.file("crl.pem"), "--tls-cert", self.file("localhost.crt"), "--tls-key",
            self.file("localhost.key"))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(says, result.stderr)

    def test_needs_a_secret_key_and_its_list(self):
        os.chmod(self.file("localhost.key"), 0o640)
        self.refuses("chmod 600")
        os.chmod(self.file("localhost.key"), 0o600)
        os.rename(self.file("ada.key"), self.file("localhost.key"))
        self.refuses("is not the key of")
        self.run_ok("pki", "issue", "worker", "localhost", "--renew")
        os.unlink(self.file("crl.pem"))
        self.refuses("--tls-crl: there is no file")


if __name__ == "__main__":
    unittest.main()
