"""The commands that the service renders: asked for and printed before anything is loaded. See decision 10.

What does not go as it nearly always does, is left to the program as a whole, which asks again and explains.
"""

from __future__ import annotations

import os
import sys
import time

from ftl2_enterprise.core import paths
from ftl2_enterprise.render import terminal

VIEWS = ("status", "list", "show", "prompts")
"""Commands, and aliases of them, that are declared as views."""
OPTIONS = ("--json", "--all", "-a", "--limit", "-n")
"""What may be given with them; others are for the program as a whole, many of which need no service."""
WITHIN = 0.5
"""Seconds that it may take; who waits for longer is told so by the program as a whole."""
INTERRUPTED = 130
"""As a shell tells the end by SIGINT."""

_CHUNK = 256 * 1024
_LONGEST = 16 * 1024 * 1024
"""Bytes of a frame."""
_WIDEST = 9999
_WELCOME = b"\x83\xa4type\xa7welcome\xa8protocol\x01\xa7version"
_REPLY = b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\x81\xa4text"
_SIZES = {0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes of the size of a string, by the byte before them."""
_SHORT = range(0xA0, 0xC0)
"""Bytes that are the beginning of a string and its size, from 0 on."""


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


def interrupted() -> int:
    """The exit status after Ctrl-C; the prompt of the shell is not to stand behind the ^C."""
    if sys.stderr is not None and sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr.write("\n")
    return INTERRUPTED


def _rendered(words: list[str]) -> str | None:
    socket = None
    if words[:1] == ["--socket"]:
        socket, words = "".join(words[1:2]), words[2:]
        if not socket.strip():
            return None
    if not words or words[0] not in VIEWS or words == ["show"] or not all(map(_is_simple, words[1:])):
        return None
    is_terminal, has_colour = terminal.of(sys.stdout, os.environ)
    width = terminal.columns(sys.stdout) if is_terminal else 0
    path = socket or paths.client_socket(os.environ)
    if path is None or width > _WIDEST:
        return None
    try:
        text = _answer(path, _framed(_HELLO) + _framed(_call(words, width, socket, has_colour=has_colour)))
    except (OSError, ValueError):
        return None
    return text if text is not None and _is_harmless(text, has_colour=has_colour) else None


def _is_simple(word: str) -> bool:
    """Whether it is no option, or one of those that views have."""
    return not word.startswith("-") or word.partition("=")[0] in OPTIONS or word.startswith("-n")


def _is_harmless(text: str, *, has_colour: bool) -> bool:
    """Whether nothing in it steers a terminal but colours, if they were wanted: whoever listens there may lie."""
    first, *coloured = text.split("\x1b")
    plain = [first]
    for part in coloured:
        code, _, rest = part.partition("m")
        if not has_colour or not code.startswith("[") or code.strip("[0123456789;"):
            return False
        plain.append(rest)
    return "".join(plain).replace("\n", "").isprintable()


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
    deadline = time.monotonic() + WITHIN
    got = bytearray()
    try:
        connection.settimeout(WITHIN)
        connection.connect(path)
        connection.sendall(asked)
        while (frames := _two_frames(got)) is None:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = connection.recv(_CHUNK)
            if not data:
                return None
            got += data
    finally:
        connection.close()
    welcome, reply = frames
    if not welcome.startswith(_WELCOME) or not reply.startswith(_REPLY):
        return None
    return _text(reply[len(_REPLY) :])


def _two_frames(data: bytearray) -> tuple[bytes, bytes] | None:
    """The bodies of the first two, once they are whole. Raises ValueError for one that is too long."""
    bodies: list[bytes] = []
    at = 0
    while len(bodies) < 2:
        size = int.from_bytes(data[at : at + 4])
        if size > _LONGEST:
            raise ValueError(f"a frame of {size} bytes")
        begin, at = at + 4, at + 4 + size
        if at > len(data):
            return None
        bodies.append(bytes(memoryview(data)[begin:at]))
    return bodies[0], bodies[1]


def _text(string: bytes) -> str | None:
    """A string that is all there is. Raises ValueError when it is not UTF-8."""
    first = string[0] if string else 0
    head = 1 + _SIZES.get(first, 0)
    if first in _SHORT:
        size = first - _SHORT.start
    elif first in _SIZES:
        size = int.from_bytes(string[1:head])
    else:
        return None
    return string[head:].decode() if size == len(string) - head else None
