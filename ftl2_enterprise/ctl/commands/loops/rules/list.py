"""`rules list`: the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF, RULES
from ftl2_enterprise.protocol.loops.verbs import ListRules
from ftl2_enterprise.render.loops.rules import rules_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the rules."""
    return session.view(rules_view(session, loop=given.maybe("loop")))


COMMAND = Command(
    summary="List the rules: their states, how often each has fired, and what it applies to.",
    group=RULES,
    run=run,
    verbs=(ListRules,),
    options=(Option("loop", "Only the rules that this loop loads.", LOOP_REF, value="LOOP"),),
    examples=(Example("rules"), Example("rules list --loop web", "those that apply to web")),
)
