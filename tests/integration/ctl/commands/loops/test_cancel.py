"""Cancelling a loop."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
    Outcome,
)
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
)
from tests.integration.ctl.samples import check_reply
from tests.support.data import builders


def test_a_running_loop_finishes_its_step(service, ctl):
    cancelling = builders.loop(desired=Desired.CANCEL)
    check_reply(service, ctl, "cancel", CancelLoop, cancelling, "web: cancelling (after its current step)")


def test_a_loop_without_a_step_is_cancelled_at_once(service, ctl):
    cancelled = builders.loop(state=LoopState.CANCELLED, outcome=Outcome.CANCELLED)
    check_reply(service, ctl, "cancel", CancelLoop, cancelled, "web: cancelled")


def test_its_step_can_be_interrupted(service, ctl):
    service.on(CancelLoop, builders.loop(desired=Desired.CANCEL))
    assert ctl("cancel", "web", "--now") == (0, "web: cancelling (interrupting its current step)\n", "")
    assert service.asked_for(CancelLoop) == [CancelLoop(loop="web", now=True)]
