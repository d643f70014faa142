"""What the engine needs from outside. Adapters implement these; the engine imports none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.value import Value
from ftl2_enterprise.gate.budgets import Amount, Breach, Limit
from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.protocol.loops.answers import BY_DEFAULT
from ftl2_enterprise.protocol.loops.nouns import Action, CallOutcome, Prompt

if TYPE_CHECKING:
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.gate.effects import HostIdentity
    from ftl2_enterprise.gate.permits import Permit
    from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec, StateOp
    from ftl2_enterprise.protocol.loops.hosts import Host, Resource

# --- modules: touching hosts ---------------------------------------------------------------------------------------


RESOLVE_PATHS = "resolve_paths"
"""The module of this program that returns where `paths` lead on a host, as `resolved`. It only reads."""


def _always() -> bool:
    return True


class ModuleCall(Value, frozen=True, kw_only=True):
    """One module call on one host (never a group: the engine has expanded it)."""

    module: str
    params: Mapping[str, Any]
    """With bound secrets."""
    host: str
    timeout: float
    """Seconds after which the call and everything that it started is killed."""
    permit: Permit
    """The leave of the gate for exactly this call."""
    fence: Fence = Fence.NONE
    injected: frozenset[str] = frozenset()
    """Names of the parameters whose values are bound secrets."""
    compare: bool = False
    """In check mode, the result has both sides of what would change in full, as far as they may be shown."""
    is_still_allowed: Callable[[], bool] = _always
    """Asked immediately before the call is sent, which may be long after the permit was given."""


class ModuleResult(Value, frozen=True, kw_only=True):
    """The result of one call. `success` is reported by the module, and is False whenever rc is not 0."""

    success: bool
    changed: bool = False
    rc: int | None = None
    stdout: str = ""
    stderr: str = ""
    output: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """The module's complete result without stdout and stderr; values that JSON cannot represent are already text."""
    error: str | None = None
    """One line for people when not successful: error, or stderr, or msg, or the rc."""
    timed_out: bool = False
    truncated: bool = False
    """Output beyond the capture limit was dropped; the text ends with a note about it."""
    held: bool = False
    """The gate no longer allowed the call when it was about to be sent, so nothing was sent."""
    denied: bool = False
    """It was held because policy or a setting denies it, or requires an approval that it does not have."""
    frozen: Freeze | None = None
    """The freeze because of which it is held, or was interrupted."""
    lost: bool = False
    """The supervising process or the connection to the host ended before the call did: its effect is unknown."""
    fenced: bool = False
    """The call ran in the read-only sandbox of its host."""
    cannot_fence: str | None = None
    """Why the host cannot build the sandbox, in one sentence. The call was not made, and `success` is False."""


class Modules(Protocol):
    """Runs modules on the hosts of one inventory. Nothing here knows policy, dry run or the database.

    A call has a permit, which was made for exactly this call; any other call is refused.
    """

    def expand(self, target: str) -> list[str]:
        """Names of the hosts that a host or group name stands for, in inventory order, without repeats.

        Raises Problem(not_found) with the nearest name for an unknown target and Problem(invalid) for an empty group.
        """
        ...

    def hosts(self) -> list[HostEntry]:
        """Every host of the inventory."""
        ...

    def identity(self, host: str) -> HostIdentity:
        """Which host that is, whatever it is called. Unknown names are a host of that name alone."""
        ...

    def identity_of(self, entry: HostEntry) -> HostIdentity:
        """Which host an entry would be if it were registered."""
        ...

    def privilege(self, host: str) -> str:
        """The user that modules run as there, if it is another one than that of the connection; else empty."""
        ...

    def refuse(self, module: str, host: str) -> str | None:
        """Why the module cannot be used on that host (unknown, does nothing, is excluded), or None. One sentence."""
        ...

    def source_digest(self, module: str, params: Mapping[str, Any]) -> str:
        """A digest of the file of this machine whose content the call would write; empty without a readable one."""
        ...

    def add_host(self, entry: HostEntry) -> None:
        """Register a host in the live inventory, or replace one that was registered.

        Raises Problem(conflict) for a host that the inventory lists, unless nothing about it would change.
        """
        ...

    def remove_host(self, name: str) -> None:
        """Unregister a host; unknown names are fine. Raises Problem(conflict) for a host that the inventory lists."""
        ...

    async def run(self, call: ModuleCall) -> ModuleResult:
        """Run the call. A failing module, host or connection raises nothing: the result reports it.

        Raises NotPermitted if the call differs from what its permit was made for.

        Cancelling the coroutine kills the whole process tree of the call before it returns.
        """
        ...

    async def close(self) -> None:
        """Close connections and cancel running calls."""
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


UNATTENDED = "unattended"
"""What a prompter returns about an approval if it never asks a person: the request expires at once."""


@dataclass(frozen=True, kw_only=True)
class PromptAnswer:
    """A closed question of this loop and its answer."""

    key: str
    question: str
    answer: str | None
    """None when the question expired or was dismissed without an answer, and it has no default."""
    answered_by: str | None
    is_current: bool = True
    """Whether every step is as it was in the revision that it was asked about."""

    @property
    def is_default(self) -> bool:
        """Whether the default was used because no person answered."""
        return (self.answered_by or "").partition(", ")[0] == BY_DEFAULT


class ObservationResult(Value, frozen=True, kw_only=True):
    """The result of one observation, as deciders receive it."""

    name: str
    host: str
    success: bool
    result: Mapping[str, Any]
    """The module's complete result with stdout, stderr and rc, never truncated."""
    error: str | None = None
    module: str = ""


class PastIteration(Value, frozen=True, kw_only=True):
    """One earlier iteration of the same run, oldest first."""

    n: int
    reasoning: str
    outcome: str
    actions: Sequence[Action] = ()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that a decision may depend on. A decider is a function of this alone."""

    loop_id: int
    desired_state: str
    iteration: int
    """Number within the run, from 1."""
    max_iterations: int
    seen: Sequence[ObservationResult]
    check_unmet: Sequence[str] = ()
    """The expectations of the recorded check that are not satisfied."""
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
    """Actions of this loop whose effect is unknown, because a process died while they ran."""
    must_ask: bool
    """Too many iterations in a row failed: the next decision has to be a question (or blocked)."""
    dry_run: bool
    unjudged_rules: Sequence[tuple[str, str]] = ()
    """Name and error of each rule whose condition could not be evaluated."""
    disabled_rules: Sequence[str] = ()
    """Names of the rules that a person has disabled."""


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """The usage that one model call reports; a cost is in US dollars."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    model: str | None = None


class ModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of all model calls of the service; those of one loop are in its specification."""

    daily: Limit = Limit()
    """What all calls of a day (UTC) may cost and use."""
    parallel: int | None = None
    """Calls of a provider at the same time."""
    rate: int | None = None
    """Calls of a provider that begin within a minute."""
    breaker_failures: int = 5
    """Failures of a provider in a row that open its circuit breaker."""
    breaker_pause: float = 30.0
    """Seconds for which the breaker is open at first; each probe that fails doubles it."""
    breaker_cap: float = 600.0
    """Seconds that this grows to at most."""


NO_LIMITS = ModelLimits()


@dataclass(frozen=True, kw_only=True)
class ProviderHealth:
    """What a call that has ended shows about its provider."""

    failed: bool = False
    """The provider was unavailable: it did not answer, or it was overloaded."""
    retry_after: float | None = None
    """Seconds for which the provider asks not to be called."""


NO_NEWS = ProviderHealth()


class PermittedCall(NamedTuple):
    """A model call that has been recorded and may begin."""

    id: int
    permit: Permit


class ModelCallLog(Protocol):
    """Where a decider records its model calls, before and after each."""

    async def begin(
        self, *, purpose: str, provider: str, model: str | None, request: str, digest: str, bound: Amount
    ) -> PermittedCall:
        """Wait until the call may begin, then reserve its upper bound and commit the intent.

        `request` is the text that is stored, `digest` that of everything that is sent. Raises BudgetReached when a
        budget has no room for the call, and CallDenied when policy denies it.
        """
        ...

    def finish(
        self, call_id: int, outcome: CallOutcome, *, usage: ModelUsage, latency: float, response: str = "",
        error: str | None = None, health: ProviderHealth = ProviderHealth(),
    ) -> None:  # fmt: skip
        """Commit the outcome, usage and response; `latency` is in seconds."""
        ...


class DeciderFailed(Exception):
    """The decider made no decision, after every retry and repair.

    `message` is one sentence that begins with "cannot".
    """

    def __init__(self, message: str, outcome: CallOutcome = CallOutcome.FAILED) -> None:
        super().__init__(message)
        self.message: str = message
        self.outcome: CallOutcome = outcome


class BudgetReached(DeciderFailed):
    """A call of the model would exceed a budget; a person has to decide how to continue."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.sentence("call the model"), CallOutcome.REFUSED)
        self.breach: Breach = breach


class CallDenied(DeciderFailed):
    """Policy denies the call of the model."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"cannot call the model {provider}: {reason}", CallOutcome.REFUSED)


class StoppedWaiting(Exception):
    """A stop was requested, or the observations became too old, while the decider waited to call its model."""


class Decider(Protocol):
    """Decides what to do next. The engine stores the decision before it executes any part of it."""

    @property
    def name(self) -> str:
        """The name that is stored as `decided_by`: `manifest`, `claude`, `rules` and others."""
        ...

    @property
    def is_model(self) -> bool:
        """Whether a decision costs a model call, which a recorded check can avoid."""
        ...

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """What it needs observed in every iteration, in addition to the observers of the loop."""
        ...

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Decide, and record every model call in `calls`. Raises DeciderFailed."""
        ...


# --- rules: code of people, executed in a process that has no rights ------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RuleSource:
    """The content of a rule file."""

    name: str
    """The name of the file without its ending."""
    path: str
    digest: str
    """SHA-256 of the file, in hexadecimal."""
    source: bytes


@dataclass(frozen=True, kw_only=True)
class RuleDeclaration:
    """What a rule file declares."""

    description: str
    """First line of the docstring."""
    observe: tuple[ObservationSpec, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BrokenRuleFile:
    """Why a file is not a valid rule."""

    error: str
    is_certain: bool = True
    """Whether the content is the reason, so that it would be the same at the next time."""


@dataclass(frozen=True, kw_only=True)
class RuleJudgement:
    """Whether a rule's condition holds, or why it could not be evaluated."""

    matched: bool = False
    error: str | None = None


class RuleEffects(Protocol):
    """What the action of a rule may ask for, while it runs."""

    async def perform(
        self, module: str, params: dict[str, Any], host: str | None
    ) -> Sequence[tuple[str, ModuleResult]]:
        """Run a module on a host or group; the engine applies policy, records the calls and returns a result per
        host.
        """
        ...

    def change(self, op: StateOp) -> None:
        """Apply a state operation immediately."""
        ...


class CannotRunRules(Exception):
    """Rules cannot be executed here at all; the message is one sentence that begins with "cannot"."""


class RuleRunner(Protocol):
    """Executes the code of rules in another process, which can only ask for effects.

    A rule that ends that process, or does not return, is reported as an error; the next use starts another process.
    """

    async def load(self, file: RuleSource) -> RuleDeclaration | BrokenRuleFile:
        """Execute the file, once for each content, and return what it declares. Raises CannotRunRules."""
        ...

    async def evaluate(self, file: RuleSource, state: Mapping[str, Any], limit: float) -> RuleJudgement:
        """Evaluate the condition of a loaded rule, in `limit` seconds. Raises nothing but CancelledError."""
        ...

    async def act(
        self, file: RuleSource, state: Mapping[str, Any], targets: Sequence[str], effects: RuleEffects
    ) -> str:
        """Run the action of a loaded rule; returns its error, or an empty text.

        `state` has the known hosts and resources, `targets` the names of hosts and groups that it can call. Calls are
        made one at a time. None is running when this returns. Raises what `effects` raises, and CancelledError.
        """
        ...

    async def close(self) -> None:
        """End the process."""
        ...


# --- people and listeners ------------------------------------------------------------------------------------------

type Listener = Callable[[Event], None]
"""Called after the commit that wrote the fact, in order. Must not raise and must not block."""


class Prompter(Protocol):
    """How the process that runs a loop asks a person, if it can."""

    @property
    def name(self) -> str:
        """The name that is recorded as `answered_by`: the user at the terminal, or `default`."""
        ...

    async def ask(self, prompt: Prompt) -> str | None:
        """The answer, already validated against the options; None when no person can be asked here.

        With None the loop waits (state `waiting`) for an answer through another process. Cancelled when one arrives.
        """
        ...


class StopSignal:
    """Asks a running loop to end, first at the next safe point, then immediately; or wakes a resting one."""

    def __init__(self) -> None:
        self.requested: asyncio.Event = asyncio.Event()
        self.now: asyncio.Event = asyncio.Event()
        self.woken: asyncio.Event = asyncio.Event()
        """Set when another process may have changed the loop's row, which has to be read again."""

    def ask(self) -> None:
        """Request a stop: the first call at the next safe point, the second immediately."""
        if self.requested.is_set():
            self.now.set()
        self.requested.set()
