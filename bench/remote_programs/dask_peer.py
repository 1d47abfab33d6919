#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/bin/true on a worker of Dask's with two threads, by subprocess.run: submit and result for one at
a time, submit and gather for many."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import dask_cluster  # noqa: E402
import python_peer  # noqa: E402


def program():
    """What a task is. Gives whether the program ended well."""
    return subprocess.run(["/bin/true"], capture_output=True, check=False).returncode == 0


def main():
    """The program."""
    with dask_cluster.cluster(threads=2) as client:
        def one():
            return client.submit(program, pure=False).result()

        def many(count):
            return all(client.gather([client.submit(program, pure=False) for _ in range(count)]))

        python_peer.measure("remote_programs", "dask", python_peer.parse(),
                            {"latency": 200, "true": 1000}, one, many)


if __name__ == "__main__":
    main()
