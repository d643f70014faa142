"""Dismissing a prompt."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    PromptState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    DismissPrompt,
)
from tests.support.data import builders


def test_without_a_default_the_decider_is_notified(service, ctl):
    service.on(DismissPrompt, builders.prompt(3, state=PromptState.DISMISSED))
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; its decider is notified that there is no answer\n"


def test_a_default_applies(service, ctl):
    answered = builders.prompt(
        3, state=PromptState.ANSWERED, answer="no", answered_by="default, dismissed by eva (uid 1000)"
    )
    service.on(DismissPrompt, answered)
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; the loop continues with the default: no\n"
