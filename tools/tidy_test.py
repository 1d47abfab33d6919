#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that each rule of tidy.py fails on a tree that breaks it, and passes one that does not."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tidy  # noqa: E402

LICENCE = "// SPDX-License-Identifier: MIT\n"
TABLE = """# Architecture
## Who may include whom
| folder | may include | third party |
| --- | --- | --- |
| include/repartir | | |
| src/base | | |
| src/core | base | |
| src/exec/cpu | base | hwloc |
| examples | | |
"""
GOOD = {
    "docs/architecture.md": TABLE,
    "include/repartir/task.hpp": LICENCE + "#pragma once\n#include <vector>\n",
    "src/base/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nclock.cpp clock_test.cpp\n",
    "src/base/clock.hpp": LICENCE + '#pragma once\n#include "repartir/task.hpp"\n',
    "src/base/clock.cpp": LICENCE + '#include "base/clock.hpp"\n#include <sys/types.h>\n',
    "src/base/clock_test.cpp": LICENCE + "#include <gtest/gtest.h>\n",
    "src/core/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nretry.cpp retry_test.cpp\n",
    "src/core/retry.cpp": LICENCE + '#include "base/clock.hpp"\n',
    "src/core/retry_test.cpp": LICENCE,
    "tools/check.sh": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n",
    "dev": "#!/bin/sh\n# SPDX-License-Identifier: MIT\ntools/check.sh\n",
}
LONG_FUNCTION = "int f() {\n" + "    g();\n" * 70 + "}\n"
# rule: files that break exactly it, laid over the good tree.
BAD = {
    "include": [
        {"src/base/clock.cpp": LICENCE + '#include "core/retry.hpp"\n',
         "src/core/retry.hpp": LICENCE + "#pragma once\n"},
        {"src/core/retry.cpp": LICENCE + "#include <hwloc.h>\n#include \"base/clock.hpp\"\n"},
        {"src/core/retry.cpp": LICENCE + "#include <nlohmann/json.hpp>\n"},
        {"src/core/retry.cpp": LICENCE + '#include "retry.hpp"\n'},
        {"src/core/retry.cpp": LICENCE + '#include "repartir/gone.hpp"\n'},
        {"include/repartir/task.hpp": LICENCE + "#pragma once\n#include <unistd.h>\n"},
        {"src/core/retry.cpp": LICENCE + "#include <gtest/gtest.h>\n"},
        {"src/attic/old.cpp": LICENCE, "src/attic/old_test.cpp": LICENCE,
         "src/attic/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nold old_test\n"},
        {"docs/architecture.md": "# Architecture\n"},
    ],
    "licence": [{"src/base/clock.cpp": '#include "base/clock.hpp"\n'},
                {"tools/check.sh": "#!/bin/sh\n"}],
    "size": [{"src/base/clock.cpp": LICENCE + "// " + "x" * 98 + "\n"},
             {"src/base/clock.cpp": LICENCE + "int x;\n" * 500}],
    "function": [{"src/base/clock.cpp": LICENCE + LONG_FUNCTION},
                 {"src/base/clock.cpp": LICENCE + "namespace a {\nstruct B {\n" + LONG_FUNCTION
                  + "};\n}\n"},
                 {"src/base/clock.cpp": LICENCE + "B::B() : a_(1), b_{2} " + LONG_FUNCTION[8:]}],
    "debt": [{"src/base/clock.cpp": LICENCE + "// TO" + "DO: later\n"}],
    "machine": [{"src/base/clock.cpp": LICENCE + '// see /home' + '/ann/notes\n'}],
    "test": [{"src/core/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nretry lease\n",
              "src/core/lease.cpp": LICENCE, "src/core/retry_test.cpp": None}],
    "dead": [{"src/core/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nretry_test\n"},
             {"src/core/orphan.hpp": LICENCE + "#pragma once\n"},
             {"dev": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"}],
    "umbrella": [{"include/repartir/repartir.hpp": LICENCE + "#pragma once\n"}],
    "guard": [{"src/base/clock.hpp": LICENCE}],
    "order": [{"src/base/clock.cpp": LICENCE + "auto a = b.load(std::memory_order_relaxed);\n"}],
    "safety": [{"src/base/clock.cpp": LICENCE + "auto a = reinterpret_cast<char*>(b);\n"}],
}


def broken_rules(files):
    """The rules that tidy finds broken in a tree of these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            if text is not None:
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        return {rule for rule, _, _, _ in tidy.check(folder)}


class TidyTest(unittest.TestCase):
    def test_a_clean_tree_passes(self):
        self.assertEqual(broken_rules(GOOD), set())

    def test_each_rule_catches_what_breaks_it(self):
        self.assertEqual(set(BAD), set(tidy.RULES), "a rule without a tree that breaks it")
        for rule, trees in BAD.items():
            for number, overlay in enumerate(trees):
                with self.subTest(rule=rule, number=number):
                    self.assertIn(rule, broken_rules(GOOD | overlay))

    def test_comments_and_literals_are_no_code(self):
        text = LICENCE + ('// #include "core/x.hpp"\nauto s = "memory_order_relaxed {{{";\n'
                          "// ORDER: pairs with nothing\n"
                          "auto a = b.load(std::memory_order_relaxed);\n")
        self.assertEqual(broken_rules(GOOD | {"src/base/clock.cpp": text}), set())

    def test_an_exception_needs_a_reason_and_a_use(self):
        bare = {"src/core/retry_test.cpp": None,
                "src/core/CMakeLists.txt": "# SPDX-License-Identifier: MIT\nretry\n"}
        allow = {"tools/tidy_allow.txt": "test src/core/retry.cpp tested through its users\n"}
        self.assertEqual(broken_rules(GOOD | bare | allow), set())
        self.assertEqual(broken_rules(GOOD | allow), {"allow"})
        silent = {"tools/tidy_allow.txt": "test src/core/retry.cpp\n"}
        self.assertEqual(broken_rules(GOOD | bare | silent), {"test", "allow"})


if __name__ == "__main__":
    unittest.main()
