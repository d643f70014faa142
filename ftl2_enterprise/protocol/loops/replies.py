"""What the verbs of loops reply, beside the nouns of `protocol.loops` and `protocol.hosts`."""

from __future__ import annotations

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.wire import Wire
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
    Prompt,
)


class ProcessInfo(Wire, frozen=True):
    """The process of a loop."""

    pid: int | None
    started_at: Instant
    stopping: bool = False


class Queued(Wire, frozen=True):
    """That a loop is due and waits for a free place: `supervisor.max_running` of them are there."""

    place: int
    """In the queue, from 1."""
    taken: int
    places: int


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
    """The service runs it; else it belongs to whoever runs it in the foreground."""
    pid: int | None
    updated_at: Instant
    queued: Queued | None = None


class LoopPage(Wire, frozen=True):
    """Loops, newest first. `more` is what to give as `before` for the next page."""

    loops: list[LoopLine]
    more: int | None = None
    draining: bool = False
    """The service is stopping: what has no step in hand goes on with its next start."""


class LoopDetail(Wire, frozen=True):
    """One loop with what belongs to it now."""

    loop: Loop
    process: ProcessInfo | None
    open_prompts: list[Prompt]
    last: Iteration | None
    queued: Queued | None = None
    draining: bool = False


class Deleted(Wire, frozen=True):
    """A loop that is gone, with its history."""

    id: int
    name: str


class History(Wire, frozen=True):
    """Iterations in order of `n`; with actions when asked for."""

    loop: Loop
    iterations: list[Iteration]
    actions: list[Action] = []
    more: int | None = None
    """What to give as `before` for the page before this one."""


class ActionPage(Wire, frozen=True):
    """Actions, newest first."""

    actions: list[Action]
    more: int | None = None


class PromptLine(Wire, frozen=True):
    """A question in a list."""

    prompt: Prompt
    loop: str


class PromptDetail(Wire, frozen=True):
    """A question with what was seen when it was asked."""

    prompt: Prompt
    loop: str
    desired_state: str
    observations: list[Observation]


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
    """How often, in all loops."""
    last_fired_at: Instant | None = None


class RuleDetail(Wire, frozen=True):
    """A rule with its text."""

    rule: RuleInfo
    source: str


class HostLine(Wire, frozen=True):
    """A host that a loop knows."""

    host: Host
    loop: str


class ResourceLine(Wire, frozen=True):
    """A resource that a loop remembers."""

    resource: Resource
    loop: str


class WholeText(Wire, frozen=True):
    """A stored text, whole."""

    digest: str
    text: str
