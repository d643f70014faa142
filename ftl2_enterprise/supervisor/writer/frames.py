"""The messages between the writer and its clients: msgpack in the frames of `protocol.frame`. No sockets.

Both ends are on the same machine and nearly always of the same version, and every unit of work passes through here.
So the messages are arrays, and arguments and results stay as the units encoded them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.frame import framed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.store.unit import UnitCall

LONGEST = 64 * 1024 * 1024
"""Bytes of the longest frame. All that one step of a child writes must fit into it."""
NOTHING = b"\xc0"
"""None, encoded."""


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message."""


# --- from the client -----------------------------------------------------------------------------------------------


class Open(Frame, frozen=True, tag="o"):
    """The first frame of a client: a name that no other client ever had."""

    client: str


class WriterCall(Frame, frozen=True):
    """The name of a unit, and its encoded arguments."""

    unit: str
    arguments: msgspec.Raw


class Work(Frame, frozen=True, tag="w"):
    """Units that are executed in one transaction.

    A lane has one piece of work in progress at a time, and their numbers increase.
    """

    lane: int
    number: int
    calls: list[WriterCall]
    actor: str | None = None


class Subscribe(Frame, frozen=True, tag="s"):
    """Request a notice of every commit from now on. The first notice is sent at once, with the present state."""


type ToWriter = Open | Work | Subscribe

# --- from the writer -----------------------------------------------------------------------------------------------


class WorkDone(Frame, frozen=True, tag="d"):
    """The work is on the disk. The result is that of the last unit."""

    lane: int
    number: int
    result: msgspec.Raw


class Failed(Frame, frozen=True, tag="f"):
    """Nothing of the work was written."""

    lane: int
    number: int
    code: Code
    message: str
    hint: str | None = None


class Committed(Frame, frozen=True, tag="c"):
    """Facts were written since the previous notice: the id of the last one, and whether any wakes managers."""

    event: int
    wakes: bool = False


type FromWriter = WorkDone | Failed | Committed

_encoder = msgspec.msgpack.Encoder()
_to_writer: msgspec.msgpack.Decoder[ToWriter] = msgspec.msgpack.Decoder(ToWriter)
_from_writer: msgspec.msgpack.Decoder[FromWriter] = msgspec.msgpack.Decoder(FromWriter)
decode_to_writer = _to_writer.decode
decode_from_writer = _from_writer.decode


def pack(message: Frame) -> bytes:
    """Encode a message as a frame. Raises Problem(invalid) when it is too long."""
    return framed(_encoder.encode(message), LONGEST)


def pack_work(calls: Sequence[UnitCall], *, lane: int, number: int, actor: str | None) -> bytes:
    """Encode calls as a frame. Raises Problem(invalid) when it is too long."""
    given = [WriterCall(one.unit.name, msgspec.Raw(one.encode())) for one in calls]
    return pack(Work(lane, number, given, actor))


def result_of(calls: Sequence[UnitCall], answer: WorkDone | Failed) -> Any:
    """The result of the last call. Raises the Problem because of which nothing was written."""
    if isinstance(answer, Failed):
        raise Problem(answer.code, answer.message, hint=answer.hint)
    return calls[-1].unit.decode_result(answer.result) if calls else None
