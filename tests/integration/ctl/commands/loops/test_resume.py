"""Resuming loops."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.protocol.loops.facts import IterationStarted, LoopCompleted
from ftl2_enterprise.protocol.loops.verbs import (
    ResumeLoop,
)
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    ListEvents,
    WatchEvents,
)
from tests.integration.ctl.samples import check_all, check_reply, converges
from tests.support.data import builders


def test_waiting_survives_a_restart_of_the_service(service, ctl):
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(ResumeLoop, builders.loop())
    converges(service)

    def items(request: WatchEvents) -> list[Any]:
        # The first watch is ended by the service after one event.
        first = builders.event(101, IterationStarted, n=1, in_run=1, of=10)
        return [first] if request.after == 100 else [builders.event(102, LoopCompleted)]

    service.on(WatchEvents, items)
    status, out, _ = ctl("resume", "web", "--wait")
    assert status == 0
    assert [request.after for request in service.asked_for(WatchEvents)] == [100, 101]
    assert out.splitlines() == [
        "web: running",
        "iteration 1 (1 of 10)",
        "the service is unreachable: trying again",
        "the service is back",
        "converged: loop web",
    ]


def test_the_loop_runs_again(service, ctl):
    check_reply(service, ctl, "resume", ResumeLoop, builders.loop(), "web: running")


def test_all_loops_that_were_paused(service, ctl):
    check_all(service, ctl, "resume", ResumeLoop, ["5"])
