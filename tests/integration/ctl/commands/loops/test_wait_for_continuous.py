"""Waiting for a continuous loop ends with its first rest, and with the status of that run."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.facts import LoopFrozen, LoopRested
from ftl2_enterprise.protocol.loops.nouns import Condition, LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import EventPage, GetSettings, ListEvents, WatchEvents
from tests.integration.ctl.samples import SETTINGS
from tests.support.data import builders
from tests.support.scripted.scripted_service import Stream


def rests(service, fact, **fields):
    service.on(GetSettings, SETTINGS)
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, Stream([fact]))
    service.on(SubmitLoop, builders.loop(state=LoopState.PENDING, mode=Mode.CONTINUOUS))
    resting = builders.loop(state=LoopState.RESTING, mode=Mode.CONTINUOUS, **fields)
    service.on(ShowLoop, LoopDetail(loop=resting, process=None, open_prompts=[], last=None))


@pytest.mark.parametrize(
    ("outcome", "failures", "status"),
    [
        (Outcome.CONVERGED, 0, 0),
        (Outcome.NOT_CONVERGED, 1, 1),
        (Outcome.DENIED, 1, 4),
        (Outcome.MODEL_FAILED, 1, 5),
        (Outcome.DRIFTED, 0, 10),
        (Outcome.UNAPPROVED, 0, 11),
    ],
)
def test_the_status_is_that_of_the_run_as_for_a_loop_that_ends(service, ctl, outcome, failures, status):
    rested = builders.event(101, LoopRested, outcome=outcome, failures=failures)
    rests(service, rested, failures=failures, condition=Condition.DRIFTED if status else Condition.IN_SYNC)
    for more in ((), ("--json",)):
        assert ctl("submit", "x", "--mode", "continuous", "--wait", *more)[0] == status


def test_a_freeze_counts_more_than_the_run_before_it(service, ctl):
    frozen = builders.event(101, LoopFrozen, freeze="f1")
    rests(service, frozen, frozen_by="f1", failures=1)
    assert ctl("submit", "x", "--mode", "continuous", "--wait")[0] == 12
