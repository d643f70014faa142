"""Beginning the next run of a resting loop now."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.verbs import ResumeLoop, RetryLoop, RunLoopNow, StartLoop
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from tests.integration.ctl.samples import check_reply
from tests.support.data import builders


def test_the_next_run_is_now(service, ctl):
    resting = builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(1))
    check_reply(service, ctl, "run-now", RunLoopNow, resting, "web: resting (next check now)")


@pytest.mark.parametrize(
    ("command", "verb"),
    [("run-now", RunLoopNow), ("retry", RetryLoop), ("start", StartLoop), ("resume", ResumeLoop)],
)
def test_a_freeze_that_holds_the_loop_is_named(service, ctl, command, verb):
    by = "eva (uid 1000, pid 7)"
    everything = Freeze(id="5f3a", scope=FreezeScope.ALL, reason="an outage", by=by, since=0)
    another = Freeze(id="77", scope=FreezeScope.SUBJECT, of="loop:99", reason="of another loop", by=by, since=0)
    service.on(ListFreezes, [FreezeRecord(freeze=everything), FreezeRecord(freeze=another)])
    service.on(verb, builders.loop(state=LoopState.PENDING))
    status, out, _ = ctl(command, "web")
    assert (status, out) == (0, "web: starting\nfrozen: everything by eva: an outage (5f3a)\n")
