#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An empty function through Dask's distributed scheduler, as its documentation has it: submit and
result for one at a time, submit and gather for many."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import dask_cluster  # noqa: E402
import python_peer  # noqa: E402


def nothing():
    """The function. pure=False: Dask would else answer the second call from memory."""


def main():
    """The program."""
    with dask_cluster.cluster(threads=1) as client:
        def one():
            return client.submit(nothing, pure=False).result() is None

        def many(count):
            futures = [client.submit(nothing, pure=False) for _ in range(count)]
            return client.gather(futures) == [None] * count

        python_peer.measure("remote_call", "dask", python_peer.parse(),
                            {"latency": 300, "throughput": 2000}, one, many)


if __name__ == "__main__":
    main()
