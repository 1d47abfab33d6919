# SPDX-License-Identifier: MIT
"""Instructions per item, counted by callgrind: the same from run to run whatever else runs here."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

# Problem, arguments, the two sizes whose difference is taken (start-up cancels out), and how often
# a program runs the whole size (once to warm up, once by the clock).
COUNTED = [
    ("fork_join", ["--mode", "results", "--workers", "1"], 14, 18, 2),
    ("empty_tasks", ["--mode", "inside", "--workers", "1"], 20000, 40000, 1.1),
]
NAMES = ("repartir", "tbb", "taskflow", "serial")


def count(path, arguments, size):
    """Instructions that a program executes, and the items that it reports."""
    with tempfile.TemporaryDirectory(prefix="repartir-callgrind-") as scratch:
        out = pathlib.Path(scratch) / "out"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(path), *arguments,
             "--count", str(size)], capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{path.name} under callgrind ended with {done.returncode}")
        total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    return int(total.group(1)), json.loads(done.stdout)["items"]


def measure(bin_dir, absent, progress):
    """Cases of instructions per item, in the form that run.py keeps."""
    found = {}
    if not shutil.which("valgrind"):
        absent["valgrind"] = "valgrind is not installed: no instruction counts"
        return found
    for problem, arguments, small, large, repeats in COUNTED:
        contestants, errors = {}, {}
        for name in NAMES:
            path, flags, times = pathlib.Path(bin_dir) / f"{problem}.{name}", arguments, repeats
            if name == "repartir":  # a program of its own, which runs the whole size once
                path, times = path.with_name("instructions.repartir"), 1
                flags = ["--mode", problem, "--workers", "1"]
            if not path.exists():
                continue
            progress(f"instructions.{problem}  {name}")
            try:
                low, low_items = count(path, flags, small)
                high, high_items = count(path, flags, large)
            except (RuntimeError, subprocess.TimeoutExpired, AttributeError) as error:
                errors[name] = str(error)
                continue
            value = round((high - low) / ((high_items - low_items) * times), 2)
            contestants[name] = {"medians": {"instructions_per_item": value},
                                 "samples": {"instructions_per_item": [value]}}
        found[f"instructions.{problem}"] = {
            "pairs": 1, "why_pairs": "instruction counts do not vary", "notes": {},
            "metric": "instructions_per_item", "others_share": 0.0, "contestants": contestants,
            "errors": errors}
    return found
