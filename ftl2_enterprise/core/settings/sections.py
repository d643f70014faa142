"""The sections of the settings that every capability shares, and what a section is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.quantities import LARGEST_COST, LONGEST_DURATION
from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

type Refuse = Callable[[str, object, str], None]
"""Refuses a value with the name of the setting in its section, and the reason: it raises Problem."""


def _no_defaults(variables: Mapping[str, str]) -> Mapping[str, Any]:
    del variables
    return {}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the settings. A capability declares its own in `wiring/NAME/settings.py`."""

    name: str
    model: type[Strict]
    """A field for each setting, with its type and default."""
    paths: frozenset[str] = frozenset()
    """Names of settings that are paths: a relative one is relative to the file in which it is written."""
    defaults: Callable[[Mapping[str, str]], Mapping[str, Any]] = _no_defaults
    """Defaults by name that depend on the user, from the environment: never on the working directory."""
    of_database: Callable[[Mapping[str, str], str], Mapping[str, Any]] = lambda variables, path: {}
    """Defaults by name, in place of those, of a service whose database is not the default one."""
    check: Callable[[Any, Refuse], None] | None = None
    """What types cannot express. Called with the section and what refuses a value."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Old whole keys, `store.keep_looks`, of settings that are in this section under a new name now."""


type Count = Annotated[int, Meta(ge=1, le=2**63 - 1)]
type Seconds = Annotated[float, Meta(gt=0, le=LONGEST_DURATION)]
type Pause = Annotated[float, Meta(ge=0, le=LONGEST_DURATION)]
type Days = Annotated[float, Meta(ge=0, le=36_500)]
type Share = Annotated[float, Meta(ge=0, le=1)]
type Dollars = Annotated[float, Meta(ge=0, le=LARGEST_COST)]


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class StoreSettings(Strict, frozen=True, kw_only=True):
    """Where the database is."""

    path: str = ""


class SupervisorSettings(Strict, frozen=True, kw_only=True):
    """How the service runs its processes."""

    socket: str = ""
    """Where `ftl2ctl` connects."""
    max_running: Count = 200
    """Children at a time, of all managers together; others wait for a place."""
    rest: Pause = 5.0
    """Seconds. A child that has nothing to do for longer ends until then."""
    drain_timeout: Seconds = 60.0
    """How long children may take to reach their next safe point when the service stops."""
    splay: Pause = 10.0
    """After a start of the service, children are started over a period of at most this length."""
    heartbeat: Seconds = 10.0
    """How often a process sends a heartbeat."""
    hung_after: Seconds = 60.0
    """A process that is silent for this long is killed."""
    restart_delay: Seconds = 0.5
    """Before the second restart in a row; the first one is at once, later delays double."""
    restart_cap: Seconds = 60.0
    """What the delay ends at."""
    healthy_after: Seconds = 10.0
    """A process that ran this long was healthy: its crash is the first one again."""
    restart_limit: Count = 10
    """What crashes more often than this within `restart_period` has failed."""
    restart_period: Seconds = 600.0
    max_connections: Count = 256
    """Clients at a time."""


class AccessSettings(Strict, frozen=True, kw_only=True):
    """Who may do what over the socket: names or ids of users, and of groups after a `%`.

    Root and the user of the service may always do everything.
    """

    view: tuple[str, ...] = ("%ftl2",)
    operate: tuple[str, ...] = ("%ftl2",)
    administer: tuple[str, ...] = ()


class LimitSettings(Strict, frozen=True, kw_only=True):
    """What the cgroup of each child may use; empty for no limit. Needs a delegated cgroup (`Delegate=`)."""

    memory: str = ""
    """Bytes, or with K, M, G."""
    cpu: str = ""
    """Percent of one processor, such as 50%."""
    pids: Count | None = None


class LogSettings(Strict, frozen=True, kw_only=True):
    """What is logged, and where the service keeps the logs of subjects."""

    level: Level = Level.INFO
    directory: str = ""
    """Where the logs of subjects are."""
    max_bytes: Count = 10_000_000
    """Of one log file; a full one is kept once, as FILE.1."""


SHARED = (
    Section(
        name="store",
        model=StoreSettings,
        paths=frozenset({"path"}),
        defaults=lambda variables: {"path": f"{paths.state_dir(variables)}/loops.db"},
    ),
    Section(
        name="supervisor",
        model=SupervisorSettings,
        paths=frozenset({"socket"}),
        defaults=lambda variables: {"socket": paths.socket_path(variables)},
    ),
    Section(name="access", model=AccessSettings),
    Section(name="limits", model=LimitSettings),
    Section(
        name="log",
        model=LogSettings,
        paths=frozenset({"directory"}),
        defaults=lambda variables: {"directory": paths.log_dir(variables)},
        of_database=lambda variables, path: {"directory": paths.log_dir(variables, path)},
    ),
)
