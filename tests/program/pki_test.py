# SPDX-License-Identifier: MIT
"""repartir pki: the files that it makes, what it refuses, and what OpenSSL's own program says."""
import json
import os
import shutil
import stat
import subprocess
import unittest

from program import ProgramTest


class Pki(ProgramTest):
    def setUp(self):
        super().setUp()
        self.env["HOME"] = self.folder
        self.env.pop("XDG_CONFIG_HOME", None)
        self.home = self.path(".config/repartir/pki")

    def pki(self, *args):
        return self.run_ok("pki", *args)

    def at(self, name):
        return os.path.join(self.home, name)

    def mode(self, name):
        return stat.S_IMODE(os.stat(self.at(name)).st_mode)

    def issued(self):
        return json.loads(self.pki("show", "--json"))["issued"]

    def failed(self, *args):
        """Runs it and expects exit code 1. Returns the sentence."""
        result = self.run_program("pki", *args)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        return result.stderr


class Files(Pki):
    def test_a_cluster_in_three_commands(self):
        self.pki("init")
        self.pki("issue", "worker", "gpu1", "--host", "10.0.0.7")
        out = self.pki("issue", "client", "ada", "--days", "7")
        self.assertIn(self.at("ada.crt"), out)
        self.assertEqual(sorted(os.listdir(self.home)),
                         [".lock", "ada.crt", "ada.key", "ca.crt", "ca.key", "crl.pem",
                          "gpu1.crt", "gpu1.key", "index"])
        for name in ("ca.key", "ada.key", "gpu1.key", "index"):
            self.assertEqual(self.mode(name), 0o600, name)
        for name in ("ca.crt", "ada.crt", "gpu1.crt", "crl.pem"):
            self.assertEqual(self.mode(name), 0o644, name)
        self.assertEqual(stat.S_IMODE(os.stat(self.home).st_mode), 0o700)
        facts = json.loads(self.pki("show", self.at("gpu1.crt"), "--json"))
        self.assertEqual((facts["roles"], facts["hosts"]), (["worker"], ["gpu1", "10.0.0.7"]))
        self.assertEqual(facts["serial"], self.issued()[0]["serial"])
        ada = json.loads(self.pki("show", "--json", self.at("ada.crt")))
        self.assertEqual((ada["roles"], ada["hosts"], ada["state"]), (["client"], [], "valid"))
        self.assertLess(ada["not_after"], facts["not_after"])

    def test_modes_do_not_follow_the_umask(self):
        old = os.umask(0)
        try:
            self.pki("init")
            self.pki("issue", "client", "ada")
        finally:
            os.umask(old)
        self.assertEqual((self.mode("ca.key"), self.mode("ada.key")), (0o600, 0o600))

    def test_the_folder_is_chosen(self):
        self.pki("init", "--dir", "a/b", "--name", "mine")
        self.env["REPARTIR_PKI_DIR"] = self.path("a/b")
        self.assertIn("mine", self.pki("show"))
        del self.env["REPARTIR_PKI_DIR"]
        self.env["XDG_CONFIG_HOME"] = self.path("xdg")
        self.pki("init")
        self.assertTrue(os.path.exists(self.path("xdg/repartir/pki/ca.crt")))
        self.assertIn("mine", self.pki("show", "a/b"))
        for name in ("HOME", "XDG_CONFIG_HOME"):
            self.env.pop(name)
        self.assertIn("--dir", self.refused("pki", "show"))

    def test_nothing_is_overwritten(self):
        self.pki("init")
        key = self.read(self.at("ca.key"))
        self.assertIn("never overwritten", self.refused("pki", "init"))
        self.pki("issue", "client", "ada")
        first = self.read(self.at("ada.crt"))
        self.assertIn("--renew", self.refused("pki", "issue", "client", "ada"))
        self.assertEqual(self.read(self.at("ada.crt")), first)
        self.pki("issue", "client", "ada", "--renew")
        self.assertNotEqual(self.read(self.at("ada.crt")), first)
        self.assertEqual([one["state"] for one in self.issued()], ["valid", "valid"])
        for args in (["ca", "--renew"], ["x", "--renew", "--out", self.at("ca")],
                     ["x", "--renew", "--out", self.home + "/../pki/ca"]):
            self.assertIn("the authority's own", self.refused("pki", "issue", "client", *args))
        self.assertEqual(self.read(self.at("ca.key")), key)

    def test_out_names_the_files(self):
        self.pki("init")
        self.pki("issue", "client", "ada", "--out", "mine")
        self.assertIn("ada", self.pki("show", "mine.crt"))
        self.assertIn("No such file", self.failed("issue", "client", "eve", "--out", "none/eve"))

    def test_many_at_once_lose_nothing(self):
        self.pki("init")
        many = [self.start("pki", "issue", "client", f"c{i}") for i in range(8)]
        many += [self.start("pki", "init") for _ in range(2)]
        codes = [process.wait() for process in many]
        self.assertEqual(codes, [0] * 8 + [2] * 2)
        self.assertEqual(sorted(one["name"] for one in self.issued()),
                         [f"c{i}" for i in range(8)])

    def test_two_at_once_make_one_authority(self):
        both = [self.start("pki", "init") for _ in range(2)]
        self.assertEqual(sorted(process.wait() for process in both), [0, 2])
        self.pki("issue", "client", "ada")


class Revocation(Pki):
    def setUp(self):
        super().setUp()
        self.pki("init")
        for name in ("ada", "eve"):
            self.pki("issue", "client", name)

    def revoked(self):
        list_ = json.loads(self.pki("show", self.at("crl.pem"), "--json"))
        self.assertEqual(list_["type"], "revocation_list")
        return sorted(one["serial"] for one in list_["revoked"])

    def test_by_name_file_and_serial(self):
        self.pki("issue", "client", "ada", "--renew")
        self.pki("issue", "client", "bob")
        serials = {(one["name"], i): one["serial"] for i, one in enumerate(self.issued())}
        self.pki("revoke", "ada")
        wanted = [serials["ada", 0], serials["ada", 2]]
        self.assertEqual(self.revoked(), sorted(wanted))
        self.pki("revoke", self.at("eve.crt"))
        wanted.append(serials["eve", 1])
        self.assertEqual(self.revoked(), sorted(wanted))
        self.pki("revoke", serials["bob", 3])
        wanted.append(serials["bob", 3])
        self.assertEqual(self.revoked(), sorted(wanted))
        self.pki("revoke", "ada")
        self.assertEqual(self.revoked(), sorted(wanted))
        self.assertEqual({one["state"] for one in self.issued()}, {"revoked"})

    def test_of_what_was_never_issued(self):
        before = self.read(self.at("crl.pem"))
        self.assertIn('no certificate "bob" was issued', self.refused("pki", "revoke", "bob"))
        self.pki("init", "--dir", "other")
        self.pki("issue", "client", "ada", "--dir", "other")
        self.assertIn("was issued in", self.refused("pki", "revoke", "other/ada.crt"))
        self.assertIn("No such file", self.failed("revoke", "none.crt"))
        self.assertEqual(self.read(self.at("crl.pem")), before)


class Refusals(Pki):
    def test_without_an_authority(self):
        for args in (["issue", "client", "ada"], ["revoke", "ada"], ["show"]):
            self.assertIn("repartir pki init", self.failed(*args))
        self.assertFalse(os.path.exists(self.home))

    def test_words_that_make_no_sense(self):
        self.pki("init")
        for args, says in (
                (["issue"], "write: repartir pki issue"),
                (["issue", "boss", "ada"], "write: repartir pki issue"),
                (["issue", "client"], "write: repartir pki issue"),
                (["issue", "client", "a", "b"], "write: repartir pki issue"),
                (["issue", "client", "../ada"], "cannot name a certificate"),
                (["issue", "client", ""], "cannot name a certificate"),
                (["issue", "worker", "w", "--host", "*.x"], "neither a host name nor an IP"),
                (["issue", "client", "a", "--days", "0"], "--days"),
                (["issue", "client", "a", "--days", "9999"], "outlive its authority"),
                (["issue", "client", "a", "--hots", "x"], "did you mean --host?"),
                (["init", "now"], "write: repartir pki init"),
                (["init", "--dir", ""], "--dir needs a value"),
                (["init", "--dir", "x", "--name", "a b"], "cannot name a certificate"),
                (["revoke"], "write: repartir pki revoke"),
                (["show", "a", "b"], "write: repartir pki show"),
                (["isue"], "did you mean pki issue?")):
            with self.subTest(args):
                self.assertIn(says, self.refused("pki", *args))

    def test_files_that_are_none(self):
        self.write("junk", "junk")
        self.assertIn("junk holds no certificate in PEM form", self.failed("show", "junk"))
        self.assertIn("No such file", self.failed("show", "none"))
        self.pki("init")
        self.assertIn("holds no certificate", self.failed("show", self.at("ca.key")))
        self.write(self.at("index"), "junk")
        self.assertIn("line 1 of the index", self.failed("issue", "client", "ada"))

    def test_help(self):
        for args in (["pki", "--help"], ["help", "pki"]):
            text = self.run_ok(*args)
            for name in ("init", "issue", "revoke", "show"):
                self.assertIn(f"pki {name}", text)
        result = self.run_program("pki")
        self.assertEqual(result.returncode, 2)
        for args in (["pki", "issue", "--help"], ["help", "pki", "issue"],
                     ["pki", "issue", "worker", "--help"]):
            self.assertIn("--host HOST", self.run_ok(*args))
        self.assertIn("PKI REVOKE", self.run_ok("man"))

    def test_completion(self):
        script = self.write("complete", self.run_ok("completion", "bash") + """
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _repartir; echo "${COMPREPLY[*]}"; }
ask repartir p
ask repartir pki ''
ask repartir pki is
ask repartir pki issue --h
ask repartir run --keep-o
""")
        out = subprocess.run(["bash", script], capture_output=True, text=True, check=True).stdout
        self.assertEqual(out.splitlines(), ["pki", "init issue revoke show", "issue",
                                            "--host --help", "--keep-order"])


@unittest.skipUnless(shutil.which("openssl"), "needs OpenSSL's program as an independent judge")
class IndependentJudge(Pki):
    def openssl(self, *args):
        return subprocess.run(["openssl", *args], cwd=self.home, capture_output=True, text=True,
                              check=False)

    def verify(self, certificate, purpose):
        return self.openssl("verify", "-x509_strict", "-CAfile", "ca.crt", "-CRLfile", "crl.pem",
                            "-crl_check", "-purpose", purpose, certificate).returncode

    def test_agrees(self):
        self.pki("init")
        self.pki("issue", "worker", "w.example", "--host", "::1")
        self.pki("issue", "client", "ada")
        self.assertEqual(self.verify("w.example.crt", "sslserver"), 0)
        self.assertEqual(self.verify("w.example.crt", "sslclient"), 0)
        self.assertEqual(self.verify("ada.crt", "sslclient"), 0)
        self.assertNotEqual(self.verify("ada.crt", "sslserver"), 0)
        text = self.openssl("x509", "-noout", "-text", "-in", "w.example.crt").stdout
        for wanted in ("DNS:w.example", "IP Address:0:0:0:0:0:0:0:1",
                       "URI:urn:repartir:role:worker", "ED25519", "CA:FALSE"):
            self.assertIn(wanted, text)
        self.pki("revoke", "ada")
        self.assertNotEqual(self.verify("ada.crt", "sslclient"), 0)
        self.assertEqual(self.verify("w.example.crt", "sslclient"), 0)


if __name__ == "__main__":
    unittest.main()
