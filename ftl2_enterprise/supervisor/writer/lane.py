"""What both kinds of clients of the writer have in common. No sockets in here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.backoff import exponential
from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.supervisor.writer.frames import Open, pack, pack_work, result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.writer.frames import Failed, WorkDone

PATIENCE = 30.0
"""Seconds that a piece of work may take, a restart of the writer and every try included."""


def hello() -> bytes:
    """The first frame of a client: named after its process, and unlike any other client that this process has."""
    return pack(Open(f"{lease.current()}/{secrets.token_hex(6)}"))


def pause(failures: int) -> float:
    """Seconds to wait before the connection is tried again."""
    return exponential(failures, base=0.005, cap=0.5)


@dataclass(frozen=True, eq=False)
class Handed:
    """Work that is to be acknowledged; its frame is sent again as it is when the connection has broken."""

    calls: Sequence[UnitCall]
    lane: int
    number: int
    frame: bytes

    def result(self, answer: WorkDone | Failed) -> Any:
        """What the last unit returned. Raises Problem."""
        return result_of(self.calls, answer)


class Lane:
    """Numbers the pieces of work that come one after another."""

    def __init__(self, lane: int) -> None:
        self._lane = lane
        self._number = 0

    def hand_over(self, calls: Sequence[UnitCall], actor: str | None) -> Handed:
        """The next piece of work. Raises Problem(invalid) when it is too long to be sent."""
        self._number += 1
        calls = tuple(calls)
        frame = pack_work(calls, lane=self._lane, number=self._number, actor=actor)
        return Handed(calls, self._lane, self._number, frame)


def given_up(after: float) -> Problem:
    """No answer came in time."""
    return unavailable(
        f"cannot reach the writer: no answer for {after:g} seconds",
        "look at `ftl2ctl health`; what was handed over last may have been written",
    )
