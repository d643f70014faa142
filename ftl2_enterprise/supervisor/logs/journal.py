"""The journal's native protocol: one datagram an entry, with fields."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.shorten import shorten_middle
from ftl2_enterprise.protocol.service.log_fields import EVENT, parts
from ftl2_enterprise.supervisor.logs.record import (
    LONGEST_FIELD,
    LONGEST_MESSAGE,
    with_fields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.protocol.service.verbs import LogLine

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "ftl2-enterprise"
PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}
FIELDS = {EVENT, "crash"}
"""Fields of a line that are fields of its entry, besides the ids in it and the names that belong to them."""
_LENGTH = struct.Struct("<Q")


def is_stderr(environ: Mapping[str, str]) -> bool:
    """Whether the journal reads standard error: JOURNAL_STREAM names the file that it was given (systemd.exec(5))."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def entry(line: LogLine, process: str) -> bytes:
    """The line as a datagram."""
    fields: dict[str, str] = {
        "MESSAGE": shorten_middle(f"{line.source}: {with_fields(line)}", LONGEST_MESSAGE + LONGEST_FIELD),
        "PRIORITY": str(PRIORITIES.get(line.level, 6)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "FTL2_PROCESS": process,
    }
    copied = FIELDS | parts(line)
    for name, value in line.fields.items():
        is_name = f"{name}_id" in line.fields
        if value is not None and (name in copied or name.endswith("_id") or is_name) and name.isascii():
            fields[f"FTL2_{name.upper()}"] = str(value)
    return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + _LENGTH.pack(len(data)) + data + b"\n"


class Journal:
    """Sends lines to the journal; what it cannot take at once is lost, because logging must not block the process."""

    def __init__(self, process: str, path: str = SOCKET) -> None:
        self._process: str = process
        self._path: str = path
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket: socket.socket = socket.socket(socket.AF_UNIX, kind)
        self.lost: int = 0

    def write(self, line: LogLine) -> None:
        """Send it."""
        self._send(entry(line, self._process))

    def _send(self, data: Any) -> None:
        try:
            self._socket.sendto(data, self._path)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
