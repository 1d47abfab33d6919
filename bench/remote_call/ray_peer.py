#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An empty function through Ray, as its documentation has it: remote and get, one at a time, or
many and one get of all."""
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import python_peer  # noqa: E402

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing leaves this machine
import ray  # noqa: E402


@ray.remote
def nothing():
    """The function."""


def main():
    """The program."""
    with tempfile.TemporaryDirectory(prefix="ray-") as scratch:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error",
                 object_store_memory=128 << 20, _temp_dir=scratch, _node_ip_address="127.0.0.1")

        def one():
            return ray.get(nothing.remote()) is None

        def many(count):
            return ray.get([nothing.remote() for _ in range(count)]) == [None] * count

        python_peer.measure("remote_call", "ray", python_peer.parse(),
                            {"latency": 1000, "throughput": 5000}, one, many)
        ray.shutdown()


if __name__ == "__main__":
    main()
