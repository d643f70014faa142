"""`policy show`: the rules that are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.commands.loops.policy.check import LOOP_OPTION
from ftl2_enterprise.ctl.loops.arguments import POLICY
from ftl2_enterprise.protocol.loops.verbs import ShowPolicy
from ftl2_enterprise.render.loops.policy import in_force_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the rules in order."""
    found = session.call(ShowPolicy(loop=given.maybe("loop")))
    session.reply(found, lambda: in_force_lines(found))
    return 0


COMMAND = Command(
    summary="Show the policy rules that are in force, in the order in which they are compared.",
    group=POLICY,
    run=run,
    verbs=(ShowPolicy,),
    options=(LOOP_OPTION,),
    examples=(Example("policy show"), Example("policy show --loop web")),
)
