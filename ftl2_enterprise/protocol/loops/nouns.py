"""The nouns of loops: what is stored, shown and sent. No behaviour."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.loops.decision import Check, Decision, ObservationSpec
from ftl2_enterprise.protocol.text import StoredText

LOCALHOST = "localhost"


class LoopState(StrEnum):
    """Where a loop is. Only completed, failed and cancelled are final."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    RESTING = "resting"
    PAUSED = "paused"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Desired(StrEnum):
    """What was asked of a loop, beside where it is."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"


class Condition(StrEnum):
    """Whether the infrastructure was in its desired state when last observed."""

    IN_SYNC = "in_sync"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """Once, in planned steps, or for ever."""

    SINGLE = "single"
    INCREMENTAL = "incremental"
    CONTINUOUS = "continuous"


class Outcome(StrEnum):
    """How a run ended. Every way that is not success is told apart, with an exit status of its own."""

    CONVERGED = "converged"
    PREVIEWED = "previewed"
    NOT_CONVERGED = "not_converged"
    BLOCKED = "blocked"
    DENIED = "denied"
    MODEL_FAILED = "model_failed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class IterationState(StrEnum):
    """The step an iteration is at."""

    OBSERVING = "observing"
    DECIDING = "deciding"
    ASKING = "asking"
    EXECUTING = "executing"
    ENDED = "ended"


class IterationOutcome(StrEnum):
    """What an ended iteration did."""

    CONVERGED = "converged"
    CHECK_HELD = "check_held"
    RULE_FIRED = "rule_fired"
    ACTED = "acted"
    OBSERVED = "observed"
    ASKED = "asked"
    PREVIEWED = "previewed"
    BLOCKED = "blocked"
    DENIED = "denied"
    MODEL_FAILED = "model_failed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class ObservationState(StrEnum):
    """What became of one observation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class ActionState(StrEnum):
    """What became of one action on one host. `unknown`: it was in flight when its process died or was stopped."""

    PROPOSED = "proposed"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    PREVIEWED = "previewed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class PromptState(StrEnum):
    """Where a question to a person is."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    DISMISSED = "dismissed"


class IncrementState(StrEnum):
    """Where one planned step of an incremental loop is."""

    PENDING = "pending"
    RUNNING = "running"
    CONVERGED = "converged"
    FAILED = "failed"
    BLOCKED = "blocked"


class CallOutcome(StrEnum):
    """How a model call ended."""

    OK = "ok"
    MALFORMED = "malformed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    UNAUTHENTICATED = "unauthenticated"
    NOT_INSTALLED = "not_installed"
    FAILED = "failed"
    UNKNOWN = "unknown"


# --- what is stored ------------------------------------------------------------------------------------------------


class LoopSpec(Wire, frozen=True):
    """Everything a loop was asked with, so that it can be resumed by any process. Paths are absolute."""

    name: str
    desired_state: str
    mode: Mode = Mode.SINGLE
    decider: str = "auto"
    source: str | None = None
    inventory: str | None = None
    policy: str | None = None
    environment: str = ""
    rules_dir: str | None = None
    secrets: list[str] = []
    """Bindings as written: MODULE.PARAM=ENV_VAR. Names of variables, never values."""
    observers: list[ObservationSpec] | None = None
    max_iterations: int = 10
    interval: float = 60.0
    dry_run: bool = False
    max_ask_delay: int = 0
    model: str | None = None
    max_cost: float | None = None
    action_timeout: float = 300.0
    prompt_timeout: float | None = None


class Loop(Wire, frozen=True):
    """A durable request to keep something in a desired state, and where it is."""

    id: int
    name: str
    state: LoopState
    desired: Desired
    outcome: Outcome | None
    reason: str | None
    mode: Mode
    desired_state: str
    spec: LoopSpec
    condition: Condition
    observed_at: Instant | None
    run: int
    generation: int
    owner: str | None
    failures: int
    """Runs in a row that did not converge."""
    failed_iterations: int
    """Iterations in a row with a failed action and without a question."""
    rule_streak: int
    check: Check | None
    audited_at: Instant | None
    next_run_at: Instant | None
    next_observations: list[ObservationSpec]
    iteration_count: int
    action_count: int
    changed_count: int
    failed_count: int
    model_call_count: int
    cost_usd: float
    open_prompts: int
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    updated_at: Instant
    managed: bool = False
    """The service runs it; else it belongs to whoever runs it in the foreground."""
    priority: int = 0
    submitted_by: str | None = None
    restart_at: Instant | None = None
    """When the service starts its process again, after a crash."""
    crashes: int = 0
    """Times that its process died in the present period, which began at `crashes_since`."""
    crashes_since: Instant | None = None


class Increment(Wire, frozen=True):
    """One planned step of an incremental loop. `n` counts from 1."""

    id: int
    loop_id: int
    n: int
    desired_state: str
    state: IncrementState
    is_fix: bool
    reason: str | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


class Iteration(Wire, frozen=True):
    """One pass of a loop. `n` counts from 1 over the loop's life; `run` is the run it belongs to."""

    id: int
    loop_id: int
    increment_id: int | None
    run: int
    n: int
    state: IterationState
    outcome: IterationOutcome | None
    decided_by: str | None
    reasoning: str | None
    decision: Decision | None
    error: str | None
    started_at: Instant
    decided_at: Instant | None
    ended_at: Instant | None


class Observation(Wire, frozen=True):
    """One look at one host."""

    id: int
    loop_id: int
    iteration_id: int
    name: str
    module: str
    host: str
    params: dict[str, Any]
    origin: str
    state: ObservationState
    result: StoredText
    """JSON."""
    error: str | None
    started_at: Instant
    ended_at: Instant | None


class Action(Wire, frozen=True):
    """One change on one host. `n` is its place in the decision; a group makes one row for each of its hosts."""

    id: int
    loop_id: int
    iteration_id: int
    n: int
    host: str
    target: str
    """The host or group as decided."""
    module: str
    params: dict[str, Any]
    origin: str
    """`decision` or `rule:NAME`."""
    state: ActionState
    changed: bool | None
    rc: int | None
    stdout: StoredText
    stderr: StoredText
    output: StoredText
    """The module's whole result without stdout and stderr, as JSON."""
    error: str | None
    started_at: Instant | None
    ended_at: Instant | None


class Prompt(Wire, frozen=True):
    """A durable question to a person."""

    id: int
    loop_id: int
    iteration_id: int
    key: str
    question: str
    options: list[str]
    default: str | None
    context: str | None
    """Why it is asked: the decider's reasoning."""
    state: PromptState
    answer: str | None
    answered_by: str | None
    asked_at: Instant
    deadline_at: Instant | None
    answered_at: Instant | None


class RuleResult(Wire, frozen=True):
    """What a rule did in an iteration: matched, fired, or could not be evaluated."""

    id: int
    loop_id: int
    iteration_id: int
    rule_name: str
    rule_digest: str
    matched: bool
    fired: bool
    success: bool | None
    detail: str | None
    created_at: Instant


class ModelCall(Wire, frozen=True):
    """One request to a model. `outcome` is None while it is in flight."""

    id: int
    loop_id: int
    iteration_id: int
    purpose: str
    provider: str
    model: str | None
    outcome: CallOutcome | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    latency: float | None
    """Seconds."""
    request: StoredText
    response: StoredText
    error: str | None
    started_at: Instant
    ended_at: Instant | None
