"""The entry point on a managed host. FTL2's gate starts it as a module, with the request on standard input."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

from ftl2_enterprise.adapters.hosts.remote import bundles, frames, perform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOME = Path("~/.ftl").expanduser()
STALE = 86400.0
"""Seconds after which a call cannot be running any more."""
UNUSED = 30 * STALE
"""Seconds without a connection after which the code of another version is removed."""


def main(archive: str, digest: str) -> None:
    """Read the request, execute it, print one JSON line. `archive` has this code, of which `digest` is the name."""
    given = json.load(sys.stdin)["ANSIBLE_MODULE_ARGS"]
    answer = hello(archive, digest) if given["op"] == "hello" else {"call": call, "kill": kill}[given["op"]](given)
    sys.stdout.write(json.dumps({"changed": False, **answer}))
    sys.stdout.flush()


def hello(archive: str, digest: str) -> dict[str, Any]:
    """Confirm that the host can run this code, keep it for the next calls, and remove what is old."""
    import shutil  # noqa: PLC0415 - calls do not need it

    for entry in _folder("calls").iterdir():
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > STALE:
                entry.unlink()
    # Calls work without it, too.
    with contextlib.suppress(OSError):
        if sys.path[0] == archive:
            # It does not exist, or cannot be used.
            shutil.rmtree(_folder("code") / digest, ignore_errors=True)
        placed = bundles.place(_folder("code"), digest, Path(archive).read_bytes())
        for entry in _folder("code").iterdir():
            if entry == placed:
                os.utime(entry)
            elif time.time() - entry.stat().st_mtime > UNUSED:
                shutil.rmtree(entry, ignore_errors=True)
    return {"python": ".".join(map(str, sys.version_info[:3]))}


def call(given: dict[str, Any]) -> dict[str, Any]:
    """Execute one request, which `kill` can end by its token."""
    request = json.loads(frames.from_text(given["request"]))
    if request["kind"] == "bundle":
        data = base64.b64decode(given["bundle"]) if "bundle" in given else None
        path = bundles.place(_folder("modules"), request["digest"], data)
        if path is None:
            return {"need": request["digest"]}
        request = {**request, "kind": "program", "path": str(path)}
    ticket = _folder("calls") / given["token"]
    read_end, write_end = os.pipe()
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.write(write_end, b"!"))
    with ticket.open("w") as held:
        # The lock proves that this process is alive; the pid in the file does not, as it may be reused.
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(os.getpid()))
        held.flush()
        if _withdrawn(ticket).exists():
            os.write(write_end, b"!")
        try:
            frame = perform.perform(request, cancel_fd=read_end)
        finally:
            ticket.unlink()
            with contextlib.suppress(FileNotFoundError):
                _withdrawn(ticket).unlink()
    return {"frame": frames.to_text(frame)}


def kill(given: dict[str, Any]) -> dict[str, Any]:
    """End a call and wait until its process tree has ended. A call that has not begun finds the mark and ends."""
    ticket = _folder("calls") / given["token"]
    _withdrawn(ticket).touch()
    deadline = time.monotonic() + given.get("limit", 8.0)
    while time.monotonic() < deadline:
        try:
            with ticket.open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return {"ended": True}
        except BlockingIOError:
            with contextlib.suppress(ValueError, ProcessLookupError):
                os.kill(int(ticket.read_text()), signal.SIGTERM)
        else:
            return {"ended": True}
        time.sleep(0.02)
    return {"ended": False}


def _folder(name: str) -> Path:
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = HOME / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _withdrawn(ticket: Path) -> Path:
    return ticket.with_name(f"{ticket.name}.withdrawn")
