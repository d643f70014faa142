"""The child of every peer: reports that it runs, then waits. With `full`, imports what a loop process imports."""

import importlib
import os
import signal
import socket
import sys


def main() -> None:
    key, path, kind = sys.argv[1:4]
    if kind == "full":
        importlib.import_module("ftl2_enterprise.wiring.loops.capability")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.sendto(f"{key} {os.getpid()}".encode(), path)
    while True:
        signal.pause()


main()
