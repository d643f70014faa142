"""Rejecting the actions that a prompt lists."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import RejectPrompt
from tests.support.data import builders


def test_the_reason_is_sent_and_nothing_is_executed(service, ctl):
    prompt = builders.prompt(
        3, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="reject", answered_by="eva (uid 1000)"
    )
    service.on(RejectPrompt, prompt)
    status, out = ctl("reject", "3", "--reason", "not today")[:2]
    then = "none of its actions is executed, and the loop asks about them again when something changes"
    assert (status, out) == (0, f"prompt 3: rejected; {then}\n")
    assert service.asked_for(RejectPrompt) == [RejectPrompt(prompt=3, reason="not today")]
