"""Facts about the iterations of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, override

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome

ITERATION = {"iteration_id": "iteration"}
"""The name of the iteration in the log."""


class IterationFact(Fact, frozen=True):
    """Something that happened in an iteration."""

    level: ClassVar[LogLevel] = "debug"
    log_names: ClassVar[Mapping[str, str]] = ITERATION
    for_programs: ClassVar[frozenset[str]] = frozenset(ITERATION)

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


class DecidedAction(Wire, frozen=True):
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
    unknown: list[str] = []
    """Those of `unmet` that could not be observed: they are no drift."""


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
    actions: list[DecidedAction] = []
    """The actions to execute."""
    later: int = 0
    """How many of them are left for a later iteration, because they were tried a moment ago or often enough."""
    observe: list[str] = []
    """The names of the observations that the next iteration makes."""
    unmet: list[str] = []
    """Differences from the desired state, one line each."""
    unknown: list[str] = []
    """Those of `unmet` that could not be observed: they are no drift."""


class IterationDelayed(IterationFact, frozen=True, tag="iteration.delayed"):
    """The loop waits after the iteration: then it observes again, and repeats what is still necessary."""

    calls: list[str]
    """Steps, modules and hosts of what it will execute again; empty if it could not observe."""
    seconds: float
    """How long it waits."""
    attempts: int
    """How often the most frequent of them was tried in the run."""
    of: int = 0
    """After so many attempts the run ends; 0 in events of earlier versions."""


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
