"""`rules list`: the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import RULES
from ftl2_enterprise.protocol.loops.verbs import ListRules
from ftl2_enterprise.render.loops.rules import rules_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the rules."""
    del given
    return session.view(rules_view(session))


COMMAND = Command(
    summary="List the rules with their state and how often each has fired.",
    group=RULES,
    run=run,
    verbs=(ListRules,),
    examples=(Example("rules"), Example("rules list --json")),
)
