"""What the handlers of the service's own verbs and watches may ask of control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.settings.model import Loaded, Settings
    from ftl2_enterprise.protocol.service.verbs import Reloaded
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.driver import CommitCounter
    from ftl2_enterprise.supervisor.control.access import Guard
    from ftl2_enterprise.supervisor.control.children import Children
    from ftl2_enterprise.supervisor.control.commit_watch import Commits
    from ftl2_enterprise.supervisor.control.database_watch import DatabaseWatch
    from ftl2_enterprise.supervisor.control.event_tail import EventTail
    from ftl2_enterprise.supervisor.control.freezes import Freezes
    from ftl2_enterprise.supervisor.control.reconciler import Reconciler, Writing
    from ftl2_enterprise.supervisor.control.root_link import RootLink
    from ftl2_enterprise.supervisor.control.root_messages import ProcessLine
    from ftl2_enterprise.supervisor.control.server import ControlServer
    from ftl2_enterprise.supervisor.subjects import Subjects


class ServiceState(Protocol):
    """The state of the service, as control knows it."""

    loaded: Loaded
    """The settings in effect, with where each value comes from."""
    after_restart: Mapping[str, Any]
    """Settings by key that were loaded and take effect with a restart."""
    guard: Guard
    store: Store
    """For reading."""
    writer: Writing
    subjects: Subjects
    version: str
    """Of the program."""
    data_version: CommitCounter
    commits: Commits
    tail: EventTail
    children: Children
    processes: Sequence[ProcessLine]
    started_at: Instant
    """When root was started."""
    draining: bool
    database: DatabaseWatch
    freezes: Freezes
    reconciler: Reconciler
    server: ControlServer
    root: RootLink

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        ...

    @property
    def address(self) -> str:
        """The path of the socket that clients connect to."""
        ...

    def problems(self) -> list[str]:
        """What is wrong, in sentences."""
        ...

    def warnings(self) -> list[str]:
        """What a person should know although the service works, in sentences."""
        ...

    def reload(self) -> Reloaded:
        """Load the settings again. Raises Problem; then the previous ones stay in effect."""
        ...
