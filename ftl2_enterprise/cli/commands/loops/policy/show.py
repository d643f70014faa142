"""`policy show`: the rules that are in force, without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.commands.loops.policy.check import LOOP_OPTION
from ftl2_enterprise.cli.loops.arguments import POLICY
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import Command, Example

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.loops.policy import PolicyInForce


def run(session: CliSession, given: GivenValues) -> int:
    """Show the rules in order."""
    from ftl2_enterprise.render.loops.policy import in_force_lines  # noqa: PLC0415 - not needed for help

    found = _in_force(session, given.maybe("loop"))
    if given.has("json"):
        session.document(found)
    else:
        session.out.print(in_force_lines(found))
    return 0


def _in_force(session: CliSession, loop: str | None) -> PolicyInForce:
    from ftl2_enterprise.protocol.loops.verbs import ShowPolicy  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.wiring.loops import policy_check  # noqa: PLC0415

    if loop is None:
        return policy_check.in_force(ShowPolicy(), session.settings, None)
    with session.open_store().read() as tx:
        return policy_check.in_force(ShowPolicy(loop=loop), session.settings, tx)


COMMAND = Command(
    summary="Show the policy rules that are in force, in the order in which they are compared.",
    group=POLICY,
    run=run,
    options=(LOOP_OPTION, JSON),
    examples=(Example("policy show"), Example("policy show --loop web")),
)
