"""`ftl2ctl watch` and `--wait`: following a loop until it ends or needs an answer."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.protocol.loops.facts import (
    ActionStarted,
    ActionSucceeded,
    IterationStarted,
    LoopAsked,
    LoopCompleted,
    LoopFailed,
)
from ftl2_enterprise.protocol.loops.nouns import ActionState, Desired, LoopState, Outcome, PromptState
from ftl2_enterprise.protocol.loops.replies import History, LoopDetail
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, GetHistory, ResumeLoop, ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import EventPage, GetSettings, ListEvents, WatchEvents
from tests.integration.ctl.replies import ACTION, SETTINGS, converges
from tests.support import builders
from tests.support.scripted_service import Stream


def test_waiting_ends_with_the_status_of_the_loop(service, ctl):
    service.on(GetSettings, SETTINGS)
    events = Stream([builders.event(101, IterationStarted, n=1, in_run=1, of=10), builders.event(102, LoopFailed)])
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, events)
    service.on(SubmitLoop, builders.loop("web", state=LoopState.PENDING))
    ended = builders.loop("web", state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="1 was not enough")
    service.on(ShowLoop, LoopDetail(loop=ended, process=None, open_prompts=[], last=None))
    status, out, _ = ctl("submit", "x", "--wait")
    assert status == 1
    assert out.splitlines() == [
        "web: starting",
        "iteration 1 (1 of 10)",
        "not converged: loop web: 1 was not enough",
    ]
    assert service.asked_for(WatchEvents)[0].after == 100


def test_a_loop_that_asks_is_left_with_the_numbers_of_its_own_prompts(service, ctl):
    service.on(GetSettings, SETTINGS)
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, Stream([builders.event(101, LoopAsked)]))
    service.on(SubmitLoop, builders.loop(state=LoopState.PENDING))
    asking = builders.loop(state=LoopState.WAITING, open_prompts=2)
    prompts = [builders.prompt(26), builders.prompt(25)]
    service.on(ShowLoop, LoopDetail(loop=asking, process=None, open_prompts=prompts, last=None))
    out = ctl("submit", "x", "--wait")[1]
    assert out.splitlines()[-2:] == ["  answer: ftl2ctl answer 25", "  answer: ftl2ctl answer 26"]

    # It is looked at to begin with, and once more for what it asks.
    states = iter([asking, asking])
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    service.on(
        ShowLoop, lambda _: LoopDetail(loop=next(states, done), process=None, open_prompts=prompts[1:], last=None)
    )
    service.on(WatchEvents, Stream([builders.event(102, LoopCompleted)]))
    assert "  answer: ftl2ctl answer 25" in ctl("watch", "web")[1].splitlines()


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


def test_watch_begins_with_the_present_iteration(service, ctl):
    before = [
        builders.event(90, IterationStarted, n=1, in_run=1, of=10),
        builders.event(91, IterationStarted, n=2, in_run=2, of=10),
    ]
    service.on(ListEvents, EventPage(events=before, cursor=91))
    service.on(WatchEvents, Stream([builders.event(92, LoopCompleted)]))
    converges(service)
    status, out, _ = ctl("watch", "web")
    assert status == 0
    assert "iteration 1 " not in out
    assert "iteration 2 " in out
    assert out.splitlines()[-1] == "converged: loop web"


def test_watch_and_show_tell_what_is_in_hand(service, ctl):
    common: dict[str, Any] = {"module": "shell", "host": "db1"}
    before = [
        builders.event(90, IterationStarted, n=1, in_run=1, of=10),
        builders.event(91, ActionStarted, action_id=4, n=1, summary="shell true", **common),
        builders.event(92, ActionSucceeded, action_id=4, n=1, changed=True, **common),
        builders.event(93, ActionStarted, action_id=5, n=2, summary="shell sleep 1000", **common),
    ]
    service.on(ListEvents, EventPage(events=before, cursor=93))
    service.on(WatchEvents, Stream([builders.event(94, LoopCompleted)]))
    converges(service)
    shown = ctl("watch", "web")[1].splitlines()
    assert [one.partition("Z ")[2] for one in shown if "running" in one] == ["  running   shell on db1: sleep 1000"]

    last = builders.iteration(outcome=None, ended_at=None)
    running = builders.changed(
        ACTION, state=ActionState.RUNNING, started_at=builders.ago(11_000), ended_at=None, rc=None, error=None
    )
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=last))
    service.on(GetHistory, History(loop=builders.loop(), iterations=[last], actions=[running], more=None))
    assert "name=nginx (for 3 h)" in ctl("show", "web")[1]


def test_a_loop_that_does_not_go_on_is_not_waited_for(service, ctl):
    service.on(ListEvents, EventPage(events=[], cursor=1))
    service.on(AnswerPrompt, builders.prompt(state=PromptState.ANSWERED, answer="yes", answered_by="ada"))
    paused = builders.loop(state=LoopState.PAUSED, desired=Desired.PAUSE)
    service.on(ShowLoop, LoopDetail(loop=paused, process=None, open_prompts=[], last=None))
    assert ctl("answer", "3", "yes", "--wait")[0] == 6
