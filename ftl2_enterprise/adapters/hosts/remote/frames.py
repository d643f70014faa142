"""The format of a reply: a JSON head, then the two captured streams as raw bytes."""

from __future__ import annotations

import base64
import json
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZES = struct.Struct(">III")


def pack(head: dict[str, Any], stdout: bytes = b"", stderr: bytes = b"") -> bytes:
    """A frame, which starts with its lengths."""
    body = json.dumps(head).encode()
    return SIZES.pack(len(body), len(stdout), len(stderr)) + body + stdout + stderr


def size_of(beginning: bytes) -> int:
    """The size of a frame in bytes, from its first bytes."""
    return SIZES.size + sum(SIZES.unpack_from(beginning))


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """The head and the streams. Raises ValueError for an incomplete frame."""
    if len(frame) < SIZES.size:
        raise ValueError("a frame ended early")
    head, out, err = SIZES.unpack_from(frame)
    if len(frame) != SIZES.size + head + out + err:
        raise ValueError("a frame ended early")
    body = frame[SIZES.size : SIZES.size + head]
    rest = frame[SIZES.size + head :]
    return json.loads(body), rest[:out], rest[out:]


def to_text(frame: bytes) -> str:
    """A frame as text, for a transport that carries JSON only."""
    return base64.b64encode(zlib.compress(frame, 1)).decode()


def from_text(text: str) -> bytes:
    """The reverse of `to_text`. Raises ValueError."""
    try:
        return zlib.decompress(base64.b64decode(text))
    except zlib.error as error:
        raise ValueError(f"a frame is damaged: {error}") from error
