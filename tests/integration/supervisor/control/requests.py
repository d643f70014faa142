"""Requests and facts of other processes that several tests of control make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.facts import Noted

if TYPE_CHECKING:
    from tests.support.service.control_process import ControlProcess


def submit(service: ControlProcess, name: str = "web") -> Loop:
    return service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state="nginx answers")))


def elsewhere(service: ControlProcess, n: int = 0) -> None:
    """A fact that another process writes directly, as a run in the foreground does."""
    store = open_database(service.directory / "loops.db", create=False)
    with store.write() as tx:
        tx.emit(Noted(n=n), subject="")
    store.close()
