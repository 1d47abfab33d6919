# SPDX-License-Identifier: MIT
"""repartir gpu validate and gpu compile: shaders of each language, good and bad. Those in WGSL are
skipped where its compiler was not built in; spirv-val, where it is there, has to agree."""
import json
import os
import shutil
import subprocess
import unittest

from program import ProgramTest

SCALE = """#version 450
layout(local_size_x_id = 0) in;
layout(constant_id = 7) const float factor = 2;
layout(binding = 0) readonly buffer In { float x[]; } source;
layout(binding = 1) writeonly buffer Out { uint n; float x[]; } result;
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < source.x.length()) result.x[i] = source.x[i] * factor;
}
"""
TWO = """
override width: u32 = 8;
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(width) fn twice(@builtin(global_invocation_id) id: vec3<u32>) {
    data[id.x] = data[id.x] * 2.0;
}
@compute @workgroup_size(1) fn clear() { data[0] = 0.0; }
"""


class Shaders(ProgramTest):
    def refused(self, *args, code=1):
        """Runs repartir gpu and expects that exit code. Returns what it says."""
        result = self.run_program("gpu", *args)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        return result.stderr

    def interface(self, *args):
        told = json.loads(self.run_ok("gpu", "validate", "--json", *args))
        self.assertEqual((told["v"], told["type"], told["error"]), (1, "shader", None))
        return told["interface"]

    def agree(self, file):
        if shutil.which("spirv-val"):
            subprocess.run(["spirv-val", "--target-env", "vulkan1.2", file], check=True)


class Glsl(Shaders):
    def setUp(self):
        super().setUp()
        self.file = self.write("scale.comp", SCALE)

    def test_a_table(self):
        text = self.run_ok("gpu", "validate", self.file)
        self.assertIn("scale.comp:", text)
        self.assertRegex(text, r"\n0 +0 +storage +read +4 each +source\n")
        self.assertRegex(text, r"\n0 +1 +storage +write +4 \+ 4 each +result\n")
        self.assertRegex(text, r"\n7 +float32 +2 +factor\n")

    def test_as_json(self):
        told = self.interface(self.file, "--entry", "main", "-c", "0=64", "-c", "factor=-0.5")
        self.assertEqual(told["workgroup_size"], [64, 1, 1])
        self.assertEqual([one["name"] for one in told["bindings"]], ["source", "result"])
        self.assertEqual(told["bindings"][1]["bytes_min"], 4)
        self.assertEqual({one["name"]: one["value"] for one in told["constants"] if one["id"] == 7},
                         {"factor": "-0.5"})

    def test_spirv_comes_out_and_goes_in(self):
        out = self.path("scale.spv")
        self.assertEqual(self.run_ok("gpu", "compile", self.file, "-o", out, "-c", "factor=3"), "")
        self.agree(out)
        self.assertIn("3", [one["value"] for one in self.interface(out)["constants"]])
        with open(out, "rb") as file:
            words = file.read()
        turned = b"".join(words[at:at + 4][::-1] for at in range(0, len(words), 4))
        self.assertEqual(self.interface(self.write("turned.spv", turned)), self.interface(out))
        for length in range(0, len(words), 97):
            self.refused("validate", self.write("cut.spv", words[:length]))

    def test_errors_show_the_line(self):
        bad = self.write("bad.glsl", "void main() {\n    x = 1;\n}\n")
        self.assertEqual(self.refused("validate", bad),
                         f"repartir: {bad}: the GLSL does not compile: 2:5: 'x' : undeclared "
                         "identifier\n    x = 1;\n    ^\n")
        self.assertIn("2:5", self.refused("compile", bad, "-o", self.path("no.spv")))
        self.assertFalse(os.path.exists(self.path("no.spv")))
        result = self.run_program("gpu", "validate", "--json", bad)
        told = json.loads(result.stdout)
        self.assertEqual((result.returncode, told["interface"], told["error"]["code"]),
                         (1, None, "malformed"))

    def test_what_shaders_may_not_do(self):
        image = self.write("image.comp", "#version 450\nlayout(binding = 2, rgba8) uniform "
                           "image2D i;\nvoid main() { imageStore(i, ivec2(0), vec4(0)); }\n")
        self.assertIn("binding 2 of set 0 (`i`) is an image", self.refused("validate", image))

    def test_full_disk(self):
        self.assertIn("No space left", self.refused("compile", self.file, "-o", "/dev/full"))
        self.assertIn("cannot be written: No such file",
                      self.refused("compile", self.file, "-o", self.path("none/x.spv")))


class CommandLine(Shaders):
    def test_words_that_make_no_sense(self):
        file = self.write("scale.comp", SCALE)
        self.assertIn("takes one file", self.refused("validate", code=2))
        self.assertIn("takes one file", self.refused("validate", file, file, code=2))
        self.assertIn("needs -o FILE", self.refused("compile", file, code=2))
        self.assertIn("name's end", self.refused("validate", self.write("a.txt", ""), code=2))
        self.assertIn("No such file", self.refused("validate", self.path("none.spv")))
        self.assertIn("`mian`", self.refused("validate", file, "--entry", "mian"))
        for wrong in ("factor", "=1", "factor=", "factor=1x", "factor=nothing"):
            self.assertIn("NAME=VALUE", self.refused("validate", file, "-c", wrong, code=2))
        self.assertIn("cannot be", self.refused("validate", file, "-c", "0=1.5", code=2))
        self.assertIn("it has 0, 7 (`factor`)", self.refused("validate", file, "-c", "f=1"))

    def test_help(self):
        for command in ("validate", "compile"):
            text = self.run_ok("gpu", command, "--help")
            for words in ("--entry", "--constant", "Exit codes:", "Examples:"):
                self.assertIn(words, text)


class Wgsl(Shaders):
    def setUp(self):
        super().setUp()
        self.file = self.write("two.wgsl", TWO)
        result = self.run_program("gpu", "validate", "--entry", "clear", self.file)
        if "no compiler for WGSL" in result.stderr:
            self.skipTest("WGSL is not built in")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_entry_points_and_overrides(self):
        self.assertIn("named: twice, clear", self.refused("validate", self.file))
        told = self.interface(self.file, "--entry", "twice", "--constant", "width=32")
        self.assertEqual((told["entry"], told["workgroup_size"]), ("twice", [32, 1, 1]))
        self.assertEqual(told["constants"], [])

    def test_spirv_comes_out(self):
        out = self.path("two.spv")
        self.run_ok("gpu", "compile", self.file, "--entry", "twice", "--out", out)
        self.agree(out)
        self.assertEqual(self.interface(out)["entry"], "twice")

    def test_errors_show_the_line(self):
        bad = self.write("bad.wgsl", "fn f() {\n    let x = y;\n}\n")
        self.assertIn("2:13: no definition in scope for identifier: `y` (unknown identifier)\n"
                      "    let x = y;\n            ^\n", self.refused("validate", bad))


if __name__ == "__main__":
    unittest.main()
