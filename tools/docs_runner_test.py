#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that docs_test.py runs what a page says and fails where the page is wrong."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

RUNNER = Path(__file__).resolve().parent / "docs_test.py"


def check(page, files=None):
    """(exit status, output) of the runner over a page in a checkout of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".ci").mkdir()
        (root / ".ci/run").write_text("./dev --yes test\n")
        (root / "dev").write_text("stages=(lint demo)\n")
        for name, text in (files or {}).items():
            (root / name).write_text(text)
        (root / "page.md").write_text(page)
        done = subprocess.run([sys.executable, str(RUNNER), folder, folder, f"{folder}/page.md"],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def fenced(info, *lines):
    return "\n".join(["```" + info, *lines, "```", ""])


class DocsRunnerTest(unittest.TestCase):
    def passes(self, page, files=None):
        status, output = check(page, files)
        self.assertEqual(status, 0, output)

    def fails(self, page, words, files=None):
        status, output = check(page, files)
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)

    def test_console_output_is_compared(self):
        self.passes(fenced("console", "$ echo one; echo two", "one", "two"))
        self.passes(fenced("console", "$ echo took 17 ms", "took ... ms"))
        self.passes(fenced("console", "$ seq 9", "1", "...", "9"))
        self.passes(fenced("console", "$ seq \\", "> 2", "1", "2", "", "$ true"))
        self.fails(fenced("console", "$ echo one", "two"), "but printed")
        self.fails(fenced("console", "$ seq 3", "1", "2"), "but printed")

    def test_commands_must_succeed(self):
        self.fails(fenced("console", "$ exit 3"), "exit status 3")
        self.fails(fenced("sh", "false", "true"), "exit status 1")

    def test_blocks_of_a_page_share_a_folder(self):
        self.passes(fenced("sh", "echo kept > file") + fenced("console", "$ cat file", "kept"))

    def test_ci_blocks_name_what_ci_runs(self):
        self.passes(fenced("sh ci", "./dev demo", "./dev test"))
        self.fails(fenced("sh ci", "./dev tier3"), "not a part")

    def test_excerpts_stand_in_their_file(self):
        files = {"a.cpp": "int a;\n\n  int b;\nint c;\n"}
        self.passes(fenced("cpp a.cpp", "int b;", "int c;"), files)
        self.fails(fenced("cpp a.cpp", "int b;", "int d;"), "not what stands", files)

    def test_unmarked_blocks_and_dead_links_are_refused(self):
        self.fails(fenced("", "x"), "with nothing")
        self.fails("see [this](gone.md)\n", "does not exist")


if __name__ == "__main__":
    unittest.main()
