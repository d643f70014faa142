"""Messages between the loop's process and the process of rules: frames of JSON, one request at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol import frame
from ftl2_enterprise.protocol.loops.decision import ObservationSpec, StateOp

MIB = 1 << 20
MOST_TO_RULES = 512 * MIB
"""Bytes of a message to the process of rules: a state has the complete output of its observations."""
MOST_FROM_RULES = 64 * MIB
"""Bytes of a message from it."""

# --- to the process of rules ---------------------------------------------------------------------------------------


class Load(Wire, frozen=True, tag="load"):
    """Execute this file."""

    name: str
    path: str
    digest: str
    source: bytes


class Evaluate(Wire, frozen=True, tag="evaluate"):
    """Evaluate the condition of the loaded rule; `timeout` is in seconds."""

    path: str
    state: dict[str, Any]
    timeout: float


class Act(Wire, frozen=True, tag="act"):
    """Run the action of the loaded rule."""

    path: str
    state: dict[str, Any]
    targets: list[str]


class Result(Wire, frozen=True, tag="result"):
    """The results of a call, by host, as the rule receives them."""

    call: int
    pairs: list[tuple[str, dict[str, Any]]]


# --- from the process of rules -------------------------------------------------------------------------------------


class Started(Wire, frozen=True, tag="started"):
    """It can execute rules."""


class Declared(Wire, frozen=True, tag="declared"):
    """What the file declares, or why it is not a valid rule."""

    description: str = ""
    observe: list[ObservationSpec] = []
    error: str | None = None


class Judged(Wire, frozen=True, tag="judged"):
    """Whether the condition holds, or why it could not be evaluated."""

    matched: bool = False
    error: str | None = None


class CallRequest(Wire, frozen=True, tag="call"):
    """Run this module and send its result."""

    call: int
    module: str
    params: dict[str, Any]
    host: str | None = None


class Withdraw(Wire, frozen=True, tag="withdraw"):
    """Cancel that call: the rule no longer waits for it."""

    call: int


class Change(Wire, frozen=True, tag="change"):
    """Apply this state operation."""

    op: StateOp


class ActionEnded(Wire, frozen=True, tag="ended"):
    """The action has ended."""

    error: str = ""


type ToRules = Load | Evaluate | Act | Result
type FromRules = Started | Declared | Judged | CallRequest | Withdraw | Change | ActionEnded

TO_RULES: msgspec.json.Decoder[ToRules] = msgspec.json.Decoder(Load | Evaluate | Act | Result)
FROM_RULES: msgspec.json.Decoder[FromRules] = msgspec.json.Decoder(
    Started | Declared | Judged | CallRequest | Withdraw | Change | ActionEnded
)


class BadMessage(Exception):
    """The other side sent something that is not a message, or one cannot be sent; the message is the reason."""


def encode(message: ToRules | FromRules, limit: int) -> bytes:
    """The message as a frame. Raises BadMessage when it is longer than `limit` bytes or cannot be represented."""
    try:
        try:
            body = msgspec.json.encode(message)
        except (TypeError, ValueError, OverflowError):
            fields = msgspec.structs.asdict(message) | {"type": message.__struct_config__.tag}
            body = msgspec.json.encode(plain(fields))
        return frame.framed(body, limit)
    except Problem as error:
        raise BadMessage(error.message) from error
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise BadMessage(f"cannot send a message: {type(error).__name__}: {str(error)[:200]}") from error


def plain(value: Any) -> Any:
    """The value with what JSON can represent only; everything else is its text."""
    match value:
        case None | bool() | float():
            found = value
        case int() if abs(value) < 1 << 63:
            found = value
        case bytes() | bytearray():
            found = bytes(value).decode("utf-8", "replace")
        case Mapping():
            found = {str(plain(key)): plain(one) for key, one in cast("Mapping[Any, Any]", value).items()}
        case list() | tuple() | set() | frozenset():
            found = [plain(one) for one in cast("list[Any]", value)]
        case msgspec.Struct():
            found = {name: plain(one) for name, one in msgspec.structs.asdict(value).items()}
        case _:
            found = str(value).encode("utf-8", "replace").decode()
    return found
