# SPDX-License-Identifier: MIT
"""`repartir gpu run`: buffers from files and into files, and what is said when it cannot be. The
driver is SwiftShader; tests that run a shader are skipped where it is not there."""
import json
import os
import signal
import struct
import time
import unittest

from program import ProgramTest

SWIFTSHADER = next((file for file in (os.environ.get("REPARTIR_SWIFTSHADER", ""),
                                      "/usr/lib/chromium/vk_swiftshader_icd.json")
                    if os.path.exists(file)), None)
TWICE = """#version 450
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint count; float factor; };
layout(binding = 0) readonly buffer In { float x[]; };
layout(binding = 1) buffer Out { float y[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < count) y[i] += x[i] * factor;
}
"""
ENDLESS = """#version 450
layout(local_size_x = 1) in;
layout(binding = 0) buffer B { uint n[]; };
void main() { while (n[0] != 7u) { n[1] += 1u; } }
"""


def floats(*values):
    return struct.pack("<%df" % len(values), *values)


def npy(descr, shape, data):
    """A file as NumPy writes it."""
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def parent(pid):
    try:
        with open("/proc/%s/stat" % pid) as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def command(pid):
    try:
        with open("/proc/%s/cmdline" % pid) as file:
            return file.read()
    except OSError:
        return ""


class Runs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.env["VK_DRIVER_FILES"] = SWIFTSHADER or "/nonexistent.json"
        self.write("twice.comp", TWICE)
        self.write("x.bin", floats(1, 2, 3))
        self.twice = ("gpu", "run", "twice.comp", "-p", "u32:3", "-p", "f32:2", "-d", "cpu")

    def sentence(self, code, *args, **options):
        result = self.run_program(*args, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr


class Refusals(Runs):
    """Nothing of this needs a GPU."""
    def test_buffers_that_do_not_fit_the_shader(self):
        self.assertIn("twice.comp: the entry point 'main' uses 2 buffers, and the task gives 1",
                      self.sentence(2, *self.twice, "-i", "x.bin"))
        self.assertIn("binding 1 of set 0, 'Out', is written by the shader",
                      self.sentence(2, *self.twice, "-i", "x.bin", "-i", "x.bin"))
        self.assertIn("has 8 bytes of push constants, and the task gives 12",
                      self.sentence(2, *self.twice, "-p", "u32:1", "-i", "x.bin", "-o", "12"))

    def test_words_that_make_no_sense(self):
        for args, words in ((("-o", "much"), "is no size"), (("-o", "4", "-o", "4"), "only one"),
                            (("--json", "-o", "4"), "--json"), (("-p", "7"), "is no TYPE:VALUE"),
                            (("-w", "1,2,3,4"), "three numbers"), (("-w", "x"), "--workgroups"),
                            (("-i", "-", "-i", "-"), "standard input can be one buffer only"),
                            (("--timeout", "soon"), "--timeout"), (("x.bin",), "one file")):
            self.assertIn(words, self.refused("gpu", "run", "twice.comp", *args))

    def test_files_that_cannot_be_read(self):
        self.assertIn("nothing.bin cannot be read: No such file",
                      self.sentence(1, *self.twice, "-i", "nothing.bin", "-o", "12"))
        self.write("bad.npy", "no array")
        self.assertIn("bad.npy is no .npy file",
                      self.sentence(1, *self.twice, "-i", "bad.npy", "-o", "12"))
        self.write("bad.comp", "#version 450\nvoid main() { oops }\n")
        self.assertIn("bad.comp: the GLSL does not compile: 2:",
                      self.run_program("gpu", "run", "bad.comp").stderr)

    def test_no_gpu(self):
        self.env["VK_DRIVER_FILES"] = "/nonexistent.json"
        self.assertIn("no Vulkan driver was found",
                      self.sentence(6, *self.twice, "-i", "x.bin", "-o", "12"))


@unittest.skipUnless(SWIFTSHADER, "no SwiftShader: ./dev test fetches it from chromium-common")
class OnSwiftShader(Runs):
    def test_bytes(self):
        result = self.run_program(*self.twice, "-i", "x.bin", "-o", "12", binary=True)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, floats(2, 4, 6), b""))

    def test_text(self):
        self.assertEqual(self.run_ok(*self.twice, "-i", "x.bin", "-o", "float32x3x1"), "2\n4\n6\n")

    def test_arrays(self):
        self.write("x.npy", npy("<f4", "(3, 1)", floats(1, 2, 3)))
        self.write("y.npy", npy("<f4", "(3,)", floats(10, 20, 30)))
        self.run_ok(*self.twice, "-i", "x.npy", "--inout", "y.npy:z.npy")
        with open(self.path("z.npy"), "rb") as file:
            self.assertEqual(file.read(), npy("<f4", "(3,)", floats(12, 24, 36)))

    def test_standard_input(self):
        result = self.run_program(*self.twice, "-i", "-", "-o", "12", input=floats(5, 6, 7),
                                  binary=True)
        self.assertEqual(result.stdout, floats(10, 12, 14))

    def test_as_json(self):
        told = json.loads(self.run_ok(*self.twice, "-i", "x.bin", "-o", "12:y.bin", "--json"))
        self.assertEqual((told["type"], told["ok"], told["argv"]), ("task", True, ["twice.comp"]))
        self.assertIn("SwiftShader", told["attempts"][0]["where"])

    def test_where_it_cannot_go(self):
        self.assertIn("/nonexistent/y cannot be written",
                      self.sentence(1, *self.twice, "-i", "x.bin", "-o", "12:/nonexistent/y"))
        with open("/dev/full", "w") as full:
            result = self.run_program(*self.twice, "-i", "x.bin", "-o", "12", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output cannot be written", result.stderr)

    def test_which_device(self):
        self.assertIn("is a CPU driver", self.sentence(
            6, *self.twice[:-2], "-i", "x.bin", "-o", "12"))
        self.assertIn("no GPU is called \"banana\"; there is: 0: SwiftShader", self.sentence(
            6, *self.twice[:-1], "banana", "--gpu-allow-cpu", "-i", "x.bin", "-o", "12"))
        self.env.update(REPARTIR_GPU_DEVICE="0", REPARTIR_GPU_ALLOW_CPU="yes")
        self.run_ok(*self.twice[:-2], "-i", "x.bin", "-o", "f32x3")

    def test_more_than_the_device_has(self):
        self.assertIn("ask for less", self.sentence(6, *self.twice, "-i", "x.bin", "-o", "900G"))
        self.assertIn("99999999 workgroups in x", self.sentence(
            6, *self.twice, "-i", "x.bin", "-o", "12", "-w", "99999999"))

    def test_one_that_does_not_end(self):
        self.write("endless.comp", ENDLESS)
        began = time.monotonic()
        self.assertIn("endless.comp: timed out", self.sentence(
            4, "gpu", "run", "endless.comp", "-o", "8", "-d", "cpu", "--timeout", "500ms"))
        self.assertLess(time.monotonic() - began, 20)

    def test_what_the_driver_compiled_is_kept(self):
        def run():
            self.assertEqual(self.run_ok(*self.twice, "-i", "x.bin", "-o", "f32x3"), "2 4 6\n")

        def kept():
            return [name for name in os.listdir(self.path("repartir"))
                    if name.endswith(".pipelines")]
        run()
        [name] = kept()
        file = self.path("repartir/" + name)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with open(file, "rb") as whole:
            content = bytearray(whole.read())
        for damage in (b"", b"no pipelines", content[:-1], content[:30] + b"x" + content[31:]):
            with open(file, "wb") as damaged:
                damaged.write(damage)
            run()
        self.env["XDG_CACHE_HOME"] = "/proc/nowhere"
        run()

    def test_interrupted(self):
        self.write("endless.comp", ENDLESS)
        process = self.start("gpu", "run", "endless.comp", "-o", "8", "-d", "cpu")
        def hosts():
            return [pid for pid in os.listdir("/proc") if pid.isdigit() and parent(pid) ==
                    process.pid]
        self.wait_until("the driver has its process", hosts)
        children = hosts()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), -signal.SIGINT)
        self.wait_until("its children are gone",
                        lambda: not any(os.path.exists("/proc/" + pid) for pid in children))


@unittest.skipUnless(SWIFTSHADER, "no SwiftShader: ./dev test fetches it from chromium-common")
class OnAWorker(Runs):
    def setUp(self):
        super().setUp()
        self.twice = ("gpu", "run", "twice.comp", "-p", "u32:3", "-p", "f32:2", "--remote",
                      "unix:socket", "-i", "x.bin", "-o", "f32x3")

    def worker(self, *args, socket="socket"):
        """A worker that listens."""
        with open(self.path("log"), "w") as log:
            process = self.start("worker", "--listen", "unix:" + socket, *args, stderr=log)
        self.wait_for_file(socket)
        return process

    def host(self, worker):
        """The process that has the worker's driver."""
        def find():
            return [pid for pid in os.listdir("/proc")
                    if pid.isdigit() and parent(pid) == worker.pid and "gpu-host" in command(pid)]
        self.wait_until("its driver's process", find)
        return int(find()[0])

    def test_its_gpu(self):
        worker = self.worker("--gpu", "cpu")
        self.assertEqual(self.run_ok(*self.twice), "2 4 6\n")
        told = json.loads(self.run_ok(*self.twice[:-1], "12:y.bin", "--json"))
        self.assertRegex(told["attempts"][0]["where"], "/SwiftShader")
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(20), 0)
        self.assertIn('event=gpu name="SwiftShader', self.read("log"))

    def test_all_of_them_by_default(self):
        self.worker("--gpu-allow-cpu")
        self.run_ok(*self.twice)

    def test_none_of_them(self):
        self.worker("--gpu", "none", "--gpu-allow-cpu")
        self.assertIn("no worker in reach has one", self.sentence(6, *self.twice, "--reach", "1s"))

    def test_one_that_is_not_there(self):
        self.assertIn('no GPU is called "banana"', self.refused(
            "worker", "--listen", "unix:socket", "--gpu", "banana", "--gpu-allow-cpu"))
        self.assertIn('"all" stands alone', self.refused(
            "worker", "--listen", "unix:socket", "--gpu", "all", "--gpu", "cpu"))

    def test_a_driver_that_is_killed_is_replaced(self):
        worker = self.worker("--gpu", "cpu")
        self.run_ok(*self.twice)
        host = self.host(worker)
        os.kill(host, signal.SIGKILL)
        self.run_ok(*self.twice)
        self.assertNotEqual(self.host(worker), host)

    def test_a_stopping_signal_for_all_leaves_the_driver_to_the_worker(self):
        worker = self.worker("--gpu", "cpu")
        host = self.host(worker)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(host, number)
        self.run_ok(*self.twice)
        self.assertEqual(self.host(worker), host)

    def test_one_that_does_not_end(self):
        self.write("endless.comp", ENDLESS)
        self.worker("--gpu", "cpu")
        self.assertIn("endless.comp: timed out", self.sentence(
            4, "gpu", "run", "endless.comp", "-o", "8", "--remote", "unix:socket", "--timeout",
            "500ms"))

    def test_a_worker_that_dies_is_another_s_work(self):
        first = self.worker("--gpu", "cpu")
        self.worker("--gpu", "cpu", socket="other")
        first.kill()
        first.wait()
        both = [word.replace("unix:socket", "unix:socket,unix:other") for word in self.twice]
        self.run_ok(*both)

    def test_nobody_there(self):
        self.assertIn("unix:socket does not exist", self.sentence(3, *self.twice, "--reach", "1s"))
        self.assertIn("leave it or --remote away", self.sentence(2, *self.twice, "-d", "cpu"))


if __name__ == "__main__":
    unittest.main()
