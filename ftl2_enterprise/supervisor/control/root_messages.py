"""The messages between control and root: one struct each, distinguished by the field `type`.

Root builds and checks the same messages with the standard library alone (`root/messages.py`).
"""

from __future__ import annotations

from typing import Literal

from ftl2_enterprise.core.children import Urgency
from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.wire import Wire

# --- from root -------------------------------------------------------------------------------------------------


class TableLine(Wire, frozen=True):
    """A child that root has."""

    key: str
    pid: int | None
    at: Instant
    """When it was started."""
    stopping: bool = False
    old: bool = False
    """It was forked before an upgrade."""


class ProcessLine(Wire, frozen=True):
    """One of the supervisor's own processes."""

    name: str
    pid: int | None
    since: Instant | None = None
    restarts: int = 0


class RootHello(Wire, frozen=True, tag_field="type", tag="hello"):
    """The state that control starts from."""

    started_at: Instant
    table: list[TableLine] = []
    booted: bool = False
    """No control has been ready since root was started."""
    draining: bool = False
    processes: list[ProcessLine] = []
    alive_each: float | None = None
    """Seconds within which root expects `Alive`, when the service manager watches the service."""
    problem: str = ""
    more: bool = False
    """Only a part of the table; another message follows."""


class ChildStarted(Wire, frozen=True, tag_field="type", tag="started"):
    """Root has started a process, or had already."""

    key: str
    pid: int
    at: Instant


class ChildEnded(Wire, frozen=True, tag_field="type", tag="ended"):
    """Nothing is left of a process, or it could not be started."""

    key: str
    why: Why
    number: int | None = None
    """Root repeats the message to each new control until it receives `EndRecorded` with this number."""
    pid: int | None = None
    at: Instant | None = None
    """When it was started."""
    status: int | None = None
    signal: int | None = None
    ran: float = 0.0
    """Seconds."""
    text: str | None = None
    """Why it could not be started."""


class DrainRequested(Wire, frozen=True, tag_field="type", tag="drain"):
    """The service stops."""


class ReloadRequested(Wire, frozen=True, tag_field="type", tag="reload"):
    """The service manager requests that the settings are loaded again."""


class ProcessesChanged(Wire, frozen=True, tag_field="type", tag="processes"):
    """One of the supervisor's own processes was started or has ended."""

    processes: list[ProcessLine]


class RootProblem(Wire, frozen=True, tag_field="type", tag="problem"):
    """What root found wrong."""

    text: str
    """Empty when it is resolved."""


class ListenerGiven(Wire, frozen=True, tag_field="type", tag="listen"):
    """Another listening socket, which comes with the message."""


type FromRoot = (
    RootHello
    | ChildStarted
    | ChildEnded
    | DrainRequested
    | ReloadRequested
    | ProcessesChanged
    | RootProblem
    | ListenerGiven
)

# --- to root ---------------------------------------------------------------------------------------------------


class CgroupLimits(Wire, frozen=True, omit_defaults=True):
    """What the cgroup of a child may use."""

    memory: int | None = None
    """Bytes."""
    cpu: int | None = None
    """Percent of one processor."""
    pids: int | None = None


class StartChild(Wire, frozen=True, tag_field="type", tag="start"):
    """Fork a process for the key."""

    key: str
    argument: str
    cgroup: CgroupLimits | None = None
    log: str | None = None
    """The file for the output of the process; root's output if there is none."""


class StopChild(Wire, frozen=True, tag_field="type", tag="stop"):
    """End the process of the key, and kill it if that takes longer than `within` seconds."""

    key: str
    urgency: Urgency
    within: float


class WakeChild(Wire, frozen=True, tag_field="type", tag="wake"):
    """Let the process of the key read its row again."""

    key: str


class EndRecorded(Wire, frozen=True, tag_field="type", tag="recorded"):
    """The end with this number is in the database, or need not be recorded."""

    number: int


class Alive(Wire, frozen=True, tag_field="type", tag="alive"):
    """The managers completed a pass, and the writer acknowledged a unit of work."""


class ControlReady(Wire, frozen=True, tag_field="type", tag="ready"):
    """Clients are served, with the settings that are in effect."""


class Reloading(Wire, frozen=True, tag_field="type", tag="reloading"):
    """The settings are being loaded again; `ControlReady` follows."""


class ShowStatus(Wire, frozen=True, tag_field="type", tag="status"):
    """Show a line in `systemctl status`."""

    text: str


class StopService(Wire, frozen=True, tag_field="type", tag="shutdown"):
    """Stop the service."""

    urgency: Literal["drain", "now"]


class UpgradeService(Wire, frozen=True, tag_field="type", tag="upgrade"):
    """Replace the program by the installed one, in place."""


type ToRoot = (
    StartChild
    | StopChild
    | WakeChild
    | EndRecorded
    | Alive
    | ControlReady
    | Reloading
    | ShowStatus
    | StopService
    | UpgradeService
)
