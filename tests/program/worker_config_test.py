# SPDX-License-Identifier: MIT
"""Flags, environment and file: which wins, what is refused, and what `config show` says of it."""
import json
import os
import tomllib
import unittest

from program import ProgramTest


class WorkerConfig(ProgramTest):
    def setUp(self):
        super().setUp()
        self.env["XDG_CONFIG_HOME"] = self.path("config")
        os.makedirs(self.path("config/repartir"))
        self.file = self.write("config/repartir/worker.toml",
                               "# mine\nslots = 1\nname = 'file'\nmemory = '1G'\n"
                               "listen = ['unix:a', 'unix:b']\n")

    def shown(self, *args):
        """What config show says, by key."""
        document = json.loads(self.run_ok("config", "show", "--json", *args))
        return {setting["key"]: setting for setting in document["settings"]}

    def test_each_source_wins_over_those_before_it(self):
        self.env.update(REPARTIR_WORKER_SLOTS="2", REPARTIR_WORKER_NAME="variable")
        shown = self.shown("--slots", "3")
        for key, value, source, where in (
                ("slots", "3", "flag", "--slots"),
                ("name", "variable", "environment", "REPARTIR_WORKER_NAME"),
                ("memory", "1G", "file", self.file + ":4"),
                ("listen", ["unix:a", "unix:b"], "file", self.file + ":5"),
                ("heartbeat", None, "default", None)):
            setting = shown[key]
            self.assertEqual((setting["value"], setting["source"], setting["where"]),
                             (value, source, where))
        self.assertEqual(shown["heartbeat"]["default"], "1s")
        self.assertEqual(self.shown("--listen", "unix:c")["listen"]["value"], ["unix:c"])

    def test_text_names_each_origin(self):
        self.env["REPARTIR_WORKER_NAME"] = "variable"
        lines = self.run_ok("config", "show", "--origin", "--supervise").splitlines()
        for line in (f"# configuration file: {self.file}",
                     f"slots = 1  # file {self.file}:2",
                     'name = "variable"  # environment REPARTIR_WORKER_NAME',
                     "supervise = true  # flag --supervise",
                     "# heartbeat: 1s  (default)"):
            self.assertIn(line, lines)

    def test_what_is_shown_can_be_read_again(self):
        first = self.run_ok("config", "show", "--insecure-plaintext=any", "--supervise")
        self.write("copy.toml", first)
        second = self.run_ok("config", "show", "--config", "copy.toml")
        self.assertEqual(first.splitlines()[1:], second.splitlines()[1:])

    def test_the_file_that_is_named_is_read(self):
        self.write("other.toml", "slots = 7\n")
        self.assertEqual(self.shown("--config", "other.toml")["slots"]["value"], "7")
        self.env["REPARTIR_CONFIG"] = self.path("other.toml")
        self.assertEqual(self.shown()["slots"]["value"], "7")
        self.assertEqual(self.shown("--config", self.file)["slots"]["value"], "1")
        self.assertIn("there is no configuration file none.toml",
                      self.refused("config", "show", "--config", "none.toml"))

    def test_mistakes_in_a_file_name_file_line_and_key(self):
        for text, words in (
                ("slots = 1\nslot = 2\n", ':2: there is no key "slot"; did you mean slots?'),
                ("xyzzy = 1\n", ':1: there is no key "xyzzy"'),
                ("\n[worker]\n", ":2: keys stand in no [table] here"),
                ("slots =\n", ":1: the value of slots must be"),
                ("slots = 'many'\n", ":1 sets --slots"),
                ("slots = 1\nlisten = ['unix:a', ':99999']\n",
                 ":2 sets --listen: ':99999' is no address"),
                ("listen = 5\n", ":1 sets --listen: '5' is no address"),
                ("\nsocket-group = 'no-such'\n",
                 ":2 sets --socket-group: the group 'no-such' is not known"),
                ("slots = 1.5\n", ":1: the value of slots must be"),
                ("name = ['a', 'b']\n", ":1: name takes one value"),
                ("supervise = 'maybe'\n", ":1: supervise")):
            self.write("bad.toml", text)
            for command in (("worker",), ("config", "show")):
                with self.subTest(text):
                    self.assertIn("bad.toml" + words,
                                  self.refused(*command, "--config", "bad.toml"))

    def test_python_reads_the_same(self):
        for text in ('listen = ["unix:a b", \'c\\d\', "unix:\\u00e9\\t\\"", ]  # x\r\n'
                     "slots = 1_000\n",
                     '\ufeff"name" = "é"\n\n  listen=[\n# a\n"x",\n\t"y"#b\n]\n',
                     "slots = 0\nslots = 0\n", "a.b = 1\n", "name = 'a\n'\n", 'name = "\\q"\n',
                     'name = "a" "b"\n', "listen = [1 2]\n", "listen = ['a',,]\n", "name\n"):
            with self.subTest(text):
                with open(self.path("both.toml"), "w", newline="") as file:
                    file.write(text)
                shown = self.run_program("config", "show", "--json", "--config", "both.toml")
                try:
                    theirs = tomllib.loads(text.removeprefix("\ufeff"))
                except tomllib.TOMLDecodeError:
                    theirs = None
                if shown.returncode == 0:
                    ours = {setting["key"]: setting["value"]
                            for setting in json.loads(shown.stdout)["settings"]
                            if setting["source"] == "file"}
                    self.assertEqual(ours, {key: str(value) if isinstance(value, int) else value
                                            for key, value in theirs.items()})
                else:
                    self.assertTrue(theirs is None or "a" in theirs or theirs == {"slots": 0})

    def test_a_variable_that_is_wrong_is_named(self):
        self.env["REPARTIR_WORKER_HEARTBEAT"] = "1h"
        self.assertIn("the environment variable REPARTIR_WORKER_HEARTBEAT sets --heartbeat",
                      self.refused("config", "show"))

    def test_config_wants_show(self):
        result = self.run_program("config")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("repartir config show", result.stderr)
        self.assertIn("repartir config show", self.run_ok("config", "--help"))
        self.assertIn('leave "more" away', self.refused("config", "show", "more"))


if __name__ == "__main__":
    unittest.main()
