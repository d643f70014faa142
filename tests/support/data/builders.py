"""Loops, iterations, actions, prompts and events to be shown, with what a test does not care about filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ftl2_enterprise.core.clock import SystemClock, after
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Condition,
    Desired,
    Iteration,
    IterationState,
    Loop,
    LoopSpec,
    LoopState,
    Mode,
    Observation,
    ObservationState,
    Outcome,
    Prompt,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import LoopLine
from ftl2_enterprise.protocol.text import StoredText
from tests.support.data import facts

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.fact import Fact

NOW = SystemClock().now()


def ago(seconds: float) -> int:
    return after(NOW, -seconds)


STANDING: dict[str, Any] = {
    "id": 1,
    "state": LoopState.RUNNING,
    "desired": Desired.RUN,
    "outcome": None,
    "reason": None,
    "mode": Mode.CONTINUOUS,
    "condition": Condition.IN_SYNC,
    "observed_at": ago(180),
    "next_run_at": None,
    "iteration_count": 12,
    "changed_count": 3,
    "failed_count": 0,
    "open_prompts": 0,
    "cost_usd": 0.0,
    "managed": True,
    "updated_at": ago(180),
}
"""What a loop and its line in a list have in common."""


def loop_line(name: str = "web", **fields: Any) -> LoopLine:
    return LoopLine(**(STANDING | {"name": name, "restart_at": None, "pid": 4711} | fields))


LONG_NAME = "a-very-long-name-that-a-user-has-given-to-a-loop"
SEVERAL = [
    loop_line("web", id=1),
    loop_line("数据库-主", id=2, state=LoopState.WAITING, open_prompts=2, pid=None),
    loop_line(
        LONG_NAME, id=3, state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="x" * 300, failed_count=40
    ),
    loop_line("db", id=4, state=LoopState.RESTING, next_run_at=ago(-40), cost_usd=1.25),
]
"""Lines of a list, among them a wide and a long name."""


def loop(name: str = "web", **fields: Any) -> Loop:
    given = STANDING | {
        "name": name,
        "desired_state": "nginx runs",
        "spec": LoopSpec(name=name, desired_state="nginx runs", mode=Mode.CONTINUOUS),
        "run": 3,
        "generation": 5,
        "owner": None,
        "failures": 0,
        "failed_iterations": 0,
        "rule_streak": 0,
        "check": None,
        "audited_at": None,
        "next_observations": [],
        "action_count": 4,
        "model_call_count": 0,
        "created_at": ago(7200),
        "started_at": ago(7200),
        "ended_at": None,
    }
    return Loop(**(given | fields))


def prompt(prompt_id: int = 3, question: str = "Restart nginx now?", **fields: Any) -> Prompt:
    given: dict[str, Any] = {
        "id": prompt_id,
        "loop_id": 1,
        "iteration_id": 12,
        "key": "restart",
        "question": question,
        "options": ["yes", "no"],
        "default": None,
        "context": "the configuration has changed",
        "state": PromptState.OPEN,
        "answer": None,
        "answered_by": None,
        "asked_at": ago(60),
        "deadline_at": None,
        "answered_at": None,
    }
    return Prompt(**(given | fields))


def iteration(n: int = 12, **fields: Any) -> Iteration:
    given: dict[str, Any] = {
        "id": n,
        "loop_id": 1,
        "increment_id": None,
        "run": 3,
        "n": n,
        "state": IterationState.ENDED,
        "outcome": None,
        "decided_by": "manifest",
        "reasoning": None,
        "decision": None,
        "error": None,
        "started_at": ago(200),
        "decided_at": ago(199),
        "ended_at": ago(180),
    }
    return Iteration(**(given | fields))


def action(n: int = 1, **fields: Any) -> Action:
    given: dict[str, Any] = {
        "id": 100 + n,
        "loop_id": 1,
        "iteration_id": 12,
        "n": n,
        "host": "web1",
        "target": "web1",
        "module": "service",
        "params": {"name": "nginx", "state": "started"},
        "origin": "decision",
        "state": ActionState.SUCCEEDED,
        "changed": True,
        "rc": None,
        "stdout": StoredText(),
        "stderr": StoredText(),
        "output": StoredText(),
        "error": None,
        "started_at": ago(195),
        "ended_at": ago(193),
    }
    return Action(**(given | fields))


def observation(name: str = "nginx", result: str = "{}", **fields: Any) -> Observation:
    given: dict[str, Any] = {
        "id": 40,
        "loop_id": 1,
        "iteration_id": 12,
        "name": name,
        "module": "command",
        "host": "web1",
        "params": {"cmd": "systemctl is-active nginx"},
        "origin": "decider",
        "state": ObservationState.SUCCEEDED,
        "result": StoredText(result, None, len(result)),
        "error": None,
        "started_at": ago(200),
        "ended_at": ago(199),
    }
    return Observation(**(given | fields))


def event(event_id: int, what: str | type[Fact], subject: str = "loop:1", **fields: Any) -> Event:
    """An event of a fact, or of a kind that this version of the program does not know."""
    if isinstance(what, str):
        return Event(id=event_id, at=NOW, kind=what, subject=subject, data=fields)
    return facts.event(what, id=event_id, at=NOW, subject=subject, **fields)


def changed[T: Struct](noun: T, **fields: Any) -> T:
    return replace(noun, **fields)
