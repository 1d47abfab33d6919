# SPDX-License-Identifier: MIT
"""A scheduler and one worker of Dask's on loopback, started by its commands."""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from distributed import Client

DASK = str(pathlib.Path(sys.executable).with_name("dask"))


@contextlib.contextmanager
def cluster(threads):
    """A client whose cluster has one worker with so many threads."""
    with tempfile.TemporaryDirectory(prefix="dask-") as scratch, contextlib.ExitStack() as stack:
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": scratch}
        scheduler = stack.enter_context(started(
            [DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
             "--no-show"], environment, subprocess.PIPE))
        address = None
        while address is None:
            line = scheduler.stderr.readline()
            if not line:
                raise RuntimeError("the scheduler ended before it served")
            address = re.search(r"Scheduler at:\s*(tcp://\S+)", line)
        stack.enter_context(started(
            [DASK, "worker", address[1], "--host", "127.0.0.1", "--nworkers", "1", "--nthreads",
             str(threads), "--no-dashboard"], environment, subprocess.DEVNULL))
        client = stack.enter_context(Client(address[1]))
        client.wait_for_workers(1)
        yield client


@contextlib.contextmanager
def started(command, environment, log):
    """A process that is ended at the end."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()
