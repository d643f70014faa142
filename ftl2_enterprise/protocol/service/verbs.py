"""The verbs of the service itself: health, event log, logs, settings, and start to end."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.verb import Access, EventId, Reference, Request, Watch

# --- replies -------------------------------------------------------------------------------------------------------


class VersionInfo(Wire, frozen=True):
    """The version of the running service."""

    program: str
    protocol: int
    python: str
    schema: str
    """Revision of the database schema."""


class FreezeRecord(Wire, frozen=True):
    """A freeze, with its end if it has one."""

    freeze: Freeze
    name: str | None = None
    """The name of the subject that it covers, if it covers one."""
    ended_at: Instant | None = None
    ended_by: str | None = None
    """Who ended it; empty if its time had ended."""


class ProcessHealth(Wire, frozen=True):
    """One of the supervisor's own processes."""

    name: str
    """root, control, writer, forkserver."""
    pid: int | None
    since: Instant | None
    restarts: int = 0


class Health(Wire, frozen=True):
    """The health of the service; `problems` has a sentence for each problem."""

    ok: bool
    problems: list[str]
    status: str
    """The status line that `systemctl status` shows."""
    processes: list[ProcessHealth]
    counts: dict[str, int]
    """Numbers of what managers count, such as states and what is `queued`, and of children and connections."""
    writer_latency: float | None
    """Duration of the last round trip to the writer and the disk, in seconds."""
    looked_at: Instant | None
    """When the managers last completed a pass."""
    started_at: Instant
    draining: bool
    database: str
    socket: str
    frozen: list[FreezeRecord] = []
    """The freezes in force, oldest first."""
    warnings: list[str] = []
    """What a person should know although the service works, such as files of the site policy that are not read."""


class SettingLine(Wire, frozen=True):
    """One setting in force."""

    key: str
    value: Any
    origin: str
    after_restart: Any = None
    """The value after the next restart of the service, if it differs and takes effect only then."""


class Reloaded(Wire, frozen=True):
    """The result of a reload of the settings."""

    changed: list[str]
    """Keys of the changed settings."""
    need_restart: list[str]
    """Keys of changed settings that take effect only after a restart of the service."""
    policy_changed: bool = False
    """Whether the policy of the site is another one than before."""


class Accepted(Wire, frozen=True):
    """The request was accepted; the event log shows when it is complete."""

    message: str


class EventPage(Wire, frozen=True):
    """Facts in order of their ids. `cursor` is the last id that was examined, the value of `after` to continue."""

    events: list[Event]
    cursor: int


class LogLine(Wire, frozen=True):
    """One line of the log of a subject or of the service."""

    at: Instant
    level: str
    message: str
    source: str
    """`KIND:NAME` of the subject, or the process of the supervisor."""
    fields: dict[str, Any] = {}


class Rendered(Wire, frozen=True):
    """The text of a view."""

    text: str


# --- verbs ---------------------------------------------------------------------------------------------------------


class GetVersion(Request[VersionInfo], frozen=True, tag="system.version"):
    """The version of the running service."""


class GetHealth(Request[Health], frozen=True, tag="system.health"):
    """The health of the service."""


class GetSettings(Request[list[SettingLine]], frozen=True, tag="system.settings"):
    """Every setting with the source of its value."""


class Reload(Request[Reloaded], frozen=True, tag="system.reload"):
    """Reload the settings."""

    access: ClassVar[Access] = Access.ADMINISTER


class Shutdown(Request[Accepted], frozen=True, tag="system.shutdown"):
    """Drain and end the service; its work continues when it is started again."""

    access: ClassVar[Access] = Access.ADMINISTER

    now: bool = False
    """Interrupt the current steps instead of draining."""


class Upgrade(Request[Accepted], frozen=True, tag="system.upgrade"):
    """Replace the service by the program that is installed now, without stopping children."""

    access: ClassVar[Access] = Access.ADMINISTER


class FreezeEffects(Request[FreezeRecord], frozen=True, tag="system.freeze"):
    """From now on no effect of some kind begins, until the freeze is ended."""

    access: ClassVar[Access] = Access.OPERATE

    scope: FreezeScope
    reason: Annotated[str, Meta(max_length=1000)]
    of: Reference = ""
    """What it covers: the subject as of `ListEvents`, the name of a target or of a group, or the kind of effects."""
    until: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    """When it ends without a request, as an instant; null for never."""
    now: bool = False
    """Interrupt effects that have begun already; what they did is unknown then."""


class ThawEffects(Request[list[FreezeRecord]], frozen=True, tag="system.thaw"):
    """End freezes: that with an id, or all that cover exactly this. Those of an administrator need access to
    administer.
    """

    access: ClassVar[Access] = Access.OPERATE

    id: Reference | None = None
    scope: FreezeScope = FreezeScope.ALL
    """Without an id."""
    of: Reference = ""
    gradually: bool = False
    """What was held begins again over the period `supervisor.splay`, not all at once."""


class ListFreezes(Request[list[FreezeRecord]], frozen=True, tag="system.freezes"):
    """The freezes in force, oldest first."""

    ended: bool = False
    """Those that have ended instead, newest first."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ListEvents(Request[EventPage], frozen=True, tag="event.list"):
    """Facts after a cursor; with `newest` the last ones instead."""

    subject: Reference | None = None
    """The subject: `KIND:ID`, `KIND:NAME`, or a name or id that only one kind of subject has."""
    after: EventId = 0
    newest: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class WatchEvents(Watch[Event], frozen=True, tag="event.watch"):
    """Facts as they happen, after a cursor; without one, from now on."""

    subject: Reference | None = None
    """As of `ListEvents`."""
    after: EventId | None = None


class WatchLogs(Watch[LogLine], frozen=True, tag="log.watch"):
    """Lines of the log of a subject or of the service; with `follow`, new lines, too."""

    subject: Reference | None = None
    """As of `ListEvents`."""
    last: Annotated[int, Meta(ge=0, le=10_000)] = 100
    follow: bool = False


class Render(Request[Rendered], frozen=True, tag="system.render"):
    """The text of a view, rendered by the service so that the client does not have to load the renderer.

    Refused for unknown views and for long lists, which the client then reads and renders itself.
    """

    view: Annotated[str, Meta(max_length=50)]
    of: Reference | None = None
    """The name or id to show; it filters views of several entries."""
    every: bool = False
    """Include ended or closed entries."""
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Maximum number of entries; None for the default of the view."""
    json: bool = False
    """JSON instead of text for people."""
    width: Annotated[int, Meta(ge=0, le=9999)] = 0
    """Columns of the terminal; 0 without a terminal that shows symbols."""
    colour: bool = False
    socket: Annotated[str, Meta(max_length=200)] | None = None
    """The value of the client's --socket, which suggested commands repeat."""


VERBS = (
    Render,
    GetVersion,
    GetHealth,
    GetSettings,
    Reload,
    Shutdown,
    Upgrade,
    FreezeEffects,
    ThawEffects,
    ListFreezes,
    ListEvents,
    WatchEvents,
    WatchLogs,
)
