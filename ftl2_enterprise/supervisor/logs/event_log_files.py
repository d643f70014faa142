"""Writes every fact into the log of its subject, and what concerns the whole service into the journal.

The process that causes a fact does not log it: control reads committed facts after a cursor. So a log never contains
what was not committed, and the death of any process loses no line, because the reader continues after its cursor. No
line is duplicated in the log of a subject, which records the facts that it contains. The journal may contain a fact
twice, with the same FTL2_EVENT, when control was killed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.supervisor.logs import log
from ftl2_enterprise.supervisor.logs.files import FULL_DISK, append, path_of, previous, remove
from ftl2_enterprise.supervisor.logs.read import last_texts
from ftl2_enterprise.supervisor.logs.record import decode, encode, of_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.service.verbs import LogLine

BATCH = 500
TAIL = 256 * 1024
"""Bytes at the end of a log in which the last fact is searched for."""
CURSOR = "facts.cursor"


@dataclass(kw_only=True)
class FactLog:
    """Remembers how far the facts are logged. Blocks for the disk: to be used by one thread that may."""

    directory: Path
    max_bytes: int
    read: Callable[[int, int], Sequence[Event]]
    """Facts after a cursor, at most so many, in order."""
    newest: Callable[[], int]
    """The id of the last fact; 0 without one."""
    name_of: Callable[[str], str | None]
    """What a subject is called; None for one that is gone, and for the service."""
    _cursor: int | None = None
    _logged: dict[str, int] = field(default_factory=dict[str, int])
    """The last fact in the log of a subject, as far as it was looked up after a start."""
    _is_refused: bool = False

    def catch_up(self) -> bool:
        """Log the next facts; whether there may be more."""
        cursor = self._begin()
        facts = self.read(cursor, BATCH)
        names = {subject: self.name_of(subject) for subject in {fact.subject for fact in facts}}
        lines = {fact.id: of_event(fact, names[fact.subject]) for fact in facts}
        for subject, mine in _by_subject(facts).items():
            if not self._write(subject, mine, lines):
                # Of these facts nothing is lost: they are in the database, and are logged when there is room.
                return False
        for fact in facts:
            log.publish(lines[fact.id])
        if facts:
            self._cursor = facts[-1].id
            self._store(self._cursor)
        return len(facts) == BATCH

    def _begin(self) -> int:
        if self._cursor is None:
            newest = self.newest()
            stored = self._stored()
            # The first start, or a database that was restored from a backup: earlier facts are not reported again.
            self._cursor = newest if stored is None or stored > newest else stored
            self._store(self._cursor)
        return self._cursor

    def _write(self, subject: str, facts: Sequence[Event], all_lines: Mapping[int, LogLine]) -> bool:
        path = path_of(self.directory, subject)
        logged = self._logged.get(subject)
        if logged is None:
            logged = _last_logged(path)
            if logged and logged > self.newest():
                # Of a database whose backup was restored since: what comes now has such numbers again.
                logged = 0
            self._logged[subject] = logged
        lines = [encode(all_lines[fact.id]) for fact in facts if fact.id > logged]
        try:
            if fact_of(facts[-1]).is_final:
                remove(path)
            elif lines:
                append(path, b"".join(lines), self.max_bytes)
        except OSError as error:
            # What was written of them before the disk was full is found when the log is read again.
            del self._logged[subject]
            if not self._is_refused:
                log.get().warning("cannot write a log", path=str(path), error=error.strerror)
            self._is_refused = True
            return error.errno not in FULL_DISK
        self._is_refused = False
        self._logged[subject] = facts[-1].id
        return True

    def _stored(self) -> int | None:
        try:
            return int((self.directory / CURSOR).read_text())
        except (OSError, ValueError):
            return None

    def _store(self, cursor: int) -> None:
        try:
            # One write of always the same length in place: it needs no room on a full disk.
            descriptor = os.open(self.directory / CURSOR, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.pwrite(descriptor, b"%019d\n" % cursor, 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.get().warning("cannot store how far facts are logged", error=error.strerror)


def _by_subject(facts: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for fact in facts:
        found.setdefault(fact.subject, []).append(fact)
    return found


def _last_logged(path: Path) -> int:
    """The id of the last fact in the log; 0 without one."""
    for one in (path, previous(path)):
        for text in last_texts(one, TAIL):
            event = decode(text).fields.get("event")
            if isinstance(event, int):
                return event
    return 0
