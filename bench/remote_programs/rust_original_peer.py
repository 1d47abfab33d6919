#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts the Rust original's worker, and its client against it, which prints the figures.

usage: rust_original_peer.py FOLDER-OF-ITS-PROGRAMS MODE COUNT [PRELOADED-LIBRARY]"""
import os
import socket
import subprocess
import sys
import time

PATIENCE_S = 10


def free_port():
    """A port of loopback that nobody has: its worker cannot say which one it got."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(address, process):
    """Returns once somebody listens."""
    give_up = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection(address).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError("its worker does not listen")


def main():
    """The program."""
    folder, mode, count, *library = sys.argv[1:]
    environment = {**os.environ, **({"LD_PRELOAD": library[0]} if library else {})}
    port = free_port()
    address = f"127.0.0.1:{port}"
    worker = subprocess.Popen([f"{folder}/bin/repartir-worker", address], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(("127.0.0.1", port), worker)
        client = [f"{folder}/target/release/rust-original", address, mode, count]
        return subprocess.run(client, env=environment, check=False, timeout=300).returncode
    finally:
        worker.kill()
        worker.wait()


if __name__ == "__main__":
    sys.exit(main())
