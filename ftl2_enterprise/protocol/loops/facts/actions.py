"""Facts about the actions of an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import ITERATION


class ActionFact(Fact, frozen=True):
    """Something that happened to an action."""

    log_names: ClassVar[Mapping[str, str]] = {**ITERATION, "action_id": "action"}
    for_programs: ClassVar[frozenset[str]] = frozenset(ITERATION)

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
    asks: str | None = None
    """Why people would have to approve it, if so."""
    diff: str = ""
    """What it would change on the host, if that was compared; a long text is cut, and the action has all of it."""


class ActionDenied(ActionFact, frozen=True, tag="action.denied"):
    """Policy denies the action, or people did not approve it."""

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
