"""`show`: one loop in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListPrompts, ShowLoop
from ftl2_enterprise.render.loops.loop_detail import loop_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the loop."""
    return session.view(loop_view(session, loop=given.text("loop")))


COMMAND = Command(
    summary="Show one loop: its state and why, its last iteration, its open prompts.",
    group=LOOPS,
    run=run,
    is_view=True,
    verbs=(ShowLoop, GetHistory, ListPrompts),
    arguments=(LOOP,),
    examples=(Example("show web"), Example("show 17 --json")),
)
