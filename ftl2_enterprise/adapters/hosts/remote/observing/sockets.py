"""Listening sockets of a host and their processes, from /proc/net and /proc/PID/fd (proc(5))."""

from __future__ import annotations

import os
import socket
import struct

from ftl2_enterprise.adapters.hosts.remote.observing.parameters import PROTOCOLS, CannotObserve
from ftl2_enterprise.adapters.hosts.remote.observing.processes import user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LISTENS = {"tcp": "0A", "udp": "07"}
"""States of sockets that accept connections or datagrams (TCP_LISTEN and TCP_CLOSE of the kernel)."""
_ACCEPTS = 1 << 16
"""The flag of a listening Unix socket (__SO_ACCEPTCON)."""


def sockets(given: dict[str, Any]) -> dict[str, Any]:
    """The listening sockets that match, with their processes where this user may see them. Raises CannotObserve."""
    if given["path"] is not None and given["port"] is not None:
        raise CannotObserve("cannot observe sockets: give port or path, not both")
    chosen = PROTOCOLS if given["protocol"] is None else (given["protocol"],)
    if given["path"] is not None:
        chosen = tuple(name for name in chosen if name == "unix")
    if given["port"] is not None:
        chosen = tuple(name for name in chosen if name != "unix")
    found = [one for name in chosen for one in (_unix() if name == "unix" else _internet(name))]
    found = [
        one for one in found
        if given["port"] in (None, one.get("port")) and given["path"] in (None, one.get("path"))
    ]  # fmt: skip
    owners = _owners({one["inode"] for one in found})
    rows = [
        {key: value for key, value in one.items() if key != "inode"} | {"process": owners.get(one["inode"])}
        for one in found
    ]
    return {"count": len(rows), "sockets": rows[: given["limit"]]}


def _internet(protocol: str) -> Iterator[dict[str, Any]]:
    for suffix, family in (("", socket.AF_INET), ("6", socket.AF_INET6)):
        for line in _lines(f"/proc/net/{protocol}{suffix}"):
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTENS[protocol]:
                yield {
                    "protocol": protocol, "address": _address(address, family), "port": int(port, 16),
                    "user": user_name(int(fields[7])), "inode": fields[9],
                }  # fmt: skip


def _address(text: str, family: int) -> str:
    """An address in text form; the kernel prints words of 32 bits in the order of the machine."""
    raw = bytes.fromhex(text)
    words = [raw[start : start + 4] for start in range(0, len(raw), 4)]
    return socket.inet_ntop(family, b"".join(struct.pack("=I", int.from_bytes(word, "big")) for word in words))


def _unix() -> Iterator[dict[str, Any]]:
    for line in _lines("/proc/net/unix"):
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS:
            yield {"protocol": "unix", "path": fields[7].rstrip("\n"), "inode": fields[6]}


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.readlines()[1:]
    except FileNotFoundError:  # a kernel without that family
        return []


def _owners(inodes: set[str]) -> dict[str, dict[str, Any]]:
    """The process of each socket that this user may see; one of several that share it."""
    found: dict[str, dict[str, Any]] = {}
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True):  # noqa: PTH208
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115
            except OSError:
                continue
            inode = target[8:-1] if target.startswith("socket:[") else ""
            if inode in inodes:
                found[inode] = {"pid": pid, "name": _name(pid)}
    return found


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rstrip("\n")
    except OSError:
        return ""
