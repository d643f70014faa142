"""Facts about a loop as a whole: what was requested of it, what its runs led to, and how its processes ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, override

from msgspec import UNSET, UnsetType

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import ITERATION
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, Mode, Outcome

LOOP = "loop"
"""The kind of subject that a loop is."""


def loop_subject(loop_id: int) -> str:
    """The subject of facts about the loop."""
    # As str(Subject(LOOP, loop_id)), in a third of the time: every unit of work records a fact.
    return f"{LOOP}:{loop_id}"


# --- requests -------------------------------------------------------------------------------------------------------


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
    """A loop continues with other limits; the event has those that were changed."""

    max_iterations: int | UnsetType = UNSET
    """Iterations of a run."""
    interval: float | UnsetType = UNSET
    """Seconds between two runs of a continuous loop."""
    max_ask_delay: int | UnsetType = UNSET
    """Iterations in a row with failures after which a person is asked; 0: never."""
    max_cost: float | UnsetType | None = UNSET
    """US dollars that its model calls may cost; null: any."""
    max_tokens: int | UnsetType | None = UNSET
    """Tokens that its model calls may use; null: any."""
    without_model: bool | UnsetType = UNSET
    """It continues without calling its model: only its recorded check and its rules act."""
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
    """A resting loop was asked to run now, or the freeze that held it has ended."""

    wakes: ClassVar[bool] = True

    next_run_at: Instant
    """When it is due: now, or at its turn after a freeze that ends gradually."""


class LoopUpdated(Fact, frozen=True, tag="loop.updated"):
    """The desired state of a loop was changed: another revision is in force. Nothing begins with the earlier one."""

    wakes: ClassVar[bool] = True

    revision: int
    """The revision in force."""
    was: int
    """The revision that was in force before."""
    restores: int | None = None
    """The earlier revision whose content it has, if it was made by a rollback."""
    reason: str | None = None
    """In the words of the person who made it."""
    state: LoopState | None = None
    """The state of the loop before."""
    state_reason: str | None = None
    """The reason for that state, such as why the loop had failed."""


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


# --- runs -----------------------------------------------------------------------------------------------------------


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


class LoopFrozen(Fact, frozen=True, tag="loop.frozen"):
    """A freeze holds what the loop has to do next, and the loop rests until the freeze ends."""

    freeze: str
    """The id of the freeze."""
    reason: str
    """Who ordered it, since when, and why."""
    next_run_at: Instant
    """When the loop runs at the latest."""


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

    log_names: ClassVar[Mapping[str, str]] = ITERATION
    for_programs: ClassVar[frozenset[str]] = frozenset(ITERATION)

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
    left_out: list[str] = []
    """Steps that a person has left out, and that are not in place."""

    @override
    def log_level(self) -> LogLevel:
        return self.level if self.run == 1 or self.changed else "debug"


class LoopDrifted(Fact, frozen=True, tag="loop.drifted"):
    """Something is no longer in its desired state."""

    log_names: ClassVar[Mapping[str, str]] = ITERATION
    for_programs: ClassVar[frozenset[str]] = frozenset(ITERATION)

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
