"""Scenarios of why a loop is where it is, and of the loops that need attention."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    Desired,
    IterationOutcome,
    LoopRemediation,
    LoopSpec,
    LoopState,
    Mode,
    Outcome,
    PendingRetry,
    WaitReason,
)
from ftl2_enterprise.protocol.loops.replies import LoopDetail, LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from ftl2_enterprise.render.loops import attention, why
from tests.snapshots.loops.scenarios.approvals import TO_APPROVE
from tests.snapshots.loops.scenarios.details import AWKWARD_DETAIL, FREEZE, LONG_TEXTS, PROCESS, shown
from tests.snapshots.loops.scenarios.lists import IN_A_MINUTE, LINES, QUEUED, waits
from tests.snapshots.scenario import FixedReader, Scenario
from tests.support.data.builders import action, ago, iteration, loop, loop_line, prompt

EVERY_MINUTE = LoopSpec(name="web", desired_state="", mode=Mode.CONTINUOUS, interval=60)
REPORTS = LoopSpec(name="web", desired_state="", remediation=LoopRemediation.NEVER)
RETRY = PendingRetry(at=IN_A_MINUTE, calls=["nginx (service) on web1", "copy on web2"], attempts=2, of=3)
LAST = iteration(
    outcome=IterationOutcome.ACTED,
    decision=Decision(
        unmet=["nginx on web1: it is stopped", "nginx on web2: cannot be observed: cannot reach web2: timed out"],
        unknown=["nginx on web2: cannot be observed: cannot reach web2: timed out"],
    ),
)
FAILED = action(
    2, state=ActionState.FAILED, changed=False, rc=1, error="Job for nginx.service failed", step="nginx",
    iteration_id=LAST.id,
)  # fmt: skip
DENIED = action(3, state=ActionState.DENIED, changed=None, error="denied by policy rule 2", iteration_id=LAST.id)


def of_loop(reader: FixedReader) -> Any:
    return why.why_view(reader, loop="web")


def detail(*, last: Any = None, prompts: Any = (), process: Any = None, **fields: Any) -> LoopDetail:
    more = {name: fields.pop(name) for name in ("queued", "draining", "model_wait") if name in fields}
    return LoopDetail(loop=loop(**fields), process=process, open_prompts=list(prompts), last=last, **more)


def replies(found: LoopDetail, *done: Any, freezes: Any = (), asked: Any = ()) -> dict[Any, Any]:
    return {**shown(found, *done), ListFreezes: list(freezes), ListPrompts: list(asked)}


def plain(title: str, **fields: Any) -> Scenario:
    return Scenario(title, of_loop, replies(detail(**fields)))


FAILING = {
    "state": LoopState.RESTING,
    "reason": "nginx (service) on web1 has failed 3 times in this run: Job for nginx.service failed",
    "failures": 2,
    "condition": Condition.DRIFTED,
    "next_run_at": IN_A_MINUTE,
}

WHY_VIEW = [
    Scenario(
        "a failing loop",
        of_loop,
        replies(detail(last=LAST, **FAILING), FAILED, DENIED),
        has_colour=True,
        has_json=True,
    ),
    plain(
        "a rejected loop",
        state=LoopState.RESTING,
        reason="rejected by eva (prompt 3), and nothing has changed since",
        condition=Condition.DRIFTED,
        next_run_at=IN_A_MINUTE,
    ),
    plain("a loop that only reports", spec=REPORTS, state=LoopState.RESTING, reason=None, next_run_at=IN_A_MINUTE,
          condition=Condition.DRIFTED),
    plain("a loop that ended as drifted", spec=REPORTS, state=LoopState.FAILED, outcome=Outcome.DRIFTED,
          reason="nginx on web1: it is stopped", condition=Condition.DRIFTED),
    plain("a step that is left out", state=LoopState.RESTING, reason=None, next_run_at=IN_A_MINUTE,
          condition=Condition.IN_SYNC, left_out=["nginx", "page"]),
    plain("a loop that pauses", condition=Condition.DRIFTED, retry=RETRY),
    plain("a loop that pauses to observe", condition=Condition.UNKNOWN, retry=replace(RETRY, calls=[], attempts=1)),
    Scenario(
        "a frozen loop",
        of_loop,
        replies(
            detail(state=LoopState.RESTING, frozen_by=FREEZE.id, reason=FREEZE.sentence),
            freezes=[FreezeRecord(freeze=FREEZE)],
        ),
    ),
    Scenario(
        "a loop that asks",
        of_loop,
        replies(
            detail(state=LoopState.WAITING, condition=Condition.DRIFTED, prompts=[TO_APPROVE.prompt, prompt(4)]),
            asked=[TO_APPROVE],
        ),
    ),
    Scenario(
        "more than is shown",
        of_loop,
        replies(
            detail(
                condition=Condition.DRIFTED,
                process=PROCESS,
                last=iteration(decision=Decision(unmet=[f"line {n} is missing" for n in range(1, 9)])),
            )
        ),
    ),
    plain("in sync", state=LoopState.RESTING, reason=None, next_run_at=IN_A_MINUTE),
    plain(
        "not observed for long", state=LoopState.RESTING, reason=None, spec=EVERY_MINUTE, observed_at=ago(7200),
        next_run_at=ago(7100),
    ),
    plain("paused", state=LoopState.PAUSED, desired=Desired.PAUSE, reason="paused by ada"),
    plain("a revision follows", process=PROCESS, revision=3, taken_revision=2),
    plain("pausing", desired=Desired.PAUSE, process=PROCESS),
    plain("queued in a stopping service", state=LoopState.PENDING, queued=QUEUED, draining=True),
    plain("waiting for its model", process=PROCESS, model_wait=waits(WaitReason.PLACES, places=4)),
    plain("restarting", restart_at=IN_A_MINUTE, reason="killed by SIGKILL"),
    plain("blocked", state=LoopState.BLOCKED, reason="the package nginx does not exist"),
    plain("denied", state=LoopState.FAILED, outcome=Outcome.DENIED, reason="denied by policy rule 2"),
    Scenario(
        "a freeze of models",
        of_loop,
        replies(
            detail(process=PROCESS, model_wait=waits(WaitReason.UNAVAILABLE)),
            freezes=[FreezeRecord(freeze=replace(FREEZE, scope=FreezeScope.KIND, of="model_call"))],
        ),
    ),
    plain("in the foreground", managed=False, process=PROCESS),
    plain("interrupted", managed=False),
    plain("completed", state=LoopState.COMPLETED, reason=None),
    Scenario("awkward texts", of_loop, replies(AWKWARD_DETAIL, LONG_TEXTS)),
]  # fmt: skip

OVERDUE = loop_line("overdue", id=90, state=LoopState.RESTING, pid=None, next_run_at=ago(600))


def of_attention(reader: FixedReader) -> Any:
    return attention.attention_view(reader)


ATTENTION_VIEW = [
    Scenario(
        "some need it",
        of_attention,
        {ListLoops: LoopPage(loops=[*LINES, OVERDUE]), ListFreezes: [FreezeRecord(freeze=FREEZE)]},
        has_colour=True,
    ),
    Scenario(
        "one needs it",
        of_attention,
        {ListLoops: LoopPage(loops=[one for one in LINES if one.name in {"running", "blocked"}])},
        has_json=True,
    ),
    Scenario("none needs it", of_attention, {ListLoops: LoopPage(loops=LINES[:2])}),
]
