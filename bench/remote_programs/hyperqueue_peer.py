#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/bin/true through a server and one worker of HyperQueue's with two cores, by its Python API. Mode
true keeps the output of each in files, as it does by default; true_no_output keeps none.

The client's own wait asks once in a second whether a job has ended. So that it is not charged that
second, a last task writes to a FIFO: its priority is lower, so all others have begun before it."""
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import python_peer  # noqa: E402

from hyperqueue import Job, LocalCluster  # noqa: E402
from hyperqueue.cluster import WorkerConfig  # noqa: E402


def run(client, folder, count, keep):
    """Runs so many, and waits until the last has ended. Gives whether it did."""
    fifo = folder / "done"
    if not fifo.exists():
        os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    writer = os.open(fifo, os.O_WRONLY)  # so that there is no end of file before it is written to
    job = Job(default_workdir=folder)
    output = {} if keep else {"stdout": None, "stderr": None}
    for _ in range(count):
        job.program(["/bin/true"], **output)
    job.program(["sh", "-c", f"echo >{fifo}"], stdout=None, stderr=None, priority=-1)
    client.submit(job)
    done = os.read(reader, 1) == b"\n"
    os.close(reader)
    os.close(writer)
    return done


def own_output():
    """Leaves standard output to our figures: the server writes about itself there."""
    figures = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.stdout = figures


def main():
    """The program."""
    options = python_peer.parse()
    own_output()
    with tempfile.TemporaryDirectory(prefix="hq-") as scratch:
        os.chdir(scratch)
        os.environ["TMPDIR"] = scratch  # its server leaves a folder there
        with LocalCluster(scratch + "/server", WorkerConfig(cores=2)) as cluster:
            client = cluster.client()
            python_peer.measure("remote_programs", "hyperqueue", options,
                                {"true": 2000, "true_no_output": 2000}, None,
                                lambda count: run(client, pathlib.Path(scratch), count,
                                                  options.mode == "true"))
        os.chdir("/")


if __name__ == "__main__":
    main()
