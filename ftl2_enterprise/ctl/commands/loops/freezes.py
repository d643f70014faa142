"""`freezes`: what is frozen, or was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option, limit
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.text import line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the freezes."""
    ended = given.has("ended")
    found = session.call(ListFreezes(ended=ended, limit=given.number("limit", 100)))
    none = [line("no freeze has ended" if ended else "nothing is frozen")]
    session.reply(found, lambda: freeze_lines(found, session.now()) or none)
    return 0


COMMAND = Command(
    summary="List what is frozen, or was.",
    group=SERVICE,
    run=run,
    works_offline=True,
    verbs=(ListFreezes,),
    options=(Option("ended", "Those that have ended instead, newest first."), limit(100)),
    examples=(Example("freezes"), Example("freezes --ended")),
)
