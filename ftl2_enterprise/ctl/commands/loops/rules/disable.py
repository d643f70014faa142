"""`rules disable`: keep a rule from firing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import RULE, RULES
from ftl2_enterprise.protocol.loops.verbs import DisableRule
from ftl2_enterprise.render.loops.rules import switched_line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Disable the rule."""
    rule = session.call(DisableRule(rule=given.text("rule")))
    session.reply(rule, lambda: switched_line(rule))
    return 0


COMMAND = Command(
    summary="Disable a rule in every loop, until it is enabled.",
    group=RULES,
    run=run,
    verbs=(DisableRule,),
    arguments=(RULE,),
    examples=(Example("rules disable restart_nginx"),),
)
