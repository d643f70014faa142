"""`why`: what holds a loop, and what is out of place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListPrompts, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.loops.why import why_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Explain where the loop is."""
    return session.view(why_view(session, loop=given.text("loop")))


COMMAND = Command(
    summary="Explain why a loop is where it is: what holds it, what is out of place, and the commands that help.",
    group=LOOPS,
    run=run,
    verbs=(ShowLoop, GetHistory, ListPrompts, ListFreezes),
    arguments=(LOOP,),
    examples=(Example("why web"), Example("why web --json", "for programs")),
)
