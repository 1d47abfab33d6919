# SPDX-License-Identifier: MIT
"""What is told of GPUs: with and without a loader, a driver and a device, and of drivers that crash
or hang. FAKE_GPU_DRIVER is tests/programs/fake_gpu_driver.cpp, built; SwiftShader is a real driver
that computes on the CPU, and tests of it are skipped where it is not there."""
import json
import os
import re
import shutil
import subprocess
import time
import unittest

from program import PROGRAM, SANITIZED, ProgramTest

SWIFTSHADER = next((file for file in (os.environ.get("REPARTIR_SWIFTSHADER", ""),
                                      "/usr/lib/chromium/vk_swiftshader_icd.json")
                    if os.path.exists(file)), None)
DRIVER = os.environ["FAKE_GPU_DRIVER"]


class Gpus(ProgramTest):
    def setUp(self):
        super().setUp()
        for name in [name for name in self.env if name.startswith("VK_")]:
            del self.env[name]
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"):  # would make an exit code of a signal
            if name in self.env:
                self.env[name] += ":handle_segv=0"

    def drive(self, file):
        self.env["VK_DRIVER_FILES"] = file

    def fake(self, behaviour):
        """The fake driver is the only one, and behaves so."""
        self.drive(self.write("fake.json", json.dumps({
            "file_format_version": "1.0.0",
            "ICD": {"library_path": DRIVER, "api_version": "1.3.0"}})))
        self.env["FAKE_GPU"] = behaviour

    def listed(self, *args, code=0, **options):
        """repartir gpu list. Returns what it prints."""
        result = self.run_program("gpu", "list", *args, **options)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result.stdout

    def devices(self, *args):
        return json.loads(self.listed("--json", *args))["gpus"]

    def none(self, sentence, code=0):
        """There is none, for this reason, in each form and for `repartir info` too."""
        text = self.listed("--gpu-allow-cpu", code=code)
        self.assertRegex(text, r"\Agpus: none, because .*\n\Z")
        self.assertIn(sentence, text)
        told = json.loads(self.listed("--json", "--gpu-allow-cpu", code=code))
        self.assertEqual((told["type"], told["v"], told["gpus"]), ("gpus", 1, []))
        self.assertIn(sentence, told["why_no_gpus"]["sentence"])
        self.assertRegex(self.run_ok("info", "--gpu-allow-cpu"),
                         r"(?m)^GPUs        none, because .*" + re.escape(sentence))
        info = json.loads(self.run_ok("info", "--json", "--gpu-allow-cpu"))
        self.assertEqual(info["why_no_gpus"], told["why_no_gpus"])
        return told["why_no_gpus"]


class NoGpu(Gpus):
    def test_no_driver(self):
        self.drive("/nonexistent/driver.json")
        why = self.none("VK_DRIVER_FILES names: /nonexistent/driver.json")
        self.assertEqual((why["domain"], why["code"], why["fault"]),
                         ("gpu", "unsupported", "user"))

    def test_no_device(self):
        self.fake("none")
        self.none("the Vulkan drivers here know of no device")

    def test_a_driver_that_refuses(self):
        self.fake("fail")
        self.none("no Vulkan driver was found that works here")

    def loaders(self):
        """The folders in which a Vulkan loader is found."""
        known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True,
                               check=True).stdout
        return {os.path.dirname(os.path.realpath(path))
                for path in re.findall(r"libvulkan\.so\.1 .*=> (.*)", known)}

    def test_no_loader(self):
        """Each folder with one becomes one of links to all else that is in it."""
        if not shutil.which("unshare"):
            self.skipTest("no unshare program")
        script = ""
        for i, folder in enumerate(sorted(self.loaders())):
            real, links = self.path(f"real{i}"), self.path(f"links{i}")
            os.mkdir(real)
            os.mkdir(links)
            for name in os.listdir(folder):
                if not name.startswith("libvulkan.so"):
                    os.symlink(f"{real}/{name}", f"{links}/{name}")
            script += f"mount --bind {folder} {real} && mount --bind {links} {folder} && "
        hidden = ["unshare", "-rm", "sh", "-c", script + 'exec "$@"', "sh"]
        if subprocess.run([*hidden, "true"], stderr=subprocess.PIPE, check=False).returncode != 0:
            self.skipTest("no private mounts here")
        told = subprocess.run([*hidden, PROGRAM, "gpu", "list"], env=self.env, timeout=60,
                              capture_output=True, text=True, check=False)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertEqual(told.stdout, "gpus: none, because no Vulkan loader (libvulkan.so.1) is "
                         "installed; Debian's is in the package libvulkan1\n")

    def test_the_program_needs_no_loader(self):
        needed = subprocess.run(["readelf", "--wide", "--dynamic", PROGRAM], capture_output=True,
                                text=True, check=True).stdout
        self.assertIn("NEEDED", needed)
        self.assertNotIn("vulkan", needed)


class BadDrivers(Gpus):
    def test_one_that_crashes(self):
        self.fake("crash")
        why = self.none("a Vulkan driver crashed (signal 11, SIGSEGV); VK_DRIVER_FILES, set to "
                        "the files of other drivers, leaves it out", code=1)
        self.assertEqual(why["code"], "driver_failed")

    def test_one_that_crashes_at_the_end(self):
        self.fake("crash at the end")
        self.none("a Vulkan driver crashed (signal 6, SIGABRT)", code=1)

    def test_one_that_exits(self):
        self.fake("exit")
        self.none("a Vulkan driver ended the process that asked it (exit code 3)", code=1)
        self.fake("exit well")
        self.none("a Vulkan driver ended the process that asked it;", code=1)

    def test_one_that_hangs(self):
        self.fake("hang")
        began = time.monotonic()
        text = self.listed(code=1)
        self.assertIn("a Vulkan driver did not answer within 10.0 s; VK_DRIVER_FILES", text)
        self.assertGreaterEqual(time.monotonic() - began, 9.9)

    def test_its_words_are_no_part_of_the_answer(self):
        self.fake("noisy")
        result = self.run_program("gpu", "list", "--json", "--gpu-allow-cpu")
        self.assertEqual(len(json.loads(result.stdout)["gpus"]), 1)
        self.assertIn("the fake driver says hello", result.stderr)

    def test_the_child_dies_with_us(self):
        self.fake("hang")
        process = self.start("gpu", "list")
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        if not os.path.exists(children):
            self.skipTest("this kernel does not list children")

        def child():
            with open(children) as file:
                return file.read().split()
        self.wait_until("a child", child)
        [pid] = child()
        process.kill()
        process.wait()
        self.wait_until("its end", lambda: not os.path.exists(f"/proc/{pid}"))


class Devices(Gpus):
    def setUp(self):
        super().setUp()
        self.fake("devices")

    def test_the_best_come_first(self):
        names = [one["name"] for one in self.devices("--gpu-allow-cpu")]
        self.assertEqual(names, ["Fake 100 \x1b Max", "Fake 100", "Fake 5", "Fake Built-in",
                                 "Fake lavapipe"])
        self.assertEqual([one["name"] for one in self.devices()], names[:-1])

    def test_a_table(self):
        lines = self.listed("--gpu-allow-cpu").splitlines()
        self.assertRegex(lines[0], "^# +name +type +memory +driver +vulkan +state$")
        self.assertRegex(lines[1], r"^0 +Fake 100 \\x1b Max +discrete +16.0 GiB +fake 0.1 +1.3.0 "
                                   " +usable$")
        self.assertRegex(lines[3], "unusable: it has Vulkan 1.1.0; 1.2 is needed$")
        self.assertRegex(lines[6], r"^ +known fault: it cuts every loop short after 65,535 rounds")

    def test_as_json(self):
        best, _, old, *_ = self.devices()
        self.assertEqual((best["index"], best["uuid"], best["usable"], best["why_not"]),
                         (0, "10101010-1010-1010-1010-101010101010", True, ""))
        self.assertEqual((best["memory_bytes"], best["memory_available_bytes"]), (16 << 30, None))
        self.assertEqual((best["features"]["int64"], best["features"]["float64"]), (True, False))
        self.assertEqual(best["queue_families"],
                         [{"count": 4, "compute": True, "transfer": True, "graphics": False}])
        self.assertEqual((old["usable"], old["vulkan"]), (False, "1.1.0"))

    def test_info(self):
        info = self.run_ok("info")
        self.assertIn("\nGPU 0       Fake 100 \\x1b Max, discrete, 16.0 GiB, Vulkan 1.3.0, fake",
                      info)
        self.assertNotIn("lavapipe", info)
        self.assertEqual(json.loads(self.run_ok("info", "--json"))["gpus"], self.devices())
        self.assertIn("with known faults", self.run_ok("info", "--gpu-allow-cpu"))

    def test_the_environment_allows_cpu_drivers_too(self):
        self.env["REPARTIR_GPU_ALLOW_CPU"] = "yes"
        self.assertIn("lavapipe", self.listed())
        self.assertNotIn("lavapipe", self.listed("--no-gpu-allow-cpu"))

    def test_a_full_disk(self):
        with open("/dev/full", "w") as full:
            result = self.run_program("gpu", "list", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output cannot be written", result.stderr)


class CommandLine(Gpus):
    def test_help(self):
        for args in (["gpu", "list", "--help"], ["help", "gpu", "list"]):
            text = self.run_ok(*args)
            for words in ("--gpu-allow-cpu", "Exit codes:", "repartir gpu list --json"):
                self.assertIn(words, text)
        self.assertNotIn("discovery", self.run_ok("help") + self.run_ok("gpu", "--help"))
        self.assertIn("GPU LIST", self.run_ok("man"))

    def test_words_that_make_no_sense(self):
        self.assertIn("takes no arguments", self.refused("gpu", "list", "x"))
        self.assertIn("did you mean gpu list?", self.refused("gpu", "lst"))
        self.assertIn("run that", self.refused("gpu-discovery"))

    @unittest.skipIf(SANITIZED, "a sanitizer needs processes and memory of its own")
    def test_too_few_files(self):
        result = subprocess.run(["sh", "-c", 'ulimit -n 4 && exec "$0" gpu list', PROGRAM],
                                env=self.env, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertIn("gpus: none, because", result.stdout)


@unittest.skipUnless(SWIFTSHADER, "no SwiftShader: ./dev test fetches it from chromium-common")
class SwiftShader(Gpus):
    def setUp(self):
        super().setUp()
        self.drive(SWIFTSHADER)

    def test_only_when_allowed(self):
        self.assertRegex(self.listed(), r"\Agpus: none, because every Vulkan device here is a CPU "
                                        r"driver, SwiftShader.*, which has to be allowed")
        [device] = self.devices("--gpu-allow-cpu")
        self.assertIn("SwiftShader", device["name"])
        self.assertEqual((device["type"], device["vendor"], device["usable"], device["faults"]),
                         ("cpu", "Google", True, []))
        self.assertEqual(device["subgroup_size"], 4)
        self.assertGreater(device["limits"]["storage_buffer_bytes_max"], 1 << 20)
        self.assertTrue(device["features"]["memory_model"])


if __name__ == "__main__":
    unittest.main()
