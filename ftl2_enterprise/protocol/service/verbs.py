"""The verbs of the service itself: its health, its event log, its logs, its settings, its life."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.verb import Access, Request, Watch

# --- replies -------------------------------------------------------------------------------------------------------


class VersionInfo(Wire, frozen=True):
    """What runs."""

    program: str
    protocol: int
    python: str
    schema: str
    """Revision of the database."""


class ProcessHealth(Wire, frozen=True):
    """One of the supervisor's own processes."""

    name: str
    """root, control, writer, forkserver."""
    pid: int | None
    since: Instant | None
    restarts: int = 0


class Health(Wire, frozen=True):
    """Whether the service does what it is for; `problems` says what is wrong, in sentences."""

    ok: bool
    problems: list[str]
    status: str
    """The status line, as systemctl shows it."""
    processes: list[ProcessHealth]
    counts: dict[str, int]
    """Loops by state, those that wait for a place as `queued`; children, connections."""
    writer_latency: float | None
    """Seconds that the last look at the writer took, disk included."""
    looked_at: Instant | None
    """When the managers last looked at everything."""
    started_at: Instant
    draining: bool
    database: str
    socket: str


class SettingLine(Wire, frozen=True):
    """One setting in force."""

    key: str
    value: Any
    origin: str
    after_restart: Any = None
    """What it will be then, when somebody has changed what counts only from a restart of the service on."""


class Reloaded(Wire, frozen=True):
    """Settings were read again."""

    changed: list[str]
    """Keys whose values are others now."""
    need_restart: list[str]
    """Those of them that count only after a restart of the service."""


class Accepted(Wire, frozen=True):
    """It will be done; the event log says when it is."""

    message: str


class EventPage(Wire, frozen=True):
    """Facts in order of their ids. `cursor` is the last id that was looked at: give it as `after`."""

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
    """What runs."""


class GetHealth(Request[Health], frozen=True, tag="system.health"):
    """How the service is."""


class GetSettings(Request[list[SettingLine]], frozen=True, tag="system.settings"):
    """Every setting and where its value came from."""


class Reload(Request[Reloaded], frozen=True, tag="system.reload"):
    """Read the settings again."""

    access: ClassVar[Access] = Access.ADMINISTER


class Shutdown(Request[Accepted], frozen=True, tag="system.shutdown"):
    """Drain and end the service; the loops go on when it is started again."""

    access: ClassVar[Access] = Access.ADMINISTER

    now: bool = False
    """Do not drain."""


class Upgrade(Request[Accepted], frozen=True, tag="system.upgrade"):
    """Let the service replace itself by the program that is installed now, with every loop kept."""

    access: ClassVar[Access] = Access.ADMINISTER


class ListEvents(Request[EventPage], frozen=True, tag="event.list"):
    """Facts after a cursor; `newest` asks for the last ones instead."""

    subject: str | None = None
    """What they are about: `KIND:ID`, `KIND:NAME`, or a name or id that only one kind of subject has."""
    after: int = 0
    newest: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class WatchEvents(Watch[Event], frozen=True, tag="event.watch"):
    """Facts as they happen, after a cursor; from now on when there is none."""

    subject: str | None = None
    """As of `ListEvents`."""
    after: int | None = None


class WatchLogs(Watch[LogLine], frozen=True, tag="log.watch"):
    """Lines of the log of a subject, or of the service; with `follow` also those to come."""

    subject: str | None = None
    """As of `ListEvents`."""
    last: Annotated[int, Meta(ge=0, le=10_000)] = 100
    follow: bool = False


class Render(Request[Rendered], frozen=True, tag="system.render"):
    """The text that a view prints, made by the service so that its caller need not load what makes it.

    Refused for unknown views and for long lists; the caller then reads and renders itself.
    """

    view: Annotated[str, Meta(max_length=50)]
    of: Annotated[str, Meta(max_length=1000)] | None = None
    """The name or id of what is shown; for views of many it limits them."""
    every: bool = False
    """Include what has ended or is settled."""
    limit: Annotated[int, Meta(ge=1)] | None = None
    """Maximum number of entries; the view's own default without it."""
    json: bool = False
    """A document for programs instead of lines for people."""
    width: Annotated[int, Meta(ge=0, le=9999)] = 0
    """Columns of the terminal; 0 when the text is not for a terminal that shows symbols."""
    colour: bool = False
    socket: Annotated[str, Meta(max_length=200)] | None = None
    """The value of the caller's --socket, which is repeated in commands that are offered."""


VERBS = (
    Render,
    GetVersion,
    GetHealth,
    GetSettings,
    Reload,
    Shutdown,
    Upgrade,
    ListEvents,
    WatchEvents,
    WatchLogs,
)
