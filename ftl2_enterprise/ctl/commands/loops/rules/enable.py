"""`rules enable`: allow a rule to fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import RULE, RULES
from ftl2_enterprise.protocol.loops.verbs import EnableRule
from ftl2_enterprise.render.loops.rules import switched_line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Enable the rule."""
    rule = session.call(EnableRule(rule=given.text("rule")))
    session.reply(rule, lambda: switched_line(rule))
    return 0


COMMAND = Command(
    summary="Enable a rule.",
    group=RULES,
    run=run,
    verbs=(EnableRule,),
    arguments=(RULE,),
    examples=(Example("rules enable restart_nginx"),),
)
