"""The messages in the frames of the control socket. Version 1.

A connection starts with hello and welcome. Each call has an id that the client chooses, so that calls and watches
share a connection and may be answered in any order.
"""

from __future__ import annotations

import msgspec

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.core.wire import Wire

VERSION = 1

# --- from the client -----------------------------------------------------------------------------------------------


class Hello(Wire, frozen=True, tag="hello"):
    """The first frame of a connection."""

    protocol: int
    program: str = ""
    """Name and version of the client, for the log."""


class Call(Wire, frozen=True, tag="call"):
    """A request; its body is decoded after its verb is known."""

    id: int
    request: msgspec.Raw


class Cancel(Wire, frozen=True, tag="cancel"):
    """Ends a watch: no more items are sent."""

    id: int


type FromClient = Hello | Call | Cancel

# --- from the service ----------------------------------------------------------------------------------------------


class Welcome(Wire, frozen=True, tag="welcome"):
    """The answer to hello."""

    protocol: int
    version: str
    """Version of the program."""


class Reply(Wire, frozen=True, tag="reply"):
    """The result of a call."""

    id: int
    result: msgspec.Raw


class Item(Wire, frozen=True, tag="item"):
    """One item of a watch."""

    id: int
    item: msgspec.Raw


class Done(Wire, frozen=True, tag="done"):
    """The end of a watch."""

    id: int


class Failure(Wire, frozen=True, tag="failure"):
    """The call was refused or failed. With id 0 the connection was, and it is closed."""

    id: int
    code: Code
    message: str
    hint: str | None = None


type FromService = Welcome | Reply | Item | Done | Failure


class VerbOf(Wire, frozen=True):
    """The part of a request's body that names its verb."""

    type: str
