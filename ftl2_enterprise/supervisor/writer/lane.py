"""What both kinds of clients of the writer share. No sockets."""

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
"""Seconds that a piece of work may take, including a restart of the writer and all retries."""


def hello() -> bytes:
    """The first frame of a client, with a name that contains its process and differs from its other clients."""
    return pack(Open(f"{lease.current()}/{secrets.token_hex(6)}"))


def pause(failures: int) -> float:
    """Seconds to wait before the next attempt to connect."""
    return exponential(failures, base=0.005, cap=0.5)


@dataclass(frozen=True, eq=False)
class SubmittedWork:
    """Submitted work that is not acknowledged yet. Its frame is sent again, unchanged, after a lost connection."""

    calls: Sequence[UnitCall]
    lane: int
    number: int
    frame: bytes

    def result(self, answer: WorkDone | Failed) -> Any:
        """The result of the last unit. Raises Problem."""
        return result_of(self.calls, answer)


class Lane:
    """Numbers pieces of work that follow each other."""

    def __init__(self, lane: int) -> None:
        self._lane = lane
        self._number = 0

    def submit(self, calls: Sequence[UnitCall], actor: str | None) -> SubmittedWork:
        """Create the next piece of work. Raises Problem(invalid) when it is too long for a frame."""
        self._number += 1
        calls = tuple(calls)
        frame = pack_work(calls, lane=self._lane, number=self._number, actor=actor)
        return SubmittedWork(calls, self._lane, self._number, frame)


def given_up(after: float) -> Problem:
    """The problem of a piece of work that was not acknowledged in time."""
    return unavailable(
        f"cannot reach the writer: no answer for {after:g} seconds",
        "see `ftl2ctl health`; the last submitted work may have been written",
    )
