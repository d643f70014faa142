"""Assembles control from the capabilities: verbs, managers, retention, and the start of children."""

from __future__ import annotations

import socket
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core.freeze import sentence_of_unusable_policy
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.quantities import bytes_of, processors_of
from ftl2_enterprise.core.settings.model import Loaded
from ftl2_enterprise.core.settings.restart import until_restart
from ftl2_enterprise.store import events
from ftl2_enterprise.supervisor.capability import ControlContext
from ftl2_enterprise.supervisor.control import main as control
from ftl2_enterprise.supervisor.control.access import Guard
from ftl2_enterprise.supervisor.control.dispatch import Handlers
from ftl2_enterprise.supervisor.control.root_messages import CgroupLimits, StartChild
from ftl2_enterprise.supervisor.logs import log
from ftl2_enterprise.supervisor.logs.event_log_files import FactLog
from ftl2_enterprise.supervisor.readers.pool import Readers
from ftl2_enterprise.supervisor.subjects import Subjects
from ftl2_enterprise.supervisor.writer.async_client import WriterClient
from ftl2_enterprise.wiring import site_policy, views
from ftl2_enterprise.wiring.capabilities import capabilities
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.links import links
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl2_enterprise.core.child_startup import Startup
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.store.database import Store


class CurrentSettings:
    """The current settings, for code that reads them after each reload."""

    def __init__(self, loaded: Loaded) -> None:
        self.settings: Settings = loaded.settings
        self._argument: str | None = None

    def apply(self, settings: Settings) -> None:
        """Replace them after a reload."""
        self.settings, self._argument = settings, None

    def argument(self, begun: Startup) -> str:
        """The argument of a child process: the settings in force, as the files may be changing at this moment."""
        if self._argument is None:
            self._argument = begun.renewed(Loaded(settings=self.settings, origins={})).encode()
        return self._argument


def read_settings(begun: Startup) -> Loaded:
    """The settings as they stand in files now, with a warning for those under old names. Raises Problem."""
    found = begun.load(MODEL)
    _warn(found.renamed)
    return found


def reload(begun: Startup) -> Loaded:
    """The settings as they stand in files now; the site policy is published. Raises Problem; then nothing changes."""
    found = read_settings(begun)
    Guard(found.settings.access)
    # The database does not change before a restart, and the policy is next to it.
    _warn(site_policy.accept(until_restart(found, begun.in_force(MODEL)).settings).ignored)
    return found


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        log.get().warning(sentence)


def load(begun: Startup) -> tuple[Loaded, str | None]:
    """The settings from the files; if they are invalid, those from the start of the service, and the reason."""
    try:
        return read_settings(begun), None
    except Problem as problem:
        why = f"the settings cannot be read, and those of the start are in force: {problem}"
        log.get().error(why)
        return begun.in_force(MODEL), why


def run(descriptors: Mapping[str, int], begun: Startup, forker: socket.socket | None) -> int:
    """Run control with these inherited descriptors; returns the exit status. Raises Problem.

    `forker` leads to the process that forks readers.
    """
    database = open_database(Path(begun.in_force(MODEL).settings.store.path), create=False)
    try:
        return control.main(parts(descriptors, begun, database, forker))
    finally:
        database.close()


def parts(
    descriptors: Mapping[str, int], begun: Startup, database: Store, forker: socket.socket | None
) -> control.Parts:
    """The parts of control."""
    (read, unread), in_force = load(begun), begun.in_force(MODEL)
    loaded = until_restart(read, in_force)
    why = site_policy.start(loaded.settings)
    if why is not None:
        log.get().error(why)
    live = CurrentSettings(loaded)
    site = site_policy.PublishedSite(loaded.settings)
    _warn(site().ignored)
    found = capabilities()
    subjects = Subjects(kind for one in found for kind in one.subjects)
    readers = Readers(lambda: live.argument(begun), forker)
    context = ControlContext(settings=lambda: live.settings, store=database, readers=readers)
    return control.Parts(
        listener=socket.socket(fileno=descriptors["control"]),
        root=socket.socket(fileno=descriptors["root"]),
        store=database,
        writer=WriterClient(begun.writer),
        handlers=Handlers(renders=views.RENDERS).joined(
            *(one.handlers for one in found), *(one.gathers(context) for one in found)
        ),
        managers=[manager for one in found for manager in one.managers(context)],
        subjects=subjects,
        order=lambda key, settings: StartChild(key=key, argument=live.argument(begun), cgroup=_cgroup(settings)),
        loaded=read,
        in_force=in_force,
        unread="; ".join(filter(None, (unread, why))) or None,
        load=lambda: reload(begun),
        version=metadata.version("ftl2-enterprise"),
        facts=_facts(database, subjects, loaded.settings),
        retention=[retention for one in found for retention in one.retention(context)],
        links=links(),
        applied=live.apply,
        policy=lambda: (site().revision, sentence_of_unusable_policy(site().problem)),
        warnings=lambda: site().ignored,
    )


def _cgroup(settings: Settings) -> CgroupLimits | None:
    limits = settings.limits
    found = CgroupLimits(
        memory=bytes_of(limits.memory) if limits.memory else None,
        cpu=round(processors_of(limits.cpu) * 100) if limits.cpu else None,
        pids=limits.pids,
    )
    return None if found == CgroupLimits() else found


def _facts(database: Store, subjects: Subjects, settings: Settings) -> FactLog:
    """The writer of facts into the logs of their subjects."""

    def after(cursor: int, limit: int) -> Sequence[Event]:
        with database.read() as tx:
            return events.list_events(tx, after=cursor, limit=limit)

    def newest() -> int:
        with database.read() as tx:
            return events.last_event(tx)

    def name_of(subject: str) -> str | None:
        with database.read() as tx:
            return subjects.name_of(tx, subject)

    directory = Path(settings.log.directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    return FactLog(directory=directory, max_bytes=settings.log.max_bytes, read=after, newest=newest, name_of=name_of)
