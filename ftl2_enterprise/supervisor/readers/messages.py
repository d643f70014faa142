"""The messages between control and a reader: requests and replies over a stream socket, each in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 64 << 20
"""Bytes of a request or a reply."""


@dataclass(frozen=True, kw_only=True)
class Reading[Q, R]:
    """What control lets a reader do, because a request names the files that are read for it."""

    name: str
    """Unique in the service."""
    takes: type[Q]
    gives: Any
    """The type of the result."""
    work: Callable[[Q, str], R]
    """Takes the request, and the argument of a child with the settings (`core.child_startup`). Raises Problem."""
    names: Callable[[Q], str]
    """What is read for the request, as in "cannot read ... within 20 seconds"."""


class ReadRequest(Wire, frozen=True):
    """The request to a reader."""

    reading: str
    argument: str
    request: msgspec.Raw


class ReadReply(Wire, frozen=True):
    """The reply of a reader: a result, a problem or an unexpected exception."""

    result: bytes = b""
    """As msgpack."""
    code: Code | None = None
    message: str = ""
    hint: str | None = None
    crash: str = ""
    """A traceback."""
