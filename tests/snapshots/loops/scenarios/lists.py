"""Scenarios of lists of loops."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.freeze import UNUSABLE_POLICY, Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    LoopState,
    Mode,
    Outcome,
    PendingRetry,
    WaitReason,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopPage,
    ModelWait,
    PromptLine,
    Queued,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListLoops,
    ListPrompts,
)
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from ftl2_enterprise.render import freezes
from ftl2_enterprise.render.loops import (
    loop_list,
)
from tests.snapshots.scenario import FixedReader, Scenario
from tests.support.data import awkward
from tests.support.data.builders import ago, loop_line, prompt

IN_A_MINUTE = ago(-60)
QUEUED = Queued(place=2, taken=4, places=4)


def waits(reason: WaitReason, *, until: int | None = None, places: int | None = None) -> ModelWait:
    return ModelWait(reason=reason, until=until, places=places, queued_at=ago(5))


STANDINGS: dict[str, dict[str, Any]] = {
    "running": {},
    "never-observed": {"condition": Condition.UNKNOWN, "observed_at": None, "iteration_count": 0, "changed_count": 0},
    "starting": {"state": LoopState.PENDING, "pid": None},
    "queued": {"state": LoopState.PENDING, "pid": None, "queued": QUEUED},
    "waits-place": {"model_wait": waits(WaitReason.PLACES, places=4)},
    "waits-rate": {"model_wait": waits(WaitReason.RATE)},
    "waits-pause": {"model_wait": waits(WaitReason.RETRY_AFTER, until=IN_A_MINUTE)},
    "waits-outage": {"model_wait": waits(WaitReason.UNAVAILABLE, until=IN_A_MINUTE)},
    "waits-probe": {"model_wait": waits(WaitReason.PROBE)},
    "waits-retry": {
        "retry": PendingRetry(
            at=IN_A_MINUTE, calls=["nginx (service) on web1"], attempts=3, of=5, error="exit status 3: broken"
        )
    },
    "waits-to-observe": {"retry": PendingRetry(at=IN_A_MINUTE, calls=[], attempts=1, of=3)},
    "stale": {"state": LoopState.RESTING, "pid": None, "next_run_at": IN_A_MINUTE, "stale": True},
    "dry-run": {"state": LoopState.FAILED, "pid": None, "outcome": Outcome.NOT_CONVERGED, "dry_run": True},
    "exceptions": {
        "state": LoopState.RESTING,
        "pid": None,
        "next_run_at": IN_A_MINUTE,
        "condition": Condition.IN_SYNC,
        "left_out": ["nginx", "page"],
    },
    "ended-exceptions": {
        "state": LoopState.COMPLETED,
        "pid": None,
        "outcome": Outcome.CONVERGED,
        "condition": Condition.IN_SYNC,
        "left_out": ["nginx"],
    },
    "pausing": {"desired": Desired.PAUSE},
    "stopping": {"desired": Desired.STOP},
    "cancelling": {"desired": Desired.CANCEL},
    "resuming": {"state": LoopState.PAUSED, "pid": None},
    "restarting": {"pid": None, "restart_at": IN_A_MINUTE, "reason": "killed by SIGKILL"},
    "resting": {"state": LoopState.RESTING, "pid": None, "next_run_at": IN_A_MINUTE},
    "only-reports": {
        "state": LoopState.RESTING,
        "pid": None,
        "next_run_at": IN_A_MINUTE,
        "condition": Condition.DRIFTED,
        "only_reports": True,
    },
    "frozen": {
        "state": LoopState.RESTING,
        "pid": None,
        "next_run_at": IN_A_MINUTE,
        "reason": "frozen by ann since 2026-01-01 00:00:00Z: incident 4711",
        "frozen_by": "5f3a0c11",
    },
    "failing": {
        "state": LoopState.RESTING,
        "pid": None,
        "next_run_at": IN_A_MINUTE,
        "reason": "cannot connect to web1: no route to host",
        "condition": Condition.UNKNOWN,
        "failed_count": 7,
    },
    "waiting": {"state": LoopState.WAITING, "pid": None, "open_prompts": 1, "condition": Condition.DRIFTED},
    "paused": {
        "state": LoopState.PAUSED,
        "desired": Desired.PAUSE,
        "pid": None,
        "reason": "paused by ada",
    },
    "blocked": {"state": LoopState.BLOCKED, "pid": None, "reason": "the package nginx does not exist"},
    "failed": {"state": LoopState.FAILED, "outcome": Outcome.FAILED, "pid": None, "reason": "no such inventory"},
    "not-converged": {
        "state": LoopState.FAILED,
        "outcome": Outcome.NOT_CONVERGED,
        "pid": None,
        "reason": "10 iterations were not enough",
    },
    "completed": {"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED, "mode": Mode.SINGLE, "pid": None},
    "previewed": {"state": LoopState.COMPLETED, "outcome": Outcome.PREVIEWED, "mode": Mode.SINGLE, "pid": None},
    "cancelled": {
        "state": LoopState.CANCELLED,
        "outcome": Outcome.CANCELLED,
        "desired": Desired.CANCEL,
        "pid": None,
        "reason": "cancelled by ada",
    },
    "in-the-foreground": {"managed": False, "mode": Mode.SINGLE, "cost_usd": 0.0312},
    "interrupted": {"managed": False, "pid": None, "mode": Mode.SINGLE},
}
"""A loop for each word that a status can have, by the name of the loop."""
LINES = [loop_line(name, id=n, **fields) for n, (name, fields) in enumerate(STANDINGS.items(), 1)]
FEW = [one for one in LINES if one.name in {"running", "resting", "waiting"}]
ASKED = [
    PromptLine(prompt=prompt(3), loop="waiting"),
    PromptLine(
        prompt=prompt(4, "Which port?", options=[], default="80", deadline_at=IN_A_MINUTE, asked_at=ago(30)),
        loop="web",
    ),
]
AWKWARD_LINES = [
    loop_line(name, id=n, reason=awkward.CONTROL, state=LoopState.BLOCKED, pid=None)
    for n, name in enumerate(awkward.NAMES, 1)
]


FREEZES = [
    FreezeRecord(
        freeze=Freeze(
            id="5f3a0c11",
            scope=FreezeScope.ALL,
            reason="incident 4711",
            by="ann (uid 1000, pid 17)",
            since=ago(60),
            until=IN_A_MINUTE,
        )
    ),
    FreezeRecord(
        freeze=Freeze(
            id="7b20aa01", scope=FreezeScope.SUBJECT, of="loop:2", reason=awkward.CONTROL, by="bob", since=ago(90)
        ),
        name="resting",
    ),
    FreezeRecord(
        freeze=Freeze(id="80c1d202", scope=FreezeScope.TARGET, of="web2", reason="disk", by="bob", since=ago(90)),
        ended_at=ago(30),
        ended_by="ann (uid 1000, pid 18)",
    ),
    FreezeRecord(
        freeze=Freeze(id="80c1d202", scope=FreezeScope.TARGET, of="web1", reason="disk", by="bob", since=ago(90))
    ),
    FreezeRecord(
        freeze=Freeze(
            id="90c1d202", scope=FreezeScope.KIND, of="model_call", reason="costs", by="bob", since=ago(90)
        ),
    ),
]

OF_POLICY = Freeze(id=UNUSABLE_POLICY, scope=FreezeScope.ALL, reason="a mistake", by="ftl2-enterprise", since=ago(90))


def listed(*lines: Any, **fields: Any) -> dict[Any, Any]:
    return {ListLoops: LoopPage(loops=list(lines), **fields), ListPrompts: ASKED, ListFreezes: []}


def of_all(reader: FixedReader) -> Any:
    return loop_list.loops_view(reader, finished=True)


def of_active(reader: FixedReader) -> Any:
    return loop_list.loops_view(reader, finished=False)


def only_ended(request: ListLoops) -> LoopPage:
    return LoopPage(loops=[loop_line(state=LoopState.COMPLETED)] if request.finished else [])


LOOPS_VIEW = [
    Scenario("three loops and their prompts", of_active, listed(*FEW), has_colour=True, has_json=True),
    Scenario("every status", of_all, listed(*LINES)),
    Scenario("a stopping service", of_active, listed(*FEW, draining=True)),
    Scenario("frozen", of_active, {**listed(*FEW), ListFreezes: FREEZES}),
    Scenario(
        "after a thaw",
        lambda r: freezes.remaining_lines(r.call(ListFreezes()), r.now()),
        {ListFreezes: [*FREEZES, FreezeRecord(freeze=OF_POLICY)]},
    ),
    Scenario("awkward names", of_active, listed(*AWKWARD_LINES)),
    Scenario(
        "more than the limit", lambda r: loop_list.loops_view(r, finished=True, limit=1), listed(LINES[0], more=1)
    ),
    Scenario("no loops", of_active, listed()),
    Scenario("only ended loops", of_active, {ListLoops: only_ended, ListFreezes: []}),
]
