"""Following a loop."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.protocol.loops.facts import (
    ActionStarted,
    ActionSucceeded,
    ApprovalRequested,
    IterationStarted,
    LoopAsked,
    LoopCompleted,
    PromptAsked,
)
from ftl2_enterprise.protocol.loops.facts.approvals import ApprovalAction
from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
    Outcome,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopDetail,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ShowLoop,
    SubmitLoop,
)
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    GetSettings,
    ListEvents,
    WatchEvents,
)
from tests.integration.ctl.samples import SETTINGS, converges
from tests.support.data import builders
from tests.support.scripted.scripted_service import Stream


def test_it_begins_with_the_current_iteration(service, ctl):
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


def test_a_loop_that_asks_is_left_with_the_commands_that_answer_it(service, ctl):
    service.on(GetSettings, SETTINGS)
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, Stream([builders.event(101, LoopAsked)]))
    service.on(SubmitLoop, builders.loop(state=LoopState.PENDING))
    asking = builders.loop(state=LoopState.WAITING, open_prompts=2)
    prompts = [builders.prompt(26), builders.prompt(25)]
    service.on(ShowLoop, LoopDetail(loop=asking, process=None, open_prompts=prompts, last=None))
    out = ctl("submit", "x", "--wait")[1]
    assert out.splitlines()[-2:] == ["  answer: ftl2ctl answer 25", "  answer: ftl2ctl answer 26"]
    # It is read at the beginning, and once more for its prompts.
    states = iter([asking, asking])
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    service.on(
        ShowLoop, lambda _: LoopDetail(loop=next(states, done), process=None, open_prompts=prompts[1:], last=None)
    )
    service.on(WatchEvents, Stream([builders.event(102, LoopCompleted)]))
    assert "  answer: ftl2ctl answer 25" in ctl("watch", "web")[1].splitlines()


def test_an_approval_has_commands_and_no_numbers_next_to_its_numbered_actions(service, ctl):
    asked = builders.event(
        101, PromptAsked, prompt_id=3, question="Approve 1 action on web1?", options=["approve", "reject"]
    )
    action = ApprovalAction(n=1, module="copy", host="web1", summary="copy dest=/etc/a")
    requested = builders.event(102, ApprovalRequested, prompt_id=3, actions=[action], why="rule 1 asks")
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, Stream([asked, requested, builders.event(103, LoopCompleted)]))
    converges(service)
    out = ctl("watch", "web")[1]
    assert "1. copy on web1" in out
    assert "1) " not in out
    assert "    approve: ftl2ctl approve 3\n    reject: ftl2ctl reject 3\n" in out


def test_actions_that_run_are_shown(service, ctl):
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
