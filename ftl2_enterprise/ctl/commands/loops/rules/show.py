"""`rules show`: a rule with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import RULE, RULES
from ftl2_enterprise.protocol.loops.verbs import ShowRule
from ftl2_enterprise.render.loops.rules import rule_lines
from ftl2_enterprise.render.text import clean

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the rule."""
    detail = session.call(ShowRule(rule=given.text("rule")))
    if session.wants_json:
        session.document(detail)
        return 0
    session.print(rule_lines(detail, session.now()))
    # Source code is not wrapped.
    session.out.stream.write(clean(detail.source).rstrip("\n") + "\n")
    session.out.stream.flush()
    return 0


COMMAND = Command(
    summary="Show a rule: what it applies to and observes, when it fired last, and its source.",
    group=RULES,
    run=run,
    verbs=(ShowRule,),
    arguments=(RULE,),
    examples=(Example("rules show restart_nginx"),),
)
