"""Where a loop stands, in words, and why."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.nouns import Condition, Desired, LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import Queued
from ftl2_enterprise.render.loops.standing import (
    NEXT_START,
    REPORTS,
    STOPPING,
    condition_pieces,
    standing,
    stopping,
    why,
)
from ftl2_enterprise.render.text import line
from tests.support.data.builders import NOW, ago, loop, loop_line


@pytest.mark.parametrize(
    ("fields", "word", "reason"),
    [
        ({}, "running", ""),
        ({"desired": Desired.PAUSE}, "pausing", ""),
        ({"desired": Desired.STOP}, "stopping", ""),
        ({"desired": Desired.CANCEL, "state": LoopState.RESTING, "next_run_at": None}, "cancelling", ""),
        ({"desired": Desired.PAUSE, "state": LoopState.PAUSED}, "paused", ""),
        ({"state": LoopState.PENDING}, "starting", ""),
        ({"state": LoopState.PAUSED}, "resuming", ""),
        ({"state": LoopState.PAUSED, "desired": Desired.PAUSE, "reason": "paused on request"}, "paused", ""),
        ({"state": LoopState.PAUSED, "desired": Desired.PAUSE, "reason": "paused by ada"}, "paused", "paused by ada"),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(-90), "only_reports": True},
            "resting",
            f"{REPORTS}; next check in 90 s",
        ),
        ({"state": LoopState.PAUSED, "reason": "stopped on request"}, "resuming", ""),
        ({"state": LoopState.PENDING, "managed": False}, "pending", "was run in the foreground"),
        ({"managed": False}, "running", "runs in the foreground"),
        ({"managed": False, "pid": None}, "interrupted", "its process ended unexpectedly"),
        ({"state": LoopState.WAITING, "open_prompts": 1}, "waiting for you", "1 open prompt"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90)}, "resting", "next check in 90 s"),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(-90), "reason": "no route"},
            "failing",
            "no route; next check in 90 s",
        ),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(-90), "reason": "a step is unknown."},
            "failing",
            "a step is unknown; next check in 90 s",
        ),
        ({"state": LoopState.BLOCKED, "reason": "no\nroute"}, "blocked", "no route"),
        ({"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED}, "converged", ""),
        ({"state": LoopState.FAILED, "outcome": Outcome.DENIED, "reason": "by policy"}, "denied", "by policy"),
        (
            {"state": LoopState.PENDING, "queued": Queued(place=3, taken=1, places=1)},
            "queued",
            "position 3 in the queue: 1 of 1 places taken (supervisor.max_running)",
        ),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(9), "queued": Queued(place=12, taken=5, places=4)},
            "queued",
            "position 12 in the queue: 5 of 4 places taken (supervisor.max_running)",
        ),
        (
            {"desired": Desired.CANCEL, "queued": Queued(place=1, taken=1, places=1)},
            "cancelling",
            "position 1 in the queue: 1 of 1 places taken (supervisor.max_running)",
        ),
        ({"restart_at": ago(-5)}, "restarting", "its process died; restarts in 5.0 s"),
        ({"restart_at": ago(-30), "reason": "crashed"}, "restarting", "crashed; restarts in 30 s"),
    ],
)
def test_the_standing_of_a_loop(fields, word, reason):
    loop = loop_line(**fields)
    assert standing(loop).word == word
    assert why(loop, NOW) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90)}, NEXT_START),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "reason": "no route"}, f"no route; {NEXT_START}"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "desired": Desired.PAUSE}, ""),
        ({"state": LoopState.PENDING}, NEXT_START),
        ({"state": LoopState.PENDING, "queued": Queued(place=1, taken=1, places=1)}, NEXT_START),
        ({"restart_at": ago(-30), "reason": "crashed"}, f"crashed; {NEXT_START}"),
        ({"state": LoopState.WAITING, "open_prompts": 1}, "1 open prompt"),
        ({"state": LoopState.FAILED, "outcome": Outcome.FAILED, "reason": "no"}, "no"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "managed": False}, "next check in 90 s"),
    ],
)
def test_nothing_comes_next_while_the_service_stops(fields, reason):
    assert why(loop_line(**fields), NOW, draining=True) == reason


def test_a_service_that_stops_names_the_loops_that_it_waits_for():
    assert (
        stopping([loop_line(), loop_line(id=2, pid=None)])
        == f"{STOPPING}: waiting for 1 loop to finish its current step"
    )
    assert (
        stopping([loop_line(), loop_line(id=2)]) == f"{STOPPING}: waiting for 2 loops to finish their current steps"
    )
    assert stopping([loop_line(managed=False)]) == f"{STOPPING}: no loop process is left"


@pytest.mark.parametrize(
    ("condition", "age"), [(Condition.UNKNOWN, " (last check 60 s ago)"), (Condition.DRIFTED, " (observed 60 s ago)")]
)
def test_what_is_unknown_is_not_called_observed(condition: Condition, age: str) -> None:
    pieces = condition_pieces(loop(condition=condition, observed_at=ago(60)), NOW)
    assert line(*pieces).spans[-1].text == age
