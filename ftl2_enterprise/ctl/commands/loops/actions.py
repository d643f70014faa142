"""`actions`: the changes that a loop made or tried to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, TEXT, Command, Example, Option, limit
from ftl2_enterprise.ctl.loops.arguments import LOOP
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.nouns import ActionState
from ftl2_enterprise.protocol.loops.verbs import ListActions
from ftl2_enterprise.render.loops.actions import LIMIT, actions_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the actions."""
    state = given.maybe("state")
    return session.view(
        actions_view(
            session,
            loop=given.text("loop"),
            state=ActionState(state) if state else None,
            before=given.maybe_number("before"),
            limit=given.number("limit", LIMIT),
        )
    )


COMMAND = Command(
    summary="List the actions of a loop, newest first.",
    group=HISTORY,
    run=run,
    verbs=(ListActions,),
    arguments=(LOOP,),
    options=(
        Option(
            "state",
            "Only actions in this state.",
            TEXT,
            short="s",
            value="STATE",
            choices=tuple(map(str, ActionState)),
        ),
        limit(LIMIT, "Maximum number of actions."),
        Option("before", "Only actions before ID.", NUMBER, value="ID", at_least=1),
    ),
    examples=(Example("actions web"), Example("actions web --state unknown", "interrupted actions")),
)
