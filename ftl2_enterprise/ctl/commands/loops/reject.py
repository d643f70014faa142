"""`reject`: reject the actions that a prompt lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.commands.loops.approve import REASON
from ftl2_enterprise.ctl.loops.arguments import PROMPT, PROMPTS
from ftl2_enterprise.protocol.loops.verbs import RejectPrompt, ShowLoop
from ftl2_enterprise.render.loops.approvals import rejected

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Reject the actions."""
    prompt = session.call(RejectPrompt(prompt=given.number("prompt", 0), reason=given.maybe("reason") or ""))
    session.reply(prompt, lambda: rejected(session, prompt, session.call(ShowLoop(loop=str(prompt.loop_id))).loop))
    return 0


COMMAND = Command(
    summary="Reject the actions that a prompt lists; none of them is executed.",
    group=PROMPTS,
    run=run,
    verbs=(RejectPrompt, ShowLoop),
    arguments=(PROMPT,),
    options=(REASON,),
    details=(
        "The loop does not ask about the same actions again until what it observes or what it would do has changed, "
        "or a person has it run again: `run-now` if it rests, `retry` if it has ended."
    ),
    examples=(Example('reject 12 --reason "not during business hours"'),),
)
