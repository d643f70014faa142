"""`prompts`: the prompts of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option, limit
from ftl2_enterprise.ctl.loops.arguments import ONLY_LOOP, PROMPTS
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from ftl2_enterprise.render.loops.prompts import LIMIT, prompts_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the prompts."""
    return session.view(
        prompts_view(
            session,
            loop=given.maybe("loop"),
            settled=given.has("all"),
            limit=given.number("limit", LIMIT),
        )
    )


COMMAND = Command(
    summary="List the open prompts of loops, oldest first.",
    group=PROMPTS,
    run=run,
    is_view=True,
    verbs=(ListPrompts,),
    arguments=(ONLY_LOOP,),
    options=(
        Option("all", "Include prompts that are settled.", short="a"),
        limit(LIMIT, "Maximum number of prompts, newest first."),
    ),
    examples=(Example("prompts"), Example("prompts web --all", "with their answers")),
)
