"""The facts of loops: what is recorded about them in the event log.

The subject of each is its loop, except for rules being enabled or disabled, which concerns every loop.
"""

from __future__ import annotations

from typing import ClassVar, override

from msgspec import UNSET, UnsetType

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.fact import Fact, LogLevel, declare
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, Desired, IterationOutcome, LoopState, Mode, Outcome

LOOP = "loop"
"""The kind of subject that a loop is."""


def loop_subject(loop_id: int) -> str:
    """The subject of facts about the loop."""
    # As str(Subject(LOOP, loop_id)), in a third of the time: every unit of work records a fact.
    return f"{LOOP}:{loop_id}"


# --- loops: requests -----------------------------------------------------------------------------------------------


class LoopCreated(Fact, frozen=True, tag="loop.created"):
    """A loop was submitted, or begun in the foreground."""

    wakes: ClassVar[bool] = True

    name: str
    """Its name."""
    mode: Mode
    """How often it runs."""
    decider: str
    """What decides for it: `manifest`, `rules`, a model."""
    dry_run: bool
    """It previews its actions and changes nothing."""


class LoopLimitsChanged(Fact, frozen=True, tag="loop.limits_changed"):
    """A loop that is resumed continues with other limits; the event has those that were given."""

    max_iterations: int | UnsetType = UNSET
    """Iterations of a run."""
    interval: float | UnsetType = UNSET
    """Seconds between two runs of a continuous loop."""
    max_ask_delay: int | UnsetType = UNSET
    """Iterations in a row with failures after which a person is asked; 0: never."""
    max_cost: float | UnsetType | None = UNSET
    """US dollars that its model calls may cost; null: any."""
    action_timeout: float | UnsetType = UNSET
    """Seconds that an action may take."""


class LoopDesired(Fact, frozen=True, tag="loop.desired"):
    """A user requested that the loop run, pause, stop or be cancelled. Applied at the next safe point."""

    wakes: ClassVar[bool] = True

    desired: Desired
    """The request."""


class LoopHurried(Fact, frozen=True, tag="loop.hurried"):
    """A loop that is being cancelled must not finish its current step. Holds until the loop has ended."""

    wakes: ClassVar[bool] = True


class LoopDue(Fact, frozen=True, tag="loop.due"):
    """A resting loop was asked to run now."""

    wakes: ClassVar[bool] = True

    next_run_at: Instant
    """When it is due, which is now."""


class LoopRetried(Fact, frozen=True, tag="loop.retried"):
    """A loop that had failed or was blocked is pending again."""

    wakes: ClassVar[bool] = True

    was: LoopState
    """The state that it was in: `failed` or `blocked`."""


class LoopDeleted(Fact, frozen=True, tag="loop.deleted"):
    """The loop was deleted with its history; its events stay."""

    is_final: ClassVar[bool] = True

    name: str
    """The name that it had."""
    state: LoopState
    """The state that it was in."""


# --- loops: what they do -------------------------------------------------------------------------------------------


class LoopStarted(Fact, frozen=True, tag="loop.started"):
    """A process began a run of the loop, or continues the run that was interrupted."""

    run: int
    """Number of the run, from 1."""
    resumed: bool
    """The run was interrupted before."""
    max_iterations: int
    """The budget of the run."""

    @override
    def log_level(self) -> LogLevel:
        return self.level if self.run == 1 or self.resumed else "debug"


class LoopAsked(Fact, frozen=True, tag="loop.asked"):
    """The loop waits for the answer to a prompt."""

    prompt_id: int
    """The prompt."""


class LoopAnswered(Fact, frozen=True, tag="loop.answered"):
    """The prompt that the loop waited for is settled, and the loop runs."""

    prompt_id: int
    """The prompt."""


class LoopRested(Fact, frozen=True, tag="loop.rested"):
    """A run of a continuous loop ended, and the loop rests until the next one."""

    level: ClassVar[LogLevel] = "debug"

    outcome: Outcome
    """How the run ended."""
    next_run_at: Instant
    """When the next run is due."""
    delay: float
    """Seconds until then."""
    failures: int
    """Consecutive runs, this one included, that did not reach the desired state; 0 after one that did."""
    reason: str | None = None
    """Why the run did not reach the desired state; null if it did."""

    @override
    def log_level(self) -> LogLevel:
        return "warning" if self.failures else self.level


class LoopStopped(Fact, frozen=True):
    """A loop stopped: it has ended, or does nothing until it is resumed or retried."""

    outcome: Outcome | None
    """How its last run ended; null when the run can be continued."""
    reason: str | None
    """Why it stopped."""


class LoopPaused(LoopStopped, frozen=True, tag="loop.paused"):
    """The loop does nothing until it is resumed."""


class LoopBlocked(LoopStopped, frozen=True, tag="loop.blocked"):
    """The loop cannot continue until a user removes the obstacle and retries it."""

    level: ClassVar[LogLevel] = "warning"


class LoopCompleted(LoopStopped, frozen=True, tag="loop.completed"):
    """The loop ended after it had reached its desired state."""


class LoopFailed(LoopStopped, frozen=True, tag="loop.failed"):
    """The loop ended without reaching its desired state. It can be retried."""

    level: ClassVar[LogLevel] = "warning"


class LoopCancelled(LoopStopped, frozen=True, tag="loop.cancelled"):
    """The loop was ended on request."""


type EndOfRun = LoopRested | LoopBlocked | LoopCompleted | LoopFailed | LoopCancelled
"""The facts that record the end of a run that was not interrupted."""


class LoopConverged(Fact, frozen=True, tag="loop.converged"):
    """A run verified that the desired state is reached."""

    iteration_id: int
    """The iteration that verified it."""
    run: int
    """Number of the run, from 1."""
    iterations: int
    """Iterations of the run so far."""
    changed: int
    """Actions of the run that changed something."""
    by: str
    """What found it: `check`, `rules`, or the name of the decider."""

    @override
    def log_level(self) -> LogLevel:
        return self.level if self.run == 1 or self.changed else "debug"


class LoopDrifted(Fact, frozen=True, tag="loop.drifted"):
    """Something is no longer in its desired state."""

    iteration_id: int
    """The iteration that found it."""
    unmet: list[str]
    """Differences from the desired state, one line each."""


class LoopProcessStopped(Fact, frozen=True):
    """How a process of the loop ended, if it did not end regularly."""

    why: Why
    """Why it ended."""
    status: int | None
    """Exit status, when it exited."""
    signal: int | None
    """Number of the signal that killed it."""
    pid: int | None
    """The process."""
    started_at: Instant | None
    """When the process was started; with the pid it identifies the process."""
    told: str
    """What happened, as a sentence."""
    crashes: int | None = None
    """Crashes in the current period; null if the loop should not run anyway."""
    restart_at: Instant | None = None
    """When a new process is started; null when immediately or not at all."""


class LoopCrashed(LoopProcessStopped, frozen=True, tag="loop.crashed"):
    """The process of the loop ended unexpectedly. It counts as a crash of the loop."""

    level: ClassVar[LogLevel] = "warning"


class LoopProcessEnded(LoopProcessStopped, frozen=True, tag="loop.process_ended"):
    """The process of the loop was killed because it did not end in time. It does not count as a crash of the loop."""


# --- iterations ----------------------------------------------------------------------------------------------------


class IterationFact(Fact, frozen=True):
    """Something that happened in an iteration."""

    level: ClassVar[LogLevel] = "debug"

    iteration_id: int
    """The iteration."""


class FailedObservation(Wire, frozen=True):
    """An observation that failed, in a fact."""

    name: str
    """Its name."""
    host: str
    """Where it was made."""
    error: str | None = None
    """Why it failed."""


class WantedAction(Wire, frozen=True):
    """An action that was decided on, in a fact."""

    module: str
    """What it calls."""
    host: str | None = None
    """A host or a group; null: the machine that the loop runs on."""
    reason: str | None = None
    """Why it was decided on."""


class IterationStarted(IterationFact, frozen=True, tag="iteration.started"):
    """An iteration began: the loop observes."""

    n: int
    """Number within the loop, from 1."""
    run: int
    """Number of the run, from 1."""
    in_run: int
    """Number within the run, from 1."""
    of: int
    """The budget of the run."""


class IterationObserved(IterationFact, frozen=True, tag="iteration.observed"):
    """Every observation of the iteration was made."""

    names: list[str]
    """The names of the observations."""
    failed: list[FailedObservation] = []
    """Those that failed."""
    denied: list[str] = []
    """The names of those that policy denies."""


class IterationChecked(IterationFact, frozen=True, tag="iteration.checked"):
    """The recorded check was applied to what was observed."""

    held: bool
    """All expectations of the check are satisfied."""
    unmet: list[str] = []
    """The unsatisfied expectations, one line each."""


class IterationDecided(IterationFact, frozen=True, tag="iteration.decided"):
    """A decision was made, and none of its actions has started."""

    by: str
    """Who decided: the name of the decider, `check`, or `rule:` and the name of the rule."""
    reasoning: str = ""
    """Why, for people."""
    converged: bool = False
    """The desired state is reached."""
    blocked: str | None = None
    """Why it cannot be reached."""
    question: str | None = None
    """The question to a person."""
    actions: list[WantedAction] = []
    """The actions to execute."""
    observe: list[str] = []
    """The names of the observations that the next iteration makes."""
    unmet: list[str] = []
    """Differences from the desired state, one line each."""


class IterationEnded(IterationFact, frozen=True, tag="iteration.ended"):
    """The iteration ended."""

    n: int
    """Number within the loop, from 1."""
    outcome: IterationOutcome
    """How it ended."""
    error: str | None = None
    """What went wrong."""
    changed: int = 0
    """Actions that changed something."""
    failed: int = 0
    """Actions that failed."""

    @override
    def log_level(self) -> LogLevel:
        return "warning" if self.error else self.level


# --- rules ---------------------------------------------------------------------------------------------------------


class RuleEnabled(Fact, frozen=True, tag="rule.enabled"):
    """A rule that was disabled may fire again, in every loop."""

    level: ClassVar[LogLevel] = "debug"

    rule: str
    """Its name."""


class RuleDisabled(Fact, frozen=True, tag="rule.disabled"):
    """A rule does not fire in any loop until it is enabled again."""

    level: ClassVar[LogLevel] = "debug"

    rule: str
    """Its name."""


class RuleMatched(IterationFact, frozen=True, tag="rule.matched"):
    """The condition of a rule holds, and its action begins."""

    rule: str
    """Its name."""


class RuleFired(IterationFact, frozen=True, tag="rule.fired"):
    """The action of a rule ended."""

    rule: str
    """Its name."""
    success: bool
    """It succeeded."""
    detail: str = ""
    """What it did, or why it failed."""


class RuleBroken(IterationFact, frozen=True, tag="rule.broken"):
    """A rule cannot be loaded, or its condition cannot be evaluated."""

    level: ClassVar[LogLevel] = "warning"

    rule: str
    """Its name."""
    error: str
    """Why."""


# --- models --------------------------------------------------------------------------------------------------------


class ModelAsked(IterationFact, frozen=True, tag="model.asked"):
    """A call of a model began."""

    call_id: int
    """The call."""
    purpose: str
    """Purpose of the call: `decide` or `repair`."""
    provider: str
    """The provider of the model."""
    model: str | None = None
    """The requested model; null: the provider's default."""


class ModelAnswered(IterationFact, frozen=True, tag="model.answered"):
    """A call of a model ended."""

    call_id: int
    """The call."""
    outcome: CallOutcome
    """How it ended."""
    latency: float | None = None
    """Seconds that it took."""
    input_tokens: int | None = None
    """Tokens that were sent."""
    output_tokens: int | None = None
    """Tokens of the answer."""
    cost_usd: float | None = None
    """US dollars that it cost."""
    error: str | None = None
    """Why it failed."""

    @override
    def log_level(self) -> LogLevel:
        return "warning" if self.error else self.level


# --- actions -------------------------------------------------------------------------------------------------------


class ActionFact(Fact, frozen=True):
    """Something that happened to an action."""

    iteration_id: int
    """The iteration that the action belongs to."""
    action_id: int
    """The action."""
    n: int
    """Number of the action within the iteration, from 1."""
    module: str
    """What it calls."""
    host: str
    """Where."""


class ActionStarted(ActionFact, frozen=True, tag="action.started"):
    """An action begins now."""

    level: ClassVar[LogLevel] = "debug"

    of: int
    """How many actions there are in the iteration."""
    target: str
    """The host or the group that was decided on."""
    origin: str
    """Its origin: `decision`, or `rule:` and the name of the rule."""
    summary: str
    """What it does, in one line without secrets."""


class ActionSucceeded(ActionFact, frozen=True, tag="action.succeeded"):
    """An action ended without an error."""

    changed: bool
    """It changed something."""
    seconds: float
    """How long it took."""


class ActionFailed(ActionFact, frozen=True, tag="action.failed"):
    """An action ended with an error, or could not be attempted."""

    level: ClassVar[LogLevel] = "warning"

    error: str | None
    """What went wrong."""
    seconds: float
    """How long it took."""
    rc: int | None = None
    """Exit status, of a module that runs a command."""
    of: int | None = None
    """How many actions there are in the iteration, if this one could not be attempted."""


class ActionPreviewed(ActionFact, frozen=True, tag="action.previewed"):
    """An action was decided on in a dry run, which does not execute it."""

    level: ClassVar[LogLevel] = "debug"

    of: int
    """How many actions there are in the iteration."""
    summary: str
    """What it would do, in one line without secrets."""


class ActionDenied(ActionFact, frozen=True, tag="action.denied"):
    """Policy denies the action."""

    reason: str | None
    """Why."""
    of: int | None = None
    """How many actions there are in the iteration, when this one was denied with the decision."""


class ActionSkipped(ActionFact, frozen=True, tag="action.skipped"):
    """An action was not started, because of an event before its turn."""

    level: ClassVar[LogLevel] = "debug"

    reason: str | None
    """Why."""


class ActionLost(ActionFact, frozen=True, tag="action.lost"):
    """The process of the loop ended during the action: its effect is unknown."""

    level: ClassVar[LogLevel] = "warning"

    reason: str | None
    """The known reason."""


# --- prompts -------------------------------------------------------------------------------------------------------


class PromptFact(Fact, frozen=True):
    """Something that happened to a prompt."""

    iteration_id: int
    """The iteration that asks."""
    prompt_id: int
    """The prompt."""


class PromptAsked(PromptFact, frozen=True, tag="prompt.asked"):
    """A question was put to people."""

    question: str
    """The question."""
    options: list[str] = []
    """The accepted answers; empty: any text."""
    default: str | None = None
    """The answer if the deadline passes; null: none."""
    context: str | None = None
    """Why it is asked."""
    deadline_at: Instant | None = None
    """When the prompt expires; null: never."""


class PromptAnswered(PromptFact, frozen=True, tag="prompt.answered"):
    """A prompt was answered."""

    wakes: ClassVar[bool] = True

    answer: str
    """The answer."""
    answered_by: str | None = None
    """A person; or `default` after the deadline; or `default, dismissed by` and a person."""


class PromptExpired(PromptFact, frozen=True, tag="prompt.expired"):
    """The deadline of a prompt without a default passed; nothing counts as its answer."""

    level: ClassVar[LogLevel] = "warning"


class PromptDismissed(PromptFact, frozen=True, tag="prompt.dismissed"):
    """A prompt without a default was dismissed; nothing counts as its answer."""

    wakes: ClassVar[bool] = True


# --- registered state ----------------------------------------------------------------------------------------------


class StateChanged(IterationFact, frozen=True, tag="state.changed"):
    """The loop registered, changed or removed a host or resource."""

    op: str
    """`add_host`, `add_resource` or `remove`."""
    name: str
    """Name of the host or resource."""


class StateRefused(IterationFact, frozen=True, tag="state.refused"):
    """A state operation on hosts or resources was invalid and was not applied."""

    level: ClassVar[LogLevel] = "warning"

    reason: str
    """Why."""


TITLE = "Loops"
"""Title of the section in the reference."""

FACTS = declare(
    LoopCreated,
    LoopLimitsChanged,
    LoopDesired,
    LoopHurried,
    LoopDue,
    LoopRetried,
    LoopStarted,
    LoopAsked,
    LoopAnswered,
    LoopRested,
    LoopPaused,
    LoopBlocked,
    LoopCompleted,
    LoopFailed,
    LoopCancelled,
    LoopConverged,
    LoopDrifted,
    LoopCrashed,
    LoopProcessEnded,
    LoopDeleted,
    IterationStarted,
    IterationObserved,
    IterationChecked,
    IterationDecided,
    IterationEnded,
    ActionStarted,
    ActionSucceeded,
    ActionFailed,
    ActionPreviewed,
    ActionDenied,
    ActionSkipped,
    ActionLost,
    PromptAsked,
    PromptAnswered,
    PromptExpired,
    PromptDismissed,
    RuleEnabled,
    RuleDisabled,
    RuleMatched,
    RuleFired,
    RuleBroken,
    ModelAsked,
    ModelAnswered,
    StateChanged,
    StateRefused,
)
"""Every fact of loops, in the order of the reference."""
