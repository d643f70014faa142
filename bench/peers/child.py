"""The child of every peer: reports that it runs, then waits. With `full`, imports what a loop process imports."""

import os
import signal
import socket
import sys


def main() -> None:
    key, path, kind = sys.argv[1:4]
    if kind == "full":
        import ftl2_enterprise.wiring.loops.capability  # noqa: F401, PLC0415 - the import time is measured
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.sendto(f"{key} {os.getpid()}".encode(), path)
    while True:
        signal.pause()


main()
