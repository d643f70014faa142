"""Rejecting the actions that a prompt lists."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.nouns import Mode, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import RejectPrompt, ShowLoop
from tests.support.data import builders


@pytest.mark.parametrize(
    ("mode", "then"),
    [
        (Mode.SINGLE, "the loop ends, and `ftl2ctl retry web` asks again"),
        (Mode.CONTINUOUS, "it asks again when something changes, or after `ftl2ctl run-now web`"),
    ],
)
def test_the_reason_is_sent_and_when_it_asks_again_is_shown(service, ctl, mode, then):
    prompt = builders.prompt(
        3, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="reject", answered_by="eva (uid 1000)"
    )
    service.on(RejectPrompt, prompt)
    loop = builders.loop(mode=mode)
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    status, out = ctl("reject", "3", "--reason", "not today")[:2]
    assert (status, out) == (0, f"prompt 3: rejected; none of the actions is executed; {then}\n")
    assert service.asked_for(RejectPrompt) == [RejectPrompt(prompt=3, reason="not today")]
