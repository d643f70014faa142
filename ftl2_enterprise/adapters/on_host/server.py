"""A small process that forks one supervisor per local call, so that starting a call costs milliseconds.

Each call's supervisor has a session of its own, adopts the orphans of its tree, and kills the tree when the socket to
the loop's process closes: when the call is cancelled, and also when that process dies.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import socket
import struct
import sys
import types
from pathlib import Path

from ftl2_enterprise.adapters.on_host import calls

LENGTH = struct.Struct(">I")
PRELOADS = {
    b"a": ("ansible.module_utils.basic",),
    b"r": ("jinja2",),
    b"f": ("ftl2.ftl_modules.file",),
}
"""What to import before the fork, by the byte that comes with a call."""


def main(control_fd: int) -> None:
    """Fork a supervisor for every socket that arrives; end when the other side is gone."""
    control = socket.socket(fileno=control_fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    _hide_package_start("ftl2", "ftl_modules")
    with contextlib.suppress(ConnectionError):
        while True:
            hint, fds, _, _ = socket.recv_fds(control, 1, 1)
            if not hint:
                return
            for name in PRELOADS.get(hint, ()):
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)
            if os.fork() == 0:
                status = 70
                try:
                    control.close()
                    serve(socket.socket(fileno=fds[0]))
                    status = 0
                finally:
                    os._exit(status)
            os.close(fds[0])


def serve(connection: socket.socket) -> None:
    """Perform the one request of this connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    connection.sendall(LENGTH.pack(os.getpid()))
    (size,) = LENGTH.unpack(_receive(connection, LENGTH.size))
    request = json.loads(_receive(connection, size))
    frame = calls.perform(request, cancel_fd=connection.fileno())
    with contextlib.suppress(ConnectionError):
        connection.sendall(frame)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = connection.recv(min(size - len(received), 1 << 20))
        if not chunk:
            raise SystemExit(0)
        received += chunk
    return bytes(received)


def _hide_package_start(package: str, child: str) -> None:
    """Let single modules be imported without the package's own start, which imports SSH, HTTP and more (0.6 s)."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent
    for name, path in ((package, folder), (f"{package}.{child}", folder / child)):
        stand_in = types.ModuleType(name)
        stand_in.__path__ = [str(path)]
        sys.modules[name] = stand_in
