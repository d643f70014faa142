"""Views that the service renders, requested and printed before anything else is loaded; see decision 10.

Anything unusual is left to the complete program, which makes the request again and explains what is wrong.
"""

from __future__ import annotations

import os
import sys
import time

from ftl2_enterprise.core import packages, paths
from ftl2_enterprise.render import terminal

OPTIONS = ("--json", "--all", "-a", "--limit", "-n")
"""Options of views. Others are for the whole program; many of them need no service."""
WITHIN = 0.5
"""Seconds to wait for the service; the whole program explains a longer wait."""

_CHUNK = 256 * 1024
_LONGEST = 16 * 1024 * 1024
"""Bytes of a frame."""
_WIDEST = 9999
_TRUE, _FALSE = b"\xc3", b"\xc2"
_WELCOME = b"\x83\xa4type\xa7welcome\xa8protocol\x01\xa7version"
_REPLY = b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\x81\xa4text"
_SIZES = {0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Number of bytes of a string's length, by the byte before them."""
_SHORT = range(0xA0, 0xC0)
"""First bytes of short strings; their difference from the first is the length."""


def show(words: list[str]) -> bool:
    """Print a view; False when the whole program has to run. Raises OSError when printing fails."""
    # A program may be started with its streams closed.
    if sys.stdout is None or (text := _rendered(words)) is None:
        return False
    # A terminal that cannot show a letter shows another one.
    sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    sys.stdout.write(text)
    sys.stdout.flush()
    return True


def interrupted() -> int:
    """The exit status after Ctrl-C, with a line break after the `^C` that the terminal echoes."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write("\n")
    return terminal.INTERRUPTED


def _rendered(words: list[str]) -> str | None:
    socket = None
    if words[:1] == ["--socket"]:
        socket, words = "".join(words[1:2]), words[2:]
        if not socket.strip():
            return None
    try:
        fields = _fields(words)
    except UnicodeEncodeError:
        return None
    if fields is None:
        return None
    is_terminal, has_colour = terminal.of(sys.stdout, os.environ)
    width = terminal.columns(sys.stdout) if is_terminal else 0
    path = socket or paths.client_socket(os.environ)
    if path is None or width > _WIDEST:
        return None
    fields |= {"width": _integer(width), "colour": _TRUE if has_colour else _FALSE, "socket": _string(socket)}
    try:
        text = _answer(path, _framed(_HELLO) + _framed(_call(fields)))
    except (OSError, ValueError):
        return None
    return text if text is not None and _is_harmless(text, has_colour=has_colour) else None


def views(kind: str) -> dict[str, str]:
    """Commands and aliases of them that are views of one thing or of many, and the views that the service knows.

    `kind` is `OF_ONE` or `OF_MANY`, which the modules `views` of the packages of `ctl` declare.
    """
    found: dict[str, str] = {}
    for module in packages.modules_named("views", among="ftl2_enterprise.ctl"):
        found.update(getattr(packages.load(module), kind))
    return found


def _fields(words: list[str]) -> dict[str, bytes] | None:
    """The encoded fields of the request `Render`; None for any other command line than the usual ones of views."""
    if not words or words[0].startswith("-"):
        return None
    many, single = views("OF_MANY"), views("OF_ONE")
    is_list = words[0] in many
    if not is_list and (words[0] not in single or len(words) == 1):
        return None
    fields = {"view": _string(many[words[0]] if is_list else single[words[0]])}
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if word == "--json":
            fields["json"] = _TRUE
        elif is_list and word in ("--all", "-a"):
            fields["every"] = _TRUE
        elif is_list and word.startswith(("-n", "--limit")):
            number = _number(word, rest)
            if number is None:
                return None
            fields["limit"] = _integer(number)
        elif word.startswith("-") or not word.strip() or "of" in fields:
            return None
        else:
            fields["of"] = _string(word)
    return fields


def _number(word: str, rest: list[str]) -> int | None:
    """The value of `-n 20`, `-n20`, `--limit 20` or `--limit=20`; None when it is not a usual number."""
    if word in ("-n", "--limit"):
        value = rest.pop(0) if rest else ""
    elif word.startswith("-n"):
        value = word[2:].removeprefix("=")
    else:
        name, _, value = word.partition("=")
        if name != "--limit":
            return None
    is_usual = value.isascii() and value.isdecimal() and 0 < len(value) <= _DIGITS and int(value) > 0
    return int(value) if is_usual else None


_DIGITS = 6
"""Of a number of entries."""


def _is_harmless(text: str, *, has_colour: bool) -> bool:
    """Whether it has no control sequences but the requested colours, because any program may listen on a socket."""
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


def _integer(value: int) -> bytes:
    return b"\xce" + value.to_bytes(4)


def _string(value: str | None) -> bytes:
    if value is None:
        return b"\xc0"
    encoded = value.encode()
    return b"\xdb" + len(encoded).to_bytes(4) + encoded


_HELLO = b"\x83" + b"".join(map(_string, ("type", "hello", "program", "ftl2ctl", "protocol"))) + b"\x01"


def _call(fields: dict[str, bytes]) -> bytes:
    """A call of `system.render` with these fields; the id is 1."""
    fields = {"type": _string("system.render"), **fields}
    request = (0x80 | len(fields)).to_bytes() + b"".join(_string(name) + value for name, value in fields.items())
    return b"\x83" + b"".join(map(_string, ("type", "call", "id"))) + b"\x01" + _string("request") + request


def _answer(path: str, asked: bytes) -> str | None:
    # The module `socket`, which wraps this one, takes as long to load as the service to reply.
    import _socket  # noqa: PLC0415 - only for views

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
    """The bodies of the first two frames; None until they are complete. Raises ValueError for a frame too long."""
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
    """The string that these bytes are; None when they are anything else. Raises ValueError when it is not UTF-8."""
    first = string[0] if string else 0
    head = 1 + _SIZES.get(first, 0)
    if first in _SHORT:
        size = first - _SHORT.start
    elif first in _SIZES:
        size = int.from_bytes(string[1:head])
    else:
        return None
    return string[head:].decode() if size == len(string) - head else None
