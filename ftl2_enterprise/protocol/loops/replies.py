"""The replies of the verbs of loops, in addition to the nouns."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail, ApprovalRecord
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.hosts import Host, Resource
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    Condition,
    Desired,
    Iteration,
    Loop,
    LoopState,
    Mode,
    Observation,
    Outcome,
    PendingRetry,
    Prompt,
    WaitReason,
)
from ftl2_enterprise.protocol.loops.rules import RuleBinding, RuleFiring


class ProcessInfo(Wire, frozen=True):
    """The process of a loop."""

    pid: int | None
    started_at: Instant
    stopping: bool = False


class Queued(Wire, frozen=True):
    """The position of a loop that is due and waits because `supervisor.max_running` processes exist."""

    place: int
    """Position in the queue, from 1."""
    taken: int
    places: int


class ModelWait(Wire, frozen=True):
    """Why a loop that runs waits before it calls its model."""

    reason: WaitReason
    until: Instant | None
    """When it may call, if that is known."""
    places: int | None
    """How many calls may be in flight, if that is the reason."""
    queued_at: Instant


class LoopLine(Wire, frozen=True):
    """A loop in a list."""

    id: int
    name: str
    state: LoopState
    desired: Desired
    outcome: Outcome | None
    reason: str | None
    mode: Mode
    condition: Condition
    observed_at: Instant | None
    next_run_at: Instant | None
    restart_at: Instant | None
    iteration_count: int
    changed_count: int
    failed_count: int
    open_prompts: int
    cost_usd: float
    managed: bool
    """Whether the service runs it; else it runs in the foreground only."""
    pid: int | None
    updated_at: Instant
    queued: Queued | None = None
    model_wait: ModelWait | None = None
    frozen_by: str | None = None
    """The id of the freeze that holds it; it continues when that ends."""
    retry: PendingRetry | None = None
    """What it pauses for, while it runs."""
    left_out: list[str] = []
    """Steps that a person has left out, and that are not in place: if it is in sync, then with these exceptions."""
    revision: int = 1
    """As of `Loop`."""
    taken_revision: int = 1
    """As of `Loop`."""
    stale: bool = False
    """Whether a continuous loop has not observed for so long that its condition may be another one now."""
    dry_run: bool = False
    """Of a loop that has failed or is blocked: whether it was a dry run, which needs no person."""
    failures: int = 0
    """As of `Loop`."""
    only_reports: bool = False
    """Of a loop that rests with something out of place: whether its remediation is `never`."""

    @property
    def is_superseded(self) -> bool:
        """As of `Loop`."""
        return self.revision != self.taken_revision


class LoopPage(Wire, frozen=True):
    """Loops, newest first. `more` is the value of `before` for the next page, if there is one."""

    loops: list[LoopLine]
    more: int | None = None
    draining: bool = False
    """The service is stopping: loops end after their current steps and continue at the next start."""


class RevisionLine(Wire, frozen=True):
    """A revision in a list."""

    n: int
    created_at: Instant
    created_by: str | None
    reason: str | None
    restores: int | None
    changed: list[str]
    """What differs from the revision before: names of settings, and paths of files. `desired_state` is the text."""


class LoopDetail(Wire, frozen=True):
    """One loop with its process, open prompts and last iteration."""

    loop: Loop
    process: ProcessInfo | None
    open_prompts: list[Prompt]
    last: Iteration | None
    queued: Queued | None = None
    draining: bool = False
    model_wait: ModelWait | None = None
    revision: RevisionLine | None = None
    """The revision of its desired state that is in force."""


class Deleted(Wire, frozen=True):
    """A loop that was deleted with its history."""

    id: int
    name: str


class History(Wire, frozen=True):
    """Iterations in order of `n`, with their prompts and approvals, and with their actions if requested."""

    loop: Loop
    iterations: list[Iteration]
    actions: list[Action] = []
    more: int | None = None
    """The value of `before` for the previous page, if there is one."""
    prompts: list[Prompt] = []
    """Those that these iterations asked, oldest first."""
    approvals: list[ApprovalRecord] = []
    """The requests for approval of these prompts, and those that these iterations used, oldest first."""
    observations: list[Observation] = []
    """What the decisions of a model requested and these iterations observed, in order; at most the last 1000."""


class ActionPage(Wire, frozen=True):
    """Actions, newest first."""

    actions: list[Action]
    more: int | None = None


class PromptLine(Wire, frozen=True):
    """A prompt in a list."""

    prompt: Prompt
    loop: str
    approval: ApprovalDetail | None = None
    """What is to be approved; null for a question."""
    model: str | None = None
    """The model that asks the question, which is untrusted text; null if no model does, or for an approval."""


class PromptDetail(Wire, frozen=True):
    """A prompt with the observations of the iteration that asked."""

    prompt: Prompt
    loop: str
    desired_state: str
    observations: list[Observation]
    approval: ApprovalDetail | None = None
    """What is to be approved; null for a question."""
    model: str | None = None
    """The model that asks the question, which is untrusted text; null if no model does, or for an approval."""


class RuleInfo(Wire, frozen=True):
    """A rule of a rules directory."""

    name: str
    description: str
    path: str
    digest: str
    enabled: bool
    disabled_by: str | None = None
    error: str | None = None
    """Why it cannot be loaded."""
    fired: int = 0
    """How often it fired, in all loops."""
    last_fired_at: Instant | None = None
    applies_to: RuleBinding | None = None
    """Null if the file states it in no valid form; then it cannot be loaded."""


class RuleDetail(Wire, frozen=True):
    """A rule with its source text."""

    rule: RuleInfo
    source: str
    observe: list[ObservationSpec] | None = None
    """The observations that it declares; null if they are computed when it is executed."""
    firings: list[RuleFiring] = []
    """When it fired last, newest first."""


class HostLine(Wire, frozen=True):
    """A host with the name of its loop."""

    host: Host
    loop: str


class ResourceLine(Wire, frozen=True):
    """A resource with the name of its loop."""

    resource: Resource
    loop: str


class WholeText(Wire, frozen=True):
    """A complete stored text."""

    digest: str
    text: str


class RevisionPage(Wire, frozen=True):
    """Revisions, newest first."""

    loop: str
    """The name of the loop."""
    in_force: int
    revisions: list[RevisionLine]
    more: int | None
    """The `before` of the next page, if there is one."""
