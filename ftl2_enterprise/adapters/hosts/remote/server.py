"""A small process that forks supervisors of local calls, so that starting a call takes milliseconds.

A supervisor executes one call at a time. It has its own session, adopts the orphans of the call's tree, and kills the
tree when the socket to the loop's process closes, which happens when the call is cancelled or that process dies.
After a call without remaining processes, it waits for another one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys

from ftl2_enterprise.adapters.hosts.remote import perform, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LENGTH = struct.Struct(">I")
BEGUN = b"!"
"""Sent before a request is executed."""
FREE = b"+"
"""Sent after the reply if the supervisor accepts another request."""
IDLE = 10.0
"""Seconds without a request after which a supervisor ends."""
LARGE = 1 << 20
"""Bytes of a reply after which a supervisor ends, to release its memory."""
CALL_MARK = "FTL2_MODULE_CALL"
"""Environment variable of all processes that a call starts. A daemon may outlive the loop's process, and root of the
service recognizes it by this (see supervisor/root/process_tree.py)."""
PRELOADS = {
    b"a": ("ansible.module_utils.basic", "runpy"),
    b"r": ("ftl2_enterprise.adapters.templates.parameters", f"{__package__}.files"),
    b"f": ("ftl2.ftl_modules.file", "asyncio", "inspect", f"{__package__}.files"),
    b"p": (f"{__package__}.files",),
    b"o": (f"{__package__}.observing.subjects",),
}
"""The modules to import before the fork, by the hint byte of a call."""
SUPERVISORS = {b"y": "ftl2_enterprise.adapters.rules.supervise"}
"""Modules with a `main` that supervises something else than calls, by the hint byte of a message."""
LARGEST = 1 << 16
"""Maximum bytes of a message to the helper: a hint, then the names of variables to hide from calls."""

_ahead: dict[str, Any] = {}
"""Stand-in modules for the helpers that are forked from this process, which other code must not find."""


def load_ahead() -> None:
    """Import what every call needs, for helpers that are forked from this process or its children."""
    for hint in PRELOADS:
        _preload(hint)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ftl2"]:
        _ahead[name] = sys.modules.pop(name)


def main(control_fd: int) -> None:
    """Fork a supervisor for every socket that is received; return when the other end closes."""
    control = socket.socket(fileno=control_fd)
    sys.modules.update(_ahead)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    with contextlib.suppress(ConnectionError):
        while True:
            message, fds, _, _ = socket.recv_fds(control, LARGEST, 1)
            if not message:
                return
            for name in message[1:].split():
                os.environb.pop(name, None)
            _preload(message[:1])
            if os.fork() == 0:
                status = 70
                try:
                    control.close()
                    supervisor = SUPERVISORS.get(message[:1])
                    work = importlib.import_module(supervisor).main if supervisor else serve
                    work(socket.socket(fileno=fds[0]))
                    status = 0
                finally:
                    os._exit(status)
            os.close(fds[0])


def serve(connection: socket.socket) -> None:
    """Execute requests one after the other, as long as each leaves no process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    processes.adopt_orphans()
    os.environ[CALL_MARK] = str(os.getpid())
    connection.sendall(LENGTH.pack(os.getpid()))
    while _is_readable(connection, IDLE):
        (size,) = LENGTH.unpack(_receive(connection, LENGTH.size))
        request = json.loads(_receive(connection, size))
        if _is_readable(connection, 0):
            return  # nothing else is sent here: the call was cancelled before it began
        connection.sendall(BEGUN)
        frame = perform.perform(request, cancel_fd=connection.fileno())
        # Processes that a call left must not count as the tree of the next one.
        free = len(frame) <= LARGE and processes.is_alone()
        with contextlib.suppress(ConnectionError):
            connection.sendall(frame + FREE if free else frame)
        if not free:
            return


def _is_readable(connection: socket.socket, seconds: float) -> bool:
    return bool(select.select([connection], [], [], seconds)[0])


def _preload(hint: bytes) -> None:
    names = PRELOADS.get(hint, ())
    if hint in b"arf":
        # Only these need installed packages.
        if "site" not in sys.modules:
            import site  # noqa: PLC0415

            site.main()
        if "ftl2" not in sys.modules:
            _hide_package_start("ftl2", "ftl_modules")
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = connection.recv(min(size - len(received), 1 << 20))
        if not chunk:
            raise SystemExit(0)
        received += chunk
    return bytes(received)


def _hide_package_start(package: str, child: str) -> None:
    """Make modules importable without the package's __init__, which imports SSH, HTTP and more (0.6 s)."""
    import importlib.util  # noqa: PLC0415
    import types  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent
    for name, path in ((package, folder), (f"{package}.{child}", folder / child)):
        stand_in = types.ModuleType(name)
        stand_in.__path__ = [str(path)]
        sys.modules[name] = stand_in
