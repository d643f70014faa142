"""Loops as what facts and logs are about: their names, for the event log and for completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.loops.names import loops as candidates
from ftl2_enterprise.protocol.loops.facts import LOOP
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.ctl.session import CtlSession

__all__ = ["NAMES", "advice", "candidates"]


class LoopNames:
    """The names of loops: of most from one list, of the others one by one."""

    def __init__(self, session: CtlSession) -> None:
        self._session = session
        self._known = {loop.id: loop.name for loop in session.call(ListLoops(finished=True)).loops}

    def __call__(self, loop_id: int) -> str:
        """The name of the loop, or `loop ID` when it was deleted. Raises Problem."""
        if loop_id not in self._known:
            self._known[loop_id] = self._asked(loop_id) or f"loop {loop_id}"
        return self._known[loop_id]

    def _asked(self, loop_id: int) -> str | None:
        try:
            loop = self._session.call(ShowLoop(loop=str(loop_id))).loop
        except Problem as problem:
            if problem.code in {Code.NOT_FOUND, Code.INVALID}:
                return None
            raise
        return loop.name if loop.id == loop_id else None


def advice(session: CtlSession) -> str:
    """What helps a person who gave the name of a host."""
    return f"events are not recorded by host: `{session.command('hosts')}` lists hosts with their loops"


NAMES: dict[str, Callable[[CtlSession], LoopNames]] = {LOOP: LoopNames}
