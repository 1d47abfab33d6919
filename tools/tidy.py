#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the tree to the rules of docs/architecture.md. Prints what breaks them and then exits 1.

usage: tidy.py [ROOT]

Reads the include table from docs/architecture.md and exceptions, each with its reason, from
tools/tidy_allow.txt. Standard library only, so that it runs as a unit test anywhere.
"""
import re
import sys
from pathlib import Path

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
LINE_COLUMNS_MAX = 100
# How many lines above a relaxed atomic or a raw cast its ORDER or SAFETY comment may stand.
COMMENT_REACH = 6

SKIPPED = {".git", "build", ".cache", "__pycache__"}
CODE = {".cpp", ".hpp"}
SCRIPTS = {".py", ".sh", ".cmake", ".in"}
SYSTEM_DIRS = {"sys", "linux", "arpa", "netinet", "asm", "net"}
TEST_LIBRARIES = {"asio", "gtest", "gmock", "rapidcheck"}
DEBT = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b(?!\(#\d+\))")
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|home/\w+|Users)/(?!\{)")


class Tree:
    """The files of a checkout, read once."""

    def __init__(self, root):
        self.root = Path(root)
        self.texts = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root)
            if SKIPPED & set(name.parts) or not path.is_file() or path.is_symlink():
                continue
            try:
                self.texts[name.as_posix()] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue

    def code(self, *tops):
        """C++ files, of the named top folders or of all."""
        return {name: text for name, text in self.texts.items()
                if Path(name).suffix in CODE and (not tops or name.split("/")[0] in tops)}

    def written(self):
        """Every file that people write by hand and that carries a licence line."""
        return {name: text for name, text in self.texts.items()
                if Path(name).suffix in CODE | SCRIPTS or Path(name).name == "CMakeLists.txt"
                or text.startswith("#!")}


class IncludeTable:
    """The table under "Who may include whom" in docs/architecture.md."""

    def __init__(self, page):
        self.rows = {}
        section = page.split("## Who may include whom", 1)[-1].split("\n## ", 1)[0]
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|") or len(cells) != 3 or cells[0] in ("folder", "---"):
                continue
            self.rows[cells[0]] = tuple({word.strip() for word in cell.split(",") if word.strip()}
                                        for cell in cells[1:])

    def folder_of(self, name):
        """The row that a file falls under: the longest one, or None."""
        fitting = [row for row in self.rows if name.startswith(row + "/")]
        return max(fitting, key=len, default=None)


def newlines_only(found):
    """What a match is replaced by, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", found.group())


def blank_out(text):
    """The same text with comments and literals replaced by spaces, line by line as before."""
    pattern = re.compile(
        r'R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
        r"|(?<![\w])'(?:\\.|[^'\\\n])*'", re.DOTALL)
    return pattern.sub(newlines_only, text)


def third_party(header):
    """The library that an angle include belongs to, or None for the standard's and the system's."""
    first = header.split("/")[0]
    if "/" in header:
        return None if first in SYSTEM_DIRS else first
    stem = first.rsplit(".", 1)[0]
    if first.endswith(".hpp") or stem in ("hwloc", "lz4") or stem in TEST_LIBRARIES:
        return stem
    return None


def check_include(tree, table, name, folder, line):
    """What is wrong with one include line, or None."""
    found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
    if not found:
        return None
    quote, header = found.groups()
    rooms, libraries = table.rows[folder]
    is_test = name.endswith(("_test.cpp", "_fixture.hpp")) or folder.startswith("tests")
    if "anything" in rooms:
        return None
    library = third_party(header) if quote == "<" else None
    if library in libraries or (is_test and library in TEST_LIBRARIES):
        return None
    if library and library != "repartir":
        return f"includes <{header}>, which the table does not grant to {folder}"
    if quote == "<":
        if folder == "include/repartir" and "." in header and library is None:
            return f"a public header includes <{header}>, which is not the C++ standard library's"
        return None
    if header.startswith("repartir/"):
        exists = f"include/{header}" in tree.texts
        return None if exists else f'includes "{header}", which does not exist'
    target = table.folder_of(f"src/{header}")
    if target is None or f"src/{header}" not in tree.texts:
        beside = (Path(name).parent / header).as_posix()
        top = name.split("/")[0]
        known = beside in tree.texts or f"{top}/{header}" in tree.texts
        if top not in ("src", "include") and known:
            return None
        return f'includes "{header}", which is neither "room/file.hpp" nor "repartir/file.hpp"'
    if target == folder or target.removeprefix("src/") in rooms:
        return None
    return f'includes "{header}": the table does not let {folder} see {target}'


def rule_include(tree):
    table = IncludeTable(tree.texts.get("docs/architecture.md", ""))
    if not table.rows:
        yield "docs/architecture.md", 1, "has no include table"
    for name, text in tree.code().items():
        folder = table.folder_of(name)
        if folder is None:
            if not name.startswith("tests/"):
                yield name, 1, "stands in a folder that docs/architecture.md does not name"
            continue
        for number, line in enumerate(text.splitlines(), 1):
            problem = check_include(tree, table, name, folder, line)
            if problem:
                yield name, number, problem


def rule_licence(tree):
    for name, text in tree.written().items():
        if "SPDX-License-Identifier: MIT" not in "\n".join(text.splitlines()[:2]):
            yield name, 1, "has no SPDX licence line on top"


def rule_size(tree):
    for name, text in tree.written().items():
        lines = text.splitlines()
        if len(lines) > FILE_LINES_MAX:
            yield name, len(lines), f"has {len(lines)} lines; {FILE_LINES_MAX} are the limit"
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield name, number, f"is {len(line)} columns wide; {LINE_COLUMNS_MAX} are the limit"


def functions(text):
    """(first line, last line) of every outermost function body, by braces: text is blanked out."""
    container = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
    noise = re.compile(r"\[\[.*?\]\]|alignas\s*\([^)]*\)|template\s*<.*?>\s*(?=class|struct|union)",
                       re.DOTALL)
    stack, head, line, head_line = [], "", 1, 1
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            inside = any(kind == "function" for kind, _ in stack)
            plain = noise.sub("", head)
            is_container = container.search(plain) and "(" not in plain
            stack.append(("block" if inside else "container" if is_container else "function",
                          head_line))
            head = ""
        elif char == "}" and stack:
            kind, first = stack.pop()
            if kind == "function":
                yield first, line
            head = ""
        elif char == ";":
            head = ""
        else:
            if not head.strip():
                head_line = line
            head += char


def rule_function(tree):
    for name, text in tree.code().items():
        plain = re.sub(r"(?m)^[ \t]*#(?:\\\n|[^\n])*", newlines_only, blank_out(text))
        for first, last in functions(plain):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield name, first, (f"a function of {last - first + 1} lines; "
                                    f"{FUNCTION_LINES_MAX} are the limit")


def rule_debt(tree):
    for name, text in tree.texts.items():
        if name.startswith("tools/tidy"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if DEBT.search(line) and not name.endswith(".md"):
                yield name, number, "a note of work to do without its issue number"


def rule_machine(tree):
    for name, text in tree.texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATHS.search(line) and not name.startswith("tools/tidy"):
                yield name, number, "names a path of somebody's machine"


def rule_test(tree):
    for name in tree.code("src"):
        path = Path(name)
        if path.suffix == ".cpp" and not name.endswith("_test.cpp"):
            if path.with_name(path.stem + "_test.cpp").as_posix() not in tree.texts:
                yield name, 1, "has no test beside it"


def rule_dead(tree):
    lists = {str(Path(name).parent): text for name, text in tree.texts.items()
             if Path(name).name == "CMakeLists.txt"}
    everything = "\n".join(tree.code().values())
    for name in tree.code():
        path = Path(name)
        if path.suffix == ".cpp":
            above = [lists.get(parent.as_posix(), "") for parent in path.parents]
            built = any(re.search(rf"\b{re.escape(path.stem)}\b", text) for text in above)
            if not built and not any(name in text for text in lists.values()):
                yield name, 1, "is named in no CMakeLists.txt"
        elif not re.search(rf'#include\s+[<"][^>"]*\b{re.escape(path.name)}[>"]', everything):
            yield name, 1, "is included by nobody"
    for name in tree.texts:
        if name.startswith("tools/") and Path(name).suffix in SCRIPTS:
            users = (text for other, text in tree.texts.items() if other != name)
            if not any(Path(name).name in text for text in users):
                yield name, 1, "is used by nobody"


def rule_umbrella(tree):
    umbrella = tree.texts.get("include/repartir/repartir.hpp")
    for name in tree.code("include") if umbrella else ():
        path = Path(name)
        if path.parent.as_posix() == "include/repartir" and path.name != "repartir.hpp":
            if f'#include "repartir/{path.name}"' not in umbrella:
                yield name, 1, "is not included by repartir/repartir.hpp"


def rule_guard(tree):
    for name, text in tree.code().items():
        if name.endswith(".hpp") and "#pragma once" not in text:
            yield name, 1, "has no #pragma once"


def commented(lines, number, word):
    """Whether `word` stands at this line (from 1), within reach above it or right below it."""
    return any(word in line for line in lines[max(0, number - 1 - COMMENT_REACH):number + 1])


def rule_order(tree):
    weak = re.compile(r"\bmemory_order(_|::)(relaxed|acquire|release|acq_rel|consume)\b")
    for name, text in tree.code("src", "include").items():
        lines = text.splitlines()
        for number, line in enumerate(blank_out(text).splitlines(), 1):
            if weak.search(line) and not commented(lines, number, "ORDER:"):
                yield name, number, "a weak memory order without its ORDER comment"


def rule_safety(tree):
    raw = re.compile(r"\b(reinterpret_cast|const_cast)\b")
    for name, text in tree.code("src", "include").items():
        lines = text.splitlines()
        for number, line in enumerate(blank_out(text).splitlines(), 1):
            if raw.search(line) and not commented(lines, number, "SAFETY:"):
                yield name, number, "a raw cast without its SAFETY comment"


RULES = {name.removeprefix("rule_"): rule for name, rule in globals().items()
         if name.startswith("rule_")}


def allowed(tree):
    """{(rule, path)} from tools/tidy_allow.txt: lines of rule, path and reason."""
    exceptions = {}
    for line in tree.texts.get("tools/tidy_allow.txt", "").splitlines():
        if line.strip() and not line.startswith("#"):
            rule, path, reason = (line.split(None, 2) + ["", ""])[:3]
            exceptions[(rule, path)] = reason
    return exceptions


def check(root):
    """All problems of the tree at root: (rule, path, line, sentence)."""
    tree = Tree(root)
    exceptions, used, problems = allowed(tree), set(), []
    for rule, finder in RULES.items():
        for path, line, sentence in finder(tree):
            if exceptions.get((rule, path)):
                used.add((rule, path))
            else:
                problems.append((rule, path, line, sentence))
    for rule, path in sorted(exceptions.keys() - used):
        problems.append(("allow", "tools/tidy_allow.txt", 1,
                         f"the exception {rule} {path} has no reason or is no longer needed"))
    return problems


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    problems = check(root)
    for rule, path, line, sentence in problems:
        print(f"{path}:{line}: {sentence} [{rule}]")
    print(f"tidy: {len(problems)} problems, {len(RULES)} rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
