"""What the machinery knows of a capability: one value, from which each part of the service takes what concerns it.

A capability brings a noun with its verbs, facts, tables and processes (decision 12). Control, the forkserver, the
logs, retention and the settings iterate over the list that `wiring` builds, and import none of them: everything here
is a plain value or a callable. HACKING.md lists what belongs to a capability, and what else names the first one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor.control.dispatch import Handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.control.manager import Manager
    from ftl2_enterprise.supervisor.control.retention import Retention
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, First
    from ftl2_enterprise.supervisor.readers.messages import Reading
    from ftl2_enterprise.supervisor.readers.pool import Readers
    from ftl2_enterprise.supervisor.subjects import SubjectKind


@dataclass(frozen=True, kw_only=True)
class ControlContext:
    """What control lends to a capability: the parts of it that are made when control starts."""

    settings: Callable[[], Settings]
    """The settings in force now; they change with a reload."""
    store: Store
    """For reading."""
    readers: Readers
    """For files that requests name."""


@dataclass(frozen=True, kw_only=True)
class ChildKind:
    """A kind of child process."""

    run: Callable[[ChildContext], int]
    """What the process does; returns its exit status."""
    first: First | None = None
    """What is called before `run`, while the process has one thread and may still fork; `run` finds the result in its
    context."""
    warm_up: Callable[[Store, Path], None] | None = None
    """Executes once, before anything is forked, what every such child executes first, with an empty database and a
    directory that is removed afterwards. What it loads and caches is shared by all children."""


def _no_handlers(context: ControlContext) -> Handlers:
    return Handlers()


def _none(context: ControlContext) -> Sequence[Any]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One capability. What is left out it does not have."""

    name: str
    """As its folders are called: `NAME/`, `protocol/NAME/`, `wiring/NAME/`."""
    handlers: Handlers = field(default_factory=Handlers)
    """Of its verbs: reads and writes, which need nothing but a transaction, and those of the system."""
    gathers: Callable[[ControlContext], Handlers] = _no_handlers
    """What its verbs need besides the database before they are answered: `prepares` and `gathers`."""
    readings: Sequence[Reading[Any, Any]] = ()
    """What these let readers do."""
    managers: Callable[[ControlContext], Sequence[Manager]] = _none
    """Which compare desired and actual state, one for each kind of child."""
    child_kinds: Mapping[str, ChildKind] = field(default_factory=dict[str, ChildKind])
    """By what precedes the colon in the key of such a child."""
    subjects: Sequence[SubjectKind] = ()
    """The kinds of things that its facts and logs are about."""
    retention: Callable[[ControlContext], Sequence[Retention]] = _none
    """Which rows are removed after a while."""
