"""The nouns of loops: structs that are stored, shown and sent. No behavior."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.loops.approvals import Denial, denial_of
from ftl2_enterprise.protocol.loops.decision import Check, Decision, ObservationSpec
from ftl2_enterprise.protocol.text import StoredText

LOCALHOST = "localhost"
_FENCE_WITHIN = 40
"""Characters at the end of a result, which keep its fence also if the result is shortened."""
_FENCE = re.compile(r'[{,]"fence":"(none|check_mode|sandbox)"\}$')


class LoopState(StrEnum):
    """The state of a loop; `loops.lifecycle` has the transitions."""

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
    """The last request of a user for a loop: to run, pause, stop or be cancelled. Applied at a safe point."""

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
    """Whether a loop runs once, in planned steps, or indefinitely."""

    SINGLE = "single"
    INCREMENTAL = "incremental"
    CONTINUOUS = "continuous"


class Outcome(StrEnum):
    """How a run ended. Each outcome other than success has its own exit status."""

    CONVERGED = "converged"
    PREVIEWED = "previewed"
    NOT_CONVERGED = "not_converged"
    BLOCKED = "blocked"
    DENIED = "denied"
    UNAPPROVED = "unapproved"
    """A person rejected the actions, or not enough people approved them in time."""
    DRIFTED = "drifted"
    """Something is out of place, and the loop may only report it: its remediation is `never`."""
    MODEL_FAILED = "model_failed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def words(self) -> str:
        """The outcome as people are shown it."""
        return "not approved" if self is Outcome.UNAPPROVED else self.replace("_", " ")


class IterationState(StrEnum):
    """The current step of an iteration."""

    OBSERVING = "observing"
    DECIDING = "deciding"
    ASKING = "asking"
    EXECUTING = "executing"
    ENDED = "ended"


class IterationOutcome(StrEnum):
    """How an iteration ended."""

    CONVERGED = "converged"
    CHECK_HELD = "check_held"
    RULE_FIRED = "rule_fired"
    ACTED = "acted"
    OBSERVED = "observed"
    DELAYED = "delayed"
    """Everything to do was tried a moment ago: the next iteration observes again after a pause."""
    ASKED = "asked"
    PREVIEWED = "previewed"
    BLOCKED = "blocked"
    DENIED = "denied"
    UNAPPROVED = "unapproved"
    DRIFTED = "drifted"
    MODEL_FAILED = "model_failed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class ObservationState(StrEnum):
    """The state of one observation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class ActionState(StrEnum):
    """The state of one action on one host. `unknown`: it was running when its process died or was stopped."""

    PROPOSED = "proposed"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    PREVIEWED = "previewed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class LoopRemediation(StrEnum):
    """What a loop does about drift; the stricter of it and policy wins."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class PromptKind(StrEnum):
    """What a prompt asks for: the answer to a question of the decider, or the approval of actions."""

    QUESTION = "question"
    APPROVAL = "approval"


class PromptState(StrEnum):
    """The state of a prompt."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    DISMISSED = "dismissed"


class IncrementState(StrEnum):
    """The state of one planned step of an incremental loop."""

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


class BreakerState(StrEnum):
    """The state of a provider's circuit breaker: whether calls of its models may begin."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class WaitReason(StrEnum):
    """Why a loop has to wait before it may call a model."""

    PLACES = "places"
    """`model.parallel` calls are in flight."""
    RATE = "rate"
    """`model.rate` calls began within a minute."""
    RETRY_AFTER = "retry_after"
    """The provider has asked for a pause."""
    UNAVAILABLE = "unavailable"
    """Calls in a row have failed: the circuit breaker is open."""
    PROBE = "probe"
    """One call tries whether the provider is available again."""


# --- what is stored ------------------------------------------------------------------------------------------------


class LoopSpec(Wire, frozen=True):
    """Everything that a loop was submitted with, so that any process can resume it. Paths are absolute."""

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
    run_checks: bool = False
    """In a dry run, checks run as they are written, outside of the sandbox."""
    max_ask_delay: int = 0
    model: str | None = None
    max_cost: float | None = None
    action_timeout: float = 300.0
    prompt_timeout: float | None = None
    max_tokens: int | None = None
    without_model: bool = False
    """A person chose to continue without the model: only the recorded check and the rules act."""
    remediation: LoopRemediation = LoopRemediation.AUTO
    labels: dict[str, str] = {}
    """By which rules select loops."""
    files: dict[str, str] = {}
    """SHA-256 of each file that was sent and is stored with the loop, by path. The service sets it."""


class PendingRetry(Wire, frozen=True):
    """What a loop that runs waits for before it observes again."""

    at: Instant
    calls: list[str]
    """Steps, modules and hosts of what it will execute again; empty if it could not observe."""
    attempts: int
    """How often the most frequent of them was tried in the run."""
    of: int
    """After so many attempts the run ends."""
    error: str | None = None
    """Why the last attempt failed, or what could not be observed."""


class Loop(Wire, frozen=True):
    """A durable request to keep something in a desired state, with its progress."""

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
    """Consecutive runs that did not converge."""
    failed_iterations: int
    """Consecutive iterations with a failed action and without a question."""
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
    """Whether the service runs it; else it runs in the foreground only."""
    priority: int = 0
    submitted_by: str | None = None
    restart_at: Instant | None = None
    """When the service restarts its process after a crash."""
    crashes: int = 0
    """Crashes of its process in the current period, which began at `crashes_since`."""
    crashes_since: Instant | None = None
    frozen_by: str | None = None
    """The id of the freeze that holds it; it continues when that ends."""
    revision: int = 1
    """The number of the revision of its desired state that is in force."""
    taken_revision: int = 1
    """The revision that its process was started with; one with an earlier revision stops at its next safe point."""
    retry: PendingRetry | None = None
    """What it pauses for, while it runs."""
    left_out: list[str] = []
    """Steps that a person has left out, and that are not in place: if it is in sync, then with these exceptions."""

    @property
    def is_superseded(self) -> bool:
        """Whether its process still has an earlier revision."""
        return self.revision != self.taken_revision


class Revision(Wire, frozen=True):
    """A desired state of a loop with all that it was requested with. `n` counts from 1."""

    id: int
    loop_id: int
    n: int
    created_at: Instant
    created_by: str | None
    reason: str | None
    """In the words of the person who made it."""
    restores: int | None
    """The earlier revision whose content it has, if it was made by a rollback."""
    spec: LoopSpec


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
    revision: int = 1
    """The revision of the loop's desired state that it ran with."""


class Observation(Wire, frozen=True):
    """One observation of one host."""

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
    fence: str | None = None
    """By what it was kept from changing its host: `sandbox`, `check_mode` or `none`; null if it was not executed, or
    its module only reads. Follows from `result`."""

    def __post_init__(self) -> None:
        if found := _FENCE.search(self.result.shown[-_FENCE_WITHIN:]):
            msgspec.structs.force_setattr(self, "fence", found[1])


class Action(Wire, frozen=True):
    """One change on one host. `n` is its position in the decision; a group has one row for each of its hosts."""

    id: int
    loop_id: int
    iteration_id: int
    n: int
    host: str
    target: str
    """The host or group in the decision."""
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
    """The module's complete result without stdout and stderr, as JSON."""
    error: str | None
    """Why it failed, was denied, skipped or lost; of a previewed one, why people would have to approve it, if so."""
    started_at: Instant | None
    ended_at: Instant | None
    diff: StoredText = StoredText()
    """What it would change, as a text: found out before it was proposed in a dry run, or to people for approval."""
    step: str | None = None
    """The step of the manifest that it belongs to."""
    part: int = 0
    """Which of the actions of that step it is, from 0."""
    denial: Denial | None = None
    """Why it was denied, if it was: by policy, or because people did not approve it. Follows from `error`."""

    def __post_init__(self) -> None:
        if self.state is ActionState.DENIED:
            msgspec.structs.force_setattr(self, "denial", denial_of(self.error))


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
    kind: PromptKind = PromptKind.QUESTION
    secret: bool = False
    """Whether the answer is a secret: it is not in the database, and `answer` is a mask."""
    withdrawn: str | None = None
    """Why it was closed although no person dismissed it, such as a change of the desired state; its state is then
    `dismissed`."""
    dismissed_by: str | None = None
    """The person who dismissed it, if no default counts as its answer."""


class ModelCall(Wire, frozen=True):
    """One request to a model. `outcome` is None until it ends."""

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
