"""`approve`: approve the actions that a prompt lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Command, Example, Option
from ftl2_enterprise.ctl.loops import held
from ftl2_enterprise.ctl.loops.arguments import PROMPT, PROMPTS
from ftl2_enterprise.protocol.loops.verbs import ApprovePrompt, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListFreezes

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

REASON = Option("reason", "A reason, which is recorded with your name.", TEXT, short="r", value="TEXT")


def run(session: CtlSession, given: GivenValues) -> int:
    """Approve the actions, and print who else has to."""
    number = given.number("prompt", 0)
    prompt = session.call(ApprovePrompt(prompt=number, reason=given.maybe("reason") or ""))
    approval = session.call(ShowPrompt(prompt=number)).approval
    session.reply(prompt, lambda: held.approved_lines(session, prompt, approval))
    return 0


COMMAND = Command(
    summary="Approve the actions that a prompt lists.",
    group=PROMPTS,
    run=run,
    verbs=(ApprovePrompt, ShowPrompt, ShowLoop, ListFreezes),
    arguments=(PROMPT,),
    options=(REASON,),
    details=(
        "The approval counts for exactly the listed actions, for what was observed before them, and until the "
        "deadline. The loop observes again before it executes them; if something has changed, it asks again. "
        "`answer PROMPT` shows the list first."
    ),
    examples=(Example("approve 12"), Example('approve 12 --reason "change 4711"')),
)
