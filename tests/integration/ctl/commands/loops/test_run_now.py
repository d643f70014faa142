"""Beginning the next run of a resting loop now."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    RunLoopNow,
)
from tests.integration.ctl.samples import check_reply
from tests.support.data import builders


def test_the_next_run_is_now(service, ctl):
    resting = builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(1))
    check_reply(service, ctl, "run-now", RunLoopNow, resting, "web: resting (next check now)")
