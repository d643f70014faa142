"""`dismiss`: close a prompt without an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops.arguments import PROMPT, PROMPTS
from ftl2_enterprise.protocol.loops.verbs import DismissPrompt
from ftl2_enterprise.render.loops.prompts import dismissed

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Dismiss the prompt."""
    prompt = session.call(DismissPrompt(prompt=given.number("prompt", 0)))
    session.reply(prompt, lambda: dismissed(prompt))
    return 0


COMMAND = Command(
    summary="Dismiss a prompt without an answer; its default applies, if it has one.",
    group=PROMPTS,
    run=run,
    verbs=(DismissPrompt,),
    arguments=(PROMPT,),
    details=(
        "The loop continues as if the prompt had expired: with the default, and acts on it. Without a default, its "
        "decider is notified that there is no answer: a manifest is then blocked, and asks again after `retry`. To "
        "keep a loop from acting, pause or cancel it."
    ),
    examples=(Example("dismiss 3"),),
)
