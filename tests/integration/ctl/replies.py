"""What the tests of commands share: the type of the `ctl` fixture, and replies of the scripted service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, LoopState, Outcome, StoredText
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import ShowLoop
from ftl2_enterprise.protocol.service.verbs import SettingLine
from tests.support import builders

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.scripted_service import ScriptedService

type Ctl = Callable[..., tuple[int, str, str]]


def converges(service: ScriptedService) -> None:
    """The loop runs when it is looked at for the first time, and has converged after that."""
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    states = iter([builders.loop()])
    service.on(
        ShowLoop, lambda _request: LoopDetail(loop=next(states, done), process=None, open_prompts=[], last=None)
    )


ACTION = Action(
    id=7,
    loop_id=1,
    iteration_id=12,
    n=1,
    host="db1",
    target="db",
    module="ansible.builtin.service",
    params={"name": "nginx"},
    origin="decision",
    state=ActionState.FAILED,
    changed=None,
    rc=1,
    stdout=StoredText(shown="out...", digest="abc123", size=9000),
    stderr=StoredText(shown="no such unit"),
    output=StoredText(),
    error="it failed",
    started_at=builders.ago(30),
    ended_at=builders.ago(28),
)


SETTINGS = [
    SettingLine(key="loops.interval", value=45.0, origin="file"),
    SettingLine(key="loops.max_iterations", value=7, origin="file"),
]
