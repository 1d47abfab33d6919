# SPDX-License-Identifier: MIT
"""Where tasks come from: lists, lines, numbers, JSON, placeholders; and the command line."""
import json
import os
import resource
import signal
import subprocess
import time
import unittest

from program import PATIENCE, ProgramTest


class CommandLine(ProgramTest):
    def test_help_in_every_spelling(self):
        for args in (["--help"], ["-h"], ["help"]):
            self.assertIn("Commands:", self.run_ok(*args))
        for args in (["run", "--help"], ["run", "-h"], ["help", "run"]):
            self.assertIn("--keep-order", self.run_ok(*args))

    def test_version(self):
        self.assertRegex(self.run_ok("--version"), r"^repartir \d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_ok("--version"), self.run_ok("version"))

    def test_without_a_command_it_says_what_there_is(self):
        result = self.run_program()
        self.assertEqual(result.returncode, 2)
        self.assertIn("Commands:", result.stderr)

    def test_mistakes_name_the_nearest(self):
        self.assertIn("did you mean run?", self.refused("rnu"))
        self.assertIn("did you mean --keep-order?", self.refused("run", "--keep-oder", "x"))
        self.assertIn("--workers", self.refused("run", "-j", "many", "true"))
        self.assertIn("takes no arguments", self.refused("info", "x"))
        self.assertIn("no program", self.refused("run"))

    def test_generated_scripts_are_accepted_by_their_shells(self):
        self.write("complete.bash", self.run_ok("completion", "bash"))
        subprocess.run(["bash", "-n", self.path("complete.bash")], check=True)
        self.assertIn("#compdef repartir", self.run_ok("completion", "zsh"))
        self.assertIn(".TH REPARTIR 1", self.run_ok("man"))
        self.refused("completion", "fish")

    def test_environment_gives_defaults(self):
        self.env["REPARTIR_TAG"] = "1"
        self.assertEqual(self.run_ok("run", "echo", ":::", "a"), "a\ta\n")
        self.assertEqual(self.run_ok("run", "--no-tag", "echo", ":::", "a"), "a\n")
        self.env["REPARTIR_WORKERS"] = "nonsense"
        self.assertIn('the environment variable REPARTIR_WORKERS sets --workers: "nonsense" is no',
                      self.refused("run", "echo", ":::", "a"))
        self.assertNotIn("variable", self.refused("run", "-j", "x", "echo", ":::", "a"))

    def test_explain_and_dry_run_run_nothing(self):
        plan = self.run_ok("run", "--explain", "-j3", "--timeout", "5s", "touch", ":::", "x", "y")
        self.assertIn("tasks      2", plan)
        self.assertIn("at once    3", plan)
        self.assertIn("5.0 s", plan)
        shown = self.run_ok("run", "--dry-run", "touch", "{}", ":::", "it's", "y")
        self.assertEqual(shown, "touch 'it'\\''s'\ntouch y\n")
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_plan_says_all_that_was_asked_for(self):
        cpus = len(os.sched_getaffinity(0))
        plan = self.run_ok("run", "--explain", f"-j{cpus}", "--pin", "-k", "--retries", "3",
                           "--halt", "soon,fail=3", "--nice", "7", "--rerun-failed",
                           "--retry-delay", "1s", "--resume", "log", "--limit-cpu-time", "5s",
                           "--limit-address-space", "1G", "--limit-file-size", "2M",
                           "--limit-open-files", "64", "--limit-memory", "3G",
                           "--limit-processes", "9", "--each-line", "-", "true", input="a\n")
        for words in ("as many as the input has", f"at once    {cpus}", "after 3 failed, letting",
                      "niceness 7 more", "each on a CPU of its own", "printed in that order too",
                      "after at most 1.0 s",
                      "CPU time 5.0 s, address space 1.0 GiB, file size 2.0 MiB, open files 64,"
                      " memory 3.0 GiB, processes 9",
                      "what ends is noted in log; what failed is run again"):
            self.assertIn(words, plan)
        plan = self.run_ok("run", "--explain", f"-j{2 * cpus}", "-c2", "--pin", "--output-dir", "d",
                           "--halt", "now,fail=10%", "true", ":::", "a")
        for words in (f"at once    {cpus}", "each task taking 2", "CPU, which some must share",
                      "written to files, not printed", "10% of at least 10", "ending what runs"):
            self.assertIn(words, plan)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_dry_run_waits_for_its_inputs(self):
        process = self.start("run", "-n", "--each-line", "-", "echo", stdin=subprocess.PIPE)
        process.stdin.write("a\n")
        process.stdin.flush()
        time.sleep(0.02)  # longer than it looks at once; how long does not matter
        out, _ = process.communicate("b\n")
        self.assertEqual((process.returncode, out), (0, "echo a\necho b\n"))
        result = self.run_program("run", "-n", "--each-line", "-", "echo", input="a\nb\0\n")
        self.assertEqual(result.returncode, 2)
        self.assertIn("NUL", result.stderr)

    def test_a_dry_run_prints_what_a_shell_can_run(self):
        os.mkdir(self.path("a b"))
        self.write("data", "read\n")
        options = ["-C", "{}", "-e", "V=it's {#}", "--stdin", "data", "--", "sh", "-c",
                   'pwd; echo "$V $1"; cat', "sh", ":::", "a b", "."]
        shown = self.run_ok("run", "--dry-run", *options)
        self.assertIn("(cd -- 'a b' && V=", shown)
        by_shell = subprocess.run(["sh", "-e"], input=shown, cwd=self.folder, text=True,
                                  capture_output=True, check=True).stdout
        self.assertEqual(by_shell, self.run_ok("run", "-k", *options))
        self.assertIn("read\n", by_shell)


class Inputs(ProgramTest):
    def lines(self, *args, **options):
        return self.run_ok("run", "-k", *args, **options).splitlines()

    def test_a_single_program_gets_our_standard_input(self):
        for more in ([], ["--stdin", "-"], ["--tag"], ["--tag", "--stdin", "-"]):
            with self.subTest(more):
                self.assertIn("hello", self.run_ok("run", *more, "cat", input="hello\n"))

    def test_lists_make_their_product(self):
        self.assertEqual(self.lines("echo", ":::", "a", "b", ":::", "1", "2"),
                         ["a 1", "a 2", "b 1", "b 2"])
        self.assertEqual(self.lines("--array", "1-2", "echo", "{2}{1}", ":::", "x"), ["x1", "x2"])
        self.assertEqual(self.lines("echo", ":::"), [])

    def test_placeholders(self):
        self.assertEqual(
            self.lines("echo", "{}|{.}|{/}|{//}|{/.}|{#}|{{}|{1}", ":::", "d/n.c"),
            ["d/n.c|d/n|n.c|d|n|1|{}|d/n.c"])

    def test_inputs_are_never_read_by_a_shell(self):
        hostile = ["$(touch bad)", "`touch bad`", "; touch bad", "a b", "*", "'",
                   '"', "\\", "-n x", ""]
        out = self.lines("printf", "<%s>\\n", "{}", ":::", *hostile)
        self.assertEqual(out, [f"<{text}>" for text in hostile])
        self.assertEqual(os.listdir(self.folder), [])

    def test_lines_of_a_file_and_of_standard_input(self):
        self.write("list", "one\ntwo words\n\nlast")
        wanted = ["<one>", "<two words>", "<>", "<last>"]
        self.assertEqual(self.lines("--each-line", "list", "printf", "<%s>\\n"), wanted)
        self.assertEqual(
            self.lines("-a", "-", "printf", "<%s>\\n", input=self.read("list")), wanted)
        self.assertEqual(
            self.lines("-0", "-a", "-", "printf", "<%s>", input="a\nb\0c\0"), ["<a", "b><c>"])

    def test_lines_are_run_as_they_come(self):
        process = self.start("run", "--each-line", "-", "touch", stdin=subprocess.PIPE)
        process.stdin.write("first\n")
        process.stdin.flush()
        self.wait_for_file("first")
        process.stdin.write("second\n")
        process.stdin.flush()
        self.wait_for_file("second")
        process.stdin.close()
        self.assertEqual(process.wait(), 0)

    def test_json_tasks_are_run_as_they_come(self):
        process = self.start("run", "-q", "--from-json", "-", stdin=subprocess.PIPE)
        process.stdin.write('[{"program": "echo", "args": ["first"]}, ')
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "first\n")
        out, _ = process.communicate('{"program": "echo", "args": ["second"]}]')
        self.assertEqual((process.returncode, out), (0, "second\n"))

    def test_bad_inputs_have_one_sentence(self):
        self.assertIn("No such file", self.refused("run", "-a", "missing", "echo"))
        self.assertIn("no range", self.refused("run", "--array", "1..3", "echo"))
        self.assertIn("asks for input 2", self.refused("run", "echo", "{2}", ":::", "a"))
        result = self.run_program("run", "-q", "-a", "-", "echo", input="x" * 200_000 + "\n")
        self.assertEqual(result.returncode, 2)
        self.assertIn("longer than", result.stderr)

    def test_ranges(self):
        self.assertEqual(self.lines("--array", "1-9:4", "echo"), ["1", "5", "9"])
        self.assertEqual(self.lines("--array", "3-1:-1", "echo"), ["3", "2", "1"])
        self.assertIn("has no numbers", self.refused("run", "--array", "1-0", "echo"))

    def test_a_fifo_that_nobody_writes_to_does_not_deafen_us(self):
        os.mkfifo(self.path("inputs"))
        for args in (("-a", "inputs", "echo"), ("--from-json", "inputs")):
            process = self.start("run", *args)
            self.wait_until("it to wait for inputs", lambda p=process: self.polls(p.pid))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE), 5)
        process = self.start("run", "-q", "-a", "inputs", "echo")
        with open(self.path("inputs"), "w") as writer:
            writer.write("word\n")
        self.assertEqual(process.communicate()[0], "word\n")
        self.assertEqual(process.returncode, 0)

    @staticmethod
    def polls(pid):
        with open(f"/proc/{pid}/wchan") as file:
            return "poll" in file.read()

    def test_a_large_array_costs_no_memory(self):
        process = self.start("run", "-q", "--array", "1-1000000000", "true",
                             stdout=subprocess.DEVNULL)
        peaks = []
        for _ in range(2):
            time.sleep(0.5)  # let it work; what is measured must not grow with what has run
            with open(f"/proc/{process.pid}/status") as status:
                line = next(line for line in status if line.startswith("VmHWM"))
            peaks.append(int(line.split()[1]))
        process.terminate()
        self.assertEqual(process.wait(), 5)
        self.assertLess(peaks[1], 64 * 1024, "KiB")
        self.assertLess(peaks[1] - peaks[0], 8 * 1024, "KiB")

    def test_a_large_product_can_be_shown(self):
        process = self.start("run", "--dry-run", "--array", "1-100000", "--array", "1-100000", "x")
        self.assertEqual(process.stdout.readline(), "x 1 1\n")
        process.stdout.close()

    def test_json_tasks(self):
        tasks = [
            {"program": "sh", "args": ["-c", "echo $K; pwd; cat"], "env": {"K": "v"}, "cwd": "/",
             "stdin_text": "in\n", "name": "first"},
            {"program": "cat", "stdin": self.write("file", "from a file\n"), "timeout": "20s"},
        ]
        self.write("tasks.json", json.dumps(tasks))
        self.assertEqual(self.lines("--tag", "--from-json", "tasks.json"),
                         ["first\tv", "first\t/", "first\tin", "cat\tfrom a file"])
        self.assertEqual(
            self.lines("--from-json", "-", input=json.dumps(tasks[1:])), ["from a file"])

    def test_a_mistake_late_in_a_json_file_is_found_before_anything_runs(self):
        first = '[{"program":"touch","args":["ran"]},\n'
        for rest, words in (
                ('{"program":"true","colour":"red"}]', 'element 2 (line 2) has the unknown key'
                 ' "colour"'),
                ('{"program":"true","args":"x"}]', 'element 2 (line 2): "args" must be'),
                ('{"program":\n;}]', "element 2 (line 2) is no well-formed JSON (strings must be"
                 " UTF-8): look at line 3, byte 50 of the input"),
                ('{"program":"true"},\n', "after element 2, at line 3, byte 58 of the input: the"
                 " text ends"),
                (' ' * 200_000 + "]", "after element 1, at line 2, byte 200038")):
            with self.subTest(words):
                self.write("tasks.json", first + rest)
                self.assertIn(words, self.refused("run", "--from-json", "tasks.json"))
                with open(self.path("tasks.json")) as file:
                    result = self.run_program("run", "--from-json", "-", stdin=file)
                self.assertEqual(result.returncode, 2)
                self.assertFalse(os.path.exists(self.path("ran")))
                result = self.run_program("run", "--from-json", "-", input=first + rest)
                self.assertEqual(result.returncode, 2)
                self.assertIn(words, result.stderr)  # a pipe is run as it comes
                self.assertTrue(os.path.exists(self.path("ran")))
                os.unlink(self.path("ran"))

    def test_json_from_a_file_that_is_standard_input_begins_where_it_stands(self):
        text = 'a line\n[{"program":"echo","args":["a"]}]'
        with open(self.write("tasks", text)) as file:
            os.lseek(file.fileno(), len("a line\n"), os.SEEK_SET)
            self.assertEqual(self.lines("--from-json", "-", stdin=file), ["a"])
        self.write("tasks", '[{"program":"true"},{"program":"true"}]')
        self.assertIn("tasks      2", self.run_ok("run", "--explain", "--from-json", "tasks"))

    def test_the_input_of_a_json_task_is_its_name(self):
        self.write("tasks", '[{"program":"true"},{"program":"true","name":"n"}]')
        lines = self.lines("--json", "--from-json", "tasks")
        self.assertEqual([json.loads(line)["input"] for line in lines], [[], ["n"]])
        self.assertEqual(self.lines("--from-json", "tasks", "-e", "K={1}", "-o", "{}d"), [])

    def test_json_keys_stand_once(self):
        for text, words in (
                ('{"program":"true","args":["a"],"args":["b"]}', 'the key "args" twice'),
                ('{"program":"true","env":{"A":"1","B":"2","A":"3"}}', 'the key "A" twice')):
            self.write("tasks.json", f'[{{"program":"true"}},{text}]')
            self.assertIn(f"element 2 (line 1) has {words}",
                          self.refused("run", "--from-json", "tasks.json"))

    def test_many_inputs_from_the_command_line(self):
        words = [str(i) for i in range(2000)]
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        options = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))}
        self.assertEqual(self.lines("echo", ":::", *words, **options), words)


if __name__ == "__main__":
    unittest.main()
