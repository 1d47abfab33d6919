#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every command of a documentation page and compares what it prints.

usage: docs_test.py ROOT BIN_FOLDER PAGE

All blocks of a page run in order in one new, empty folder, with BIN_FOLDER first in PATH and HOME
there too. What a block is follows from the words after its backquotes:

  console         lines after "$ " are commands ("> " continues one); the lines below must be what
                  they print. "..." alone on a line stands for any lines, within one for any text.
                  A command without lines below only has to succeed.
  sh              a script for bash -e
  sh checkout     the same, in the root of the checkout
  sh ci           commands ./dev VERB that take minutes: checked to be part of what .ci/run does
  cpp FILE        must stand in FILE as it is here (examples are built and run by their own tests)
  text, json      not run
Any other block is refused, so that nothing goes unchecked by accident.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK_SECONDS_MAX = 60
NOT_RUN = {"text", "json"}


class Mismatch(Exception):
    """A block that does not do what the page says."""


def blocks(page):
    """(line number, words of the info string, lines) of every fenced block."""
    found, start, info = [], 0, None
    lines = page.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            if info is None:
                info, start = line[3:].split(), number
            else:
                found.append((start, info, lines[start:number - 1]))
                info = None
    return found


def run_script(script, folder, environment):
    """What bash printed, both streams together."""
    try:
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=BLOCK_SECONDS_MAX, check=False,
                              errors="replace")
    except subprocess.TimeoutExpired as slow:
        raise Mismatch(f"took more than {BLOCK_SECONDS_MAX} s: {script}") from slow
    if done.returncode != 0:
        raise Mismatch(f"exit status {done.returncode} of: {script}\n{done.stdout}")
    return done.stdout


def as_pattern(lines):
    """A regular expression for expected output in which "..." stands for anything."""
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(map(re.escape, line.rstrip().split("..."))) + r"[ \t]*\n")
    return re.compile("".join(parts))


def run_console(lines, folder, environment):
    commands = []
    for line in lines:
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif line.startswith("> ") and commands and not commands[-1][1]:
            commands[-1] = (commands[-1][0] + "\n" + line[2:], [])
        elif commands:
            commands[-1][1].append(line)
        else:
            raise Mismatch(f"a console block starts with a command, not with: {line}")
    for command, expected in commands:
        printed = run_script(command, folder, environment)
        while expected and not expected[-1].strip():
            expected.pop()
        if expected and not as_pattern(expected).fullmatch(printed.rstrip() + "\n"):
            raise Mismatch(f"$ {command}\nshould print:\n" + "\n".join(expected)
                           + "\nbut printed:\n" + printed)


def check_ci(lines, root):
    stages = (root / ".ci/run").read_text() + " ".join(
        re.findall(r"stages=\(([^)]*)\)", (root / "dev").read_text()))
    for line in filter(None, map(str.strip, lines)):
        verb = re.match(r"\./dev (?:--yes )?(\w+)", line)
        if not verb or not re.search(rf"\b{verb.group(1)}\b", stages):
            raise Mismatch(f"is not a part of what CI runs: {line}")


def check_excerpt(lines, path, root):
    file = root / path
    if not file.is_file():
        raise Mismatch(f"no file {path}")
    strip = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    here = [line.strip() for line in lines if line.strip()]
    if not any(strip[at:at + len(here)] == here for at in range(len(strip))):
        raise Mismatch(f"the excerpt is not what stands in {path}")


def check_block(info, lines, root, folder, environment):
    if info == ["console"]:
        run_console(lines, folder, environment)
    elif info == ["sh"]:
        run_script("set -e\n" + "\n".join(lines), folder, environment)
    elif info == ["sh", "checkout"]:
        run_script("set -e\n" + "\n".join(lines), root, environment)
    elif info == ["sh", "ci"]:
        check_ci(lines, root)
    elif info[:1] == ["cpp"] and len(info) == 2:
        check_excerpt(lines, info[1], root)
    elif not (len(info) == 1 and info[0] in NOT_RUN):
        raise Mismatch(f"a block marked {' '.join(info) or 'with nothing'}; see tools/docs_test.py")


def check_links(text, page, root):
    """Relative links must lead somewhere."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not (page.parent / target).exists():
            yield f"{page.relative_to(root)}: a link to {target}, which does not exist"


def main():
    root, bin_folder, page = (Path(argument).resolve() for argument in sys.argv[1:4])
    text = page.read_text(encoding="utf-8")
    problems = list(check_links(text, page, root))
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, HOME=folder, LC_ALL="C.UTF-8",
                           PATH=f"{bin_folder}:{os.environ['PATH']}")
        for number, info, lines in blocks(text):
            try:
                check_block(info, lines, root, folder, environment)
                checked += 1
            except Mismatch as mismatch:
                problems.append(f"{page.relative_to(root)}:{number}: {mismatch}")
    print("\n".join(problems + [f"docs: {checked} blocks right, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
