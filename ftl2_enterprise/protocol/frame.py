"""Frames on a stream: four bytes of length, most significant first, then that many bytes. No sockets in here."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of the longest frame that is sent or taken."""
_LENGTH = struct.Struct(">I")


def framed(body: bytes, limit: int = MAX_FRAME) -> bytes:
    """The body as a frame. Raises Problem(invalid) when it is too long to be taken by the other side."""
    if len(body) > limit:
        raise invalid(f"cannot send a message of {len(body)} bytes: {limit} are the most", "ask for less at a time")
    return _LENGTH.pack(len(body)) + body


class Splitter:
    """Takes bytes as they arrive and gives the bodies of whole frames."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole now. Raises Problem(invalid) for a frame longer than the limit."""
        whole = len(data) - _LENGTH.size
        if not self._buffer and 0 <= whole <= self._limit and _LENGTH.unpack_from(data)[0] == whole:
            # Just one frame, as it nearly always is.
            yield data[_LENGTH.size :]
            return
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _LENGTH.size:
                (size,) = _LENGTH.unpack_from(self._buffer, start)
                if size > self._limit:
                    raise invalid(f"cannot take a message of {size} bytes: {self._limit} are the most")
                end = start + _LENGTH.size + size
                if len(self._buffer) < end:
                    return
                body = bytes(memoryview(self._buffer)[start + _LENGTH.size : end])
                start = end
                yield body
        finally:
            del self._buffer[:start]
