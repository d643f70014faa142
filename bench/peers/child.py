"""The child of every peer: reports that it runs, then waits. With `full`, imports what a loop process imports."""

import os
import signal
import socket
import sys


def main() -> None:
    key, path, kind = sys.argv[1:4]
    if kind == "full":
<<<<<<< HEAD
        import ftl2_enterprise.wiring.loops.capability  # noqa: F401, PLC0415 - that it takes long is what is measured
=======
        import ftl2_enterprise.wiring.child  # noqa: F401, PLC0415 - the import time is part of the measurement
>>>>>>> 23462b5 (packaging, systemd, bench: plain English in messages, comments and docstrings)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.sendto(f"{key} {os.getpid()}".encode(), path)
    while True:
        signal.pause()


main()
