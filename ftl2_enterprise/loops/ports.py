"""What the engine needs from outside. Adapters implement these; the engine imports none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.protocol.loops.nouns import Action, CallOutcome, Prompt

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
    from ftl2_enterprise.protocol.loops.hosts import Host, Resource

# --- modules: touching hosts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModuleCall:
    """One module call on one host (never a group: the engine has expanded it)."""

    module: str
    params: Mapping[str, Any]
    host: str
    timeout: float
    """Seconds after which the call and everything that it started is killed."""


@dataclass(frozen=True, kw_only=True)
class ModuleResult:
    """The truth about one call. `success` comes from the module engine, or is False when rc is not 0."""

    success: bool
    changed: bool = False
    rc: int | None = None
    stdout: str = ""
    stderr: str = ""
    output: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The module's whole result without stdout and stderr; values that JSON cannot hold are already text."""
    error: str | None = None
    """One line for people when not successful: error, or stderr, or msg, or the rc."""
    timed_out: bool = False
    truncated: bool = False
    """Output beyond the capture limit was dropped (and the text says so)."""
    lost: bool = False
    """What watched over the call, or the way to its host, ended before the call did: nobody knows what it did."""


class Modules(Protocol):
    """Runs modules on the hosts of one inventory. Nothing here knows policy, dry run or the database."""

    def expand(self, target: str) -> list[str]:
        """Names of the hosts behind a host or group name, in inventory order, without repeats.

        Raises Problem(not_found) with the nearest name for an unknown target and Problem(invalid) for an empty group.
        """
        ...

    def hosts(self) -> list[HostEntry]:
        """Every host of the inventory."""
        ...

    def environment_facts(self, host: str) -> Mapping[str, Any]:
        """What policy may match beside the call: `groups` of the host."""
        ...

    def refuse(self, module: str, host: str) -> str | None:
        """Why the module cannot be used on that host (unknown, does nothing, is excluded), or None. One sentence."""
        ...

    def add_host(self, entry: HostEntry) -> None:
        """Register or replace a host in the live inventory."""
        ...

    def remove_host(self, name: str) -> None:
        """Unregister a host; unknown names are fine."""
        ...

    async def run(self, call: ModuleCall) -> ModuleResult:
        """Run the call. Never raises for a failing module, host or connection: the Result says it.

        Cancelling the coroutine kills the whole process tree of the call before it returns.
        """
        ...

    async def close(self) -> None:
        """End connections and whatever still runs."""
        ...


@dataclass(frozen=True, kw_only=True)
class HostEntry:
    """A host as an inventory or a state operation names it."""

    name: str
    ansible_host: str | None = None
    ansible_port: int | None = None
    ansible_user: str | None = None
    groups: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict[str, Any])


# --- deciders ------------------------------------------------------------------------------------------------------


BY_DEFAULT = "default"
"""Who answered when the default of a question counts, alone or with how that came about behind a comma."""


@dataclass(frozen=True, kw_only=True)
class PromptAnswer:
    """A question that was asked in this loop and what came back."""

    key: str
    question: str
    answer: str | None
    """None when nobody answered in time or the question was dismissed, and it has no default."""
    answered_by: str | None

    @property
    def is_default(self) -> bool:
        """Whether it is the default that counts, as nobody answered."""
        return (self.answered_by or "").partition(", ")[0] == BY_DEFAULT


@dataclass(frozen=True, kw_only=True)
class ObservationResult:
    """One observation as deciders get it."""

    name: str
    host: str
    success: bool
    result: Mapping[str, Any]
    """The module's result with stdout, stderr and rc; whole, never shortened."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class PastIteration:
    """One earlier iteration of the same run, oldest first."""

    n: int
    reasoning: str
    outcome: str
    actions: Sequence[Action] = ()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that a decision may depend on. A decider is a function of this and nothing else."""

    loop_id: int
    desired_state: str
    iteration: int
    """From 1, within the run."""
    max_iterations: int
    seen: Sequence[ObservationResult]
    state: Mapping[str, Any]
    """Observations by name, as rules see them: one result, or a list of them for a group."""
    hosts: Sequence[Host]
    resources: Sequence[Resource]
    inventory: Sequence[HostEntry]
    answers: Sequence[PromptAnswer]
    past: Sequence[PastIteration]
    rules: Sequence[tuple[str, str]]
    """Name and first docstring line of each loaded rule."""
    matched_rules: Sequence[str]
    """Rules whose condition holds now, whether or not they were allowed to fire."""
    unknown: Sequence[Action]
    """Actions of this loop whose effect nobody knows: they were in flight when a process died."""
    must_ask: bool
    """Too many iterations in a row failed: the next decision has to be a question (or blocked)."""
    dry_run: bool
    unjudged_rules: Sequence[tuple[str, str]] = ()
    """Name and reason of each rule of which nobody knows whether its condition holds."""


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """What one model call cost."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    model: str | None = None


class ModelCallLog(Protocol):
    """Where a decider records its model calls: before each and after each."""

    def begin(self, *, purpose: str, provider: str, model: str | None, request: str) -> int:
        """Commit the intent; returns the call's id. Raises Problem(denied) when the cost limit is reached."""
        ...

    def finish(
        self, call_id: int, outcome: CallOutcome, *, usage: ModelUsage, latency: float, response: str = "",
        error: str | None = None,
    ) -> None:  # fmt: skip
        """Commit how it ended."""
        ...


class DeciderFailed(Exception):
    """No decision could be had, after every retry and repair. `message` is one clear sentence beginning "cannot"."""

    def __init__(self, message: str, outcome: CallOutcome = CallOutcome.FAILED) -> None:
        super().__init__(message)
        self.message: str = message
        self.outcome: CallOutcome = outcome


class Decider(Protocol):
    """Decides what to do next. The engine stores the decision before anything is done about it."""

    @property
    def name(self) -> str:
        """`manifest`, `claude`, `rules` ..."""
        ...

    @property
    def is_model(self) -> bool:
        """Whether deciding costs a model call; then a recorded check may spare it."""
        ...

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """What it wants to see in every iteration, beside what the loop observes anyway."""
        ...

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Raises DeciderFailed."""
        ...


# --- people and onlookers ------------------------------------------------------------------------------------------

type Listener = Callable[[Event], None]
"""Called after the commit that wrote the fact, in order. Must not raise and must not block."""


class Prompter(Protocol):
    """How the process that runs a loop reaches a person, if it can."""

    @property
    def name(self) -> str:
        """Who answers here, as it is recorded: the user at the terminal, or `default`."""
        ...

    async def ask(self, prompt: Prompt) -> str | None:
        """The answer as typed or chosen, already validated against the options; None when nobody can be asked here.

        With None the loop waits (state `waiting`) for an answer from elsewhere. Cancelled when that arrives first.
        """
        ...


class StopSignal:
    """Asks a running loop to end: first at the next safe point, then at once. Or wakes one that rests."""

    def __init__(self) -> None:
        self.requested: asyncio.Event = asyncio.Event()
        self.now: asyncio.Event = asyncio.Event()
        self.woken: asyncio.Event = asyncio.Event()
        """Somebody may have asked something of the loop: its row says what."""

    def ask(self) -> None:
        """The first call asks for the next safe point, the second for now."""
        if self.requested.is_set():
            self.now.set()
        self.requested.set()
