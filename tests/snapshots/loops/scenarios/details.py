"""Scenarios of one loop, its history and its actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    IterationOutcome,
    IterationState,
    LoopSpec,
    LoopState,
    Mode,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    History,
    LoopDetail,
    ProcessInfo,
    PromptLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetHistory,
    ListActions,
    ListPrompts,
    ShowLoop,
)
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.render.loops import (
    actions,
    history,
    loop_detail,
)
from tests.snapshots.loops.scenarios.approvals import TO_APPROVE
from tests.snapshots.scenario import FixedReader, Scenario
from tests.support.data import awkward
from tests.support.data.builders import action, ago, iteration, loop, prompt

if TYPE_CHECKING:
    from collections.abc import Sequence


SPEC = LoopSpec(
    name="web",
    desired_state="nginx runs\nwith TLS",
    mode=Mode.CONTINUOUS,
    source="/etc/ftl2-enterprise/loops/web.yaml",
    inventory="hosts.yaml",
    policy="policy.yaml",
    max_cost=2.5,
    interval=300,
    labels={"tier": "web", "stage": "production"},
)
DECISION = Decision(
    reasoning="nginx is installed but not running.",
    unmet=["nginx is stopped on web1", "port 443 is closed on web1"],
)
ACTED = iteration(outcome=IterationOutcome.ACTED, reasoning="nginx is installed but not running.", decision=DECISION)
STARTED = action()
FAILED_ACTION = action(
    2,
    state=ActionState.FAILED,
    changed=False,
    rc=1,
    error="Job for nginx.service failed",
    stderr=StoredText("nginx: [emerg] bind() to 0.0.0.0:80 failed\nnginx: still could not bind()\n", None, 75),
)
ACTIONS = [
    STARTED,
    FAILED_ACTION,
    action(3, changed=False, target="webservers", host="web2"),
    action(
        4, state=ActionState.DENIED, changed=None, error="policy: no restarts by day", started_at=None, ended_at=None
    ),
    action(5, state=ActionState.UNKNOWN, changed=None, error="the process ended during the action", ended_at=None),
    action(
        6, state=ActionState.SKIPPED, changed=None, error="an earlier action failed", started_at=None, ended_at=None
    ),
    action(7, state=ActionState.PREVIEWED, changed=None, started_at=None, ended_at=None),
    action(8, state=ActionState.RUNNING, changed=None, ended_at=None, origin="rule:restart_nginx"),
    action(9, state=ActionState.PROPOSED, changed=None, started_at=None, ended_at=None),
]
LONG_TEXTS = action(
    10,
    module="shell",
    params={"cmd": awkward.PARAGRAPH, "creates": awkward.CONTROL},
    host=awkward.WIDE,
    stdout=StoredText("line\n", "ab" * 32, 123_456),
    stderr=StoredText("line\n", "cd" * 32, 1),
)
FREEZE = Freeze(id="5f3a0c11", scope=FreezeScope.ALL, reason="incident 4711", by="ann (uid 7)", since=ago(7200))
PROCESS = ProcessInfo(pid=4711, started_at=ago(7200))
DETAIL = LoopDetail(
    loop=loop(spec=SPEC, submitted_by="ada (uid 1000, pid 8)"), process=PROCESS, open_prompts=[], last=ACTED
)
WAITING = LoopDetail(
    loop=loop(
        state=LoopState.WAITING, condition=Condition.DRIFTED, open_prompts=2, model_call_count=4, cost_usd=0.21
    ),
    process=None,
    open_prompts=[prompt(3), prompt(4, "Which port?", options=["80", "8080"], default="80", asked_at=ago(30))],
    last=iteration(outcome=IterationOutcome.ASKED, decided_by="model", reasoning="Two things are unclear."),
)
AWKWARD_DETAIL = LoopDetail(
    loop=loop(
        awkward.CONTROL,
        state=LoopState.BLOCKED,
        reason=awkward.PARAGRAPH,
        desired_state=awkward.PARAGRAPH,
        crashes=3,
        crashes_since=ago(600),
    ),
    process=None,
    open_prompts=[],
    last=iteration(outcome=IterationOutcome.BLOCKED, error=awkward.CONTROL, reasoning=awkward.PARAGRAPH),
)


def of_loop(reader: FixedReader) -> Any:
    return loop_detail.loop_view(reader, loop="web")


def shown(detail: LoopDetail, *done: Any) -> dict[Any, Any]:
    found = [] if detail.last is None else [detail.last]
    return {
        ListFreezes: [],
        ShowLoop: detail,
        ListPrompts: [
            PromptLine(prompt=one, loop="web", model="claude" if "port" in one.question else None)
            for one in detail.open_prompts
        ],
        GetHistory: History(loop=detail.loop, iterations=found, actions=list(done)),
    }


SUPERSEDED = msgspec.structs.replace(
    DETAIL, loop=loop(revision=3, taken_revision=2), last=iteration(state=IterationState.EXECUTING, revision=2)
)
LOOP_VIEW = [
    Scenario("a running loop", of_loop, shown(DETAIL, *ACTIONS), has_colour=True, has_json=True),
    Scenario("a waiting loop", of_loop, shown(WAITING)),
    Scenario("a revision follows", of_loop, shown(SUPERSEDED)),
    Scenario(
        "a loop that waits for an approval",
        of_loop,
        {
            **shown(msgspec.structs.replace(WAITING, open_prompts=[TO_APPROVE.prompt])),
            ListPrompts: [TO_APPROVE],
        },
    ),
    Scenario("more actions than are shown", of_loop, shown(DETAIL, *(action(n) for n in range(1, 13)))),
    Scenario("awkward texts", of_loop, shown(AWKWARD_DETAIL, LONG_TEXTS)),
    Scenario(
        "a loop without iterations in a stopping service",
        of_loop,
        shown(
            LoopDetail(loop=loop(state=LoopState.PENDING), process=None, open_prompts=[], last=None, draining=True)
        ),
    ),
    Scenario(
        "a frozen loop",
        of_loop,
        {
            **shown(
                LoopDetail(
                    loop=loop(
                        state=LoopState.RESTING,
                        reason="frozen by ann since 2025-12-31 22:00:00Z: incident 4711",
                        frozen_by=FREEZE.id,
                    ),
                    process=None,
                    open_prompts=[],
                    last=None,
                )
            ),
            ListFreezes: [FreezeRecord(freeze=FREEZE)],
        },
    ),
    *(
        Scenario(
            str(state),
            of_loop,
            shown(LoopDetail(loop=loop(state=state, reason=None), process=None, open_prompts=[], last=None)),
        )
        for state in (LoopState.PAUSED, LoopState.FAILED, LoopState.RESTING, LoopState.COMPLETED)
    ),
]


ITERATIONS = [
    iteration(
        n,
        outcome=outcome,
        reasoning="because of what was observed" if n % 2 else None,
        error="cannot connect to web1"
        if outcome in {IterationOutcome.FAILED, IterationOutcome.MODEL_FAILED}
        else None,
        decided_by="rule:restart_nginx" if outcome is IterationOutcome.RULE_FIRED else "model",
    )
    for n, outcome in enumerate(IterationOutcome, 3)
]
RUNNING_ITERATION = iteration(16, state=IterationState.DECIDING, decided_by=None, ended_at=None)
MANY_UNMET = iteration(
    17, outcome=IterationOutcome.ACTED, decision=Decision(unmet=[f"line {n} is missing" for n in range(1, 12)])
)
SETTLED = [
    PromptLine(
        prompt=prompt(3, iteration_id=8, state=PromptState.ANSWERED, answer="yes", answered_by="ada"), loop="web"
    ),
    PromptLine(prompt=prompt(4, iteration_id=8, state=PromptState.EXPIRED), loop="web"),
]


def of_history(reader: FixedReader, *, with_actions: bool = False, changed: bool = False) -> Any:
    return history.history_view(reader, loop="web", actions=with_actions, changed=changed, before=None)


def past(*found: Any, done: Sequence[Any] = (), more: int | None = None, **fields: Any) -> dict[Any, Any]:
    page = History(
        loop=loop(**fields),
        iterations=list(found),
        actions=list(done),
        more=more,
        prompts=[one.prompt for one in SETTLED],
    )
    return {GetHistory: page}


HISTORY_VIEW = [
    Scenario("every outcome", of_history, past(*ITERATIONS, RUNNING_ITERATION), has_colour=True),
    Scenario("a page before others, with unmet conditions", of_history, past(MANY_UNMET, more=17)),
    Scenario(
        "with actions",
        lambda reader: of_history(reader, with_actions=True),
        past(iteration(outcome=IterationOutcome.ACTED), done=ACTIONS),
        has_json=True,
    ),
    Scenario("no iterations", of_history, past(iteration_count=0, action_count=0, observed_at=None)),
    Scenario("no changes", lambda reader: of_history(reader, changed=True), past(model_call_count=3, cost_usd=1.5)),
    Scenario("awkward texts", of_history, past(AWKWARD_DETAIL.last, name=awkward.WIDE, reason=awkward.PARAGRAPH)),
]


def of_actions(reader: FixedReader) -> Any:
    return actions.actions_view(reader, loop="web", state=None, before=None)


ACTIONS_VIEW = [
    Scenario("every state", of_actions, {ListActions: ActionPage(actions=ACTIONS, more=101)}, has_colour=True),
    Scenario("long texts", of_actions, {ListActions: ActionPage(actions=[LONG_TEXTS])}, has_json=True),
    Scenario("none", of_actions, {ListActions: ActionPage(actions=[])}),
    Scenario(
        "none in a state",
        lambda r: actions.actions_view(r, loop="two words", state=ActionState.FAILED, before=None),
        {ListActions: ActionPage(actions=[])},
    ),
]
