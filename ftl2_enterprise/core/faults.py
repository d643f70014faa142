"""Named points at which a test may end, fail or stall the process.

Inert unless FTL2_ENTERPRISE_FAULT names a point: `POINT[#N]=kill|raise|stall`, where N counts the times the point
was reached (1 by default). `kill` is SIGKILL to this very process, so nothing gets a chance to tidy up.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from enum import StrEnum

VARIABLE = "FTL2_ENTERPRISE_FAULT"


class FaultPoint(StrEnum):
    """Every point, in the order in which an iteration reaches them."""

    LOOP_CREATED = "loop-created"
    LOOP_CLAIMED = "loop-claimed"
    ITERATION_STARTED = "iteration-started"
    OBSERVATION_DONE = "observation-done"
    OBSERVATIONS_RECORDED = "observations-recorded"
    RULE_MATCHED = "rule-matched"
    RULE_ACTION_STARTED = "rule-action-started"
    RULE_FIRED = "rule-fired"
    MODEL_CALL_STARTED = "model-call-started"
    MODEL_ANSWERED = "model-answered"
    DECISION_RECORDED = "decision-recorded"
    PROMPT_ASKED = "prompt-asked"
    PROMPT_ANSWERED = "prompt-answered"
    ACTION_STARTED = "action-started"
    ACTION_DONE = "action-done"
    ACTION_RECORDED = "action-recorded"
    STATE_OPS_DONE = "state-ops-done"
    ITERATION_ENDED = "iteration-ended"
    LOOP_RESTING = "loop-resting"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    WRITER_TOOK = "writer-took"
    WRITER_UNIT_DONE = "writer-unit-done"
    WRITER_COMMITTED = "writer-committed"
    WRITER_ACKNOWLEDGED = "writer-acknowledged"


class InjectedFault(Exception):
    """What `raise` raises; nothing in the product catches it by name."""


_reached: Counter[FaultPoint] = Counter()


def reach(point: FaultPoint) -> None:
    """Say that the process is at the point; does nothing unless a test asked for a fault here."""
    wish = os.environ.get(VARIABLE)
    if wish is None:
        return
    where, _, what = wish.partition("=")
    name, _, count = where.partition("#")
    if name != point:
        return
    _reached[point] += 1
    if _reached[point] != int(count or 1):
        return
    match what:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stall":
            time.sleep(3600)
        case _:
            raise InjectedFault(point)
