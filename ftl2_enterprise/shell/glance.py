"""The commands that the service renders: asked for and printed before anything is loaded. See decision 10.

What does not go as it nearly always does, is left to the program as a whole, which asks again and explains.
"""

from __future__ import annotations

import os
import sys

from ftl2_enterprise.core import paths
from ftl2_enterprise.terminal import capabilities

VIEWS = ("status", "list", "show", "prompts")
"""Commands, and aliases of them, that are declared as views."""
WITHIN = 1.0
"""Seconds that each step may take; who waits for longer is told so by the program as a whole."""

_CHUNK = 256 * 1024
_WELCOME = b"\x83\xa4type\xa7welcome\xa8protocol\x01\xa7version"
_REPLY = b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\x81\xa4text"
_SIZES = {b"\xd9": 1, b"\xda": 2, b"\xdb": 4}
"""Bytes of the size of a string behind its first byte; a short one has its size in that byte."""


def show(words: list[str]) -> bool:
    """Print what the command prints; False when the whole program has to do it. Raises OSError of the printing."""
    # A program may be started with its streams closed.
    if sys.stdout is None or (text := _rendered(words)) is None:  # pyright: ignore[reportUnnecessaryComparison]
        return False
    # A terminal that cannot show a letter shows another one.
    sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    sys.stdout.write(text)
    sys.stdout.flush()
    return True


def _rendered(words: list[str]) -> str | None:
    socket = None
    if words[:1] == ["--socket"]:
        socket, words = "".join(words[1:2]), words[2:]
    if not words or words[0] not in VIEWS or any(word.startswith("--socket") for word in words):
        return None
    is_terminal, has_colour = capabilities.of(sys.stdout, os.environ)
    path = socket or paths.client_socket(os.environ)
    if path is None:
        return None
    try:
        asked = _call(words, capabilities.columns(sys.stdout) if is_terminal else 0, socket, has_colour=has_colour)
        return _answer(path, _framed(_HELLO) + _framed(asked))
    except (OSError, ValueError):
        return None


# --- protocol.envelope in MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) ----------------------


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4) + body


def _string(value: str | None) -> bytes:
    if value is None:
        return b"\xc0"
    encoded = value.encode()
    return b"\xdb" + len(encoded).to_bytes(4) + encoded


_HELLO = b"\x83" + b"".join(map(_string, ("type", "hello", "program", "ftl2ctl", "protocol"))) + b"\x01"


def _call(words: list[str], width: int, socket: str | None, *, has_colour: bool) -> bytes:
    fields = {
        "type": _string("system.render"),
        "words": b"\xdd" + len(words).to_bytes(4) + b"".join(map(_string, words)),
        "width": b"\xce" + width.to_bytes(4),
        "colour": b"\xc3" if has_colour else b"\xc2",
        "socket": _string(socket),
    }
    request = b"\x85" + b"".join(_string(name) + value for name, value in fields.items())
    return b"\x83" + b"".join(map(_string, ("type", "call", "id"))) + b"\x01" + _string("request") + request


def _answer(path: str, asked: bytes) -> str | None:
    # What the module socket adds to this takes as long to load as the service to answer.
    import _socket  # noqa: PLC0415 - of no use when something else is asked for

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(WITHIN)
        connection.connect(path)
        connection.sendall(asked)
        got = b""
        while len(frames := _frames(got)) < 2:
            data = connection.recv(_CHUNK)
            if not data:
                return None
            got += data
    finally:
        connection.close()
    welcome, reply = frames
    if not welcome.startswith(_WELCOME) or not reply.startswith(_REPLY):
        return None
    first, rest = reply[len(_REPLY) : len(_REPLY) + 1], reply[len(_REPLY) + 1 :]
    return rest[_SIZES.get(first, 0) :].decode() if first else None


def _frames(data: bytes) -> list[bytes]:
    """The bodies of the frames that are whole."""
    found: list[bytes] = []
    at = 0
    while at + 4 <= len(data) and (end := at + 4 + int.from_bytes(data[at : at + 4])) <= len(data):
        found.append(data[at + 4 : end])
        at = end
    return found
