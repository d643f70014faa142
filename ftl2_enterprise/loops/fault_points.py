"""Points at which a test may end, fail or stall the process of a loop; see `core.faults`."""

from __future__ import annotations

from enum import StrEnum


class LoopFaultPoint(StrEnum):
    """Every point, in the order in which an iteration reaches them."""

    LOOP_CREATED = "loop-created"
    LOOP_CLAIMED = "loop-claimed"
    ITERATION_STARTED = "iteration-started"
    OBSERVATION_DONE = "observation-done"
    OBSERVATIONS_RECORDED = "observations-recorded"
    RULE_MATCHED = "rule-matched"
    RULE_ACTION_STARTED = "rule-action-started"
    RULE_FIRED = "rule-fired"
    MODEL_CALL_QUEUED = "model-call-queued"
    MODEL_CALL_STARTED = "model-call-started"
    MODEL_ANSWERED = "model-answered"
    DECISION_RECORDED = "decision-recorded"
    PROMPT_ASKED = "prompt-asked"
    PROMPT_ANSWERED = "prompt-answered"
    APPROVAL_ASKED = "approval-asked"
    APPROVAL_GIVEN = "approval-given"
    APPROVAL_CHECKED = "approval-checked"
    APPROVAL_USED = "approval-used"
    ACTION_STARTED = "action-started"
    ACTION_DONE = "action-done"
    ACTION_RECORDED = "action-recorded"
    STATE_OPS_DONE = "state-ops-done"
    ITERATION_ENDED = "iteration-ended"
    LOOP_RESTING = "loop-resting"


POINTS = tuple(LoopFaultPoint)
"""Found by the check of the variable that requests faults."""
