"""Carries out what several clients have handed over, in one transaction; knows nothing of sockets."""

from __future__ import annotations

import logging
import os
import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.faults import VARIABLE, FaultPoint, reach
from ftl2_enterprise.core.problem import Code, Problem, conflict, invalid
from ftl2_enterprise.store import idempotency
from ftl2_enterprise.store.events import last_event
from ftl2_enterprise.store.idempotency import Handover, lane_of
from ftl2_enterprise.store.unit import unit_named
from ftl2_enterprise.supervisor.writer.frames import NOTHING, Committed, Failed, Work, WorkDone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

type Given = tuple[str, Work]
"""A client's name and what it has handed over."""
type Answer = WorkDone | Failed

LONG = 0.1
"""Seconds after which a transaction takes up nothing more."""
CAREFUL = 50
"""Batches after a mistake in which another one is expected."""

_log = logging.getLogger(__name__)


class _Mistaken(Exception):
    """A piece of work cannot be carried out, and nothing says yet what of the transaction is its doing."""


class Batches:
    """The database, and what each client's last work was."""

    def __init__(self, open_database: Callable[[], Store]) -> None:
        self._open_database = open_database
        self._store: Store | None = None
        self._last: dict[str, Handover] = {}
        self._known: set[str] = set()
        self._careful = 0
        # Looked up once: this is asked for each unit.
        self._is_tested = VARIABLE in os.environ
        self.notice: Committed | None = None
        """The facts of the last batch."""

    def carry_out(self, given: Sequence[Given]) -> list[Answer]:
        """Carry out each piece of work that can be, in order; the answers hold only when they are returned.

        Work that is a mistake fails alone. When the database cannot be written, nothing of the batch is. What has no
        answer has not been looked at: the batch took long enough, and others may be waiting for the database.
        """
        self._careful -= 1
        try:
            return self._together(given, careful=self._careful > 0)
        except _Mistaken:
            # Begun anew, with a savepoint for each piece of work: without a mistake they are not worth their cost.
            self._careful = CAREFUL
            return self._together(given, careful=True)

    def _together(self, given: Sequence[Given], *, careful: bool) -> list[Answer]:
        self.notice = None
        done: dict[str, Handover] = {}
        answers: list[Answer] = []
        begun = False
        try:
            with self._opened().write() as tx:
                begun = True
                until = time.monotonic() + LONG
                for client, work in given:
                    answers.append(self._one(tx, client, work, done, careful=careful))
                    if time.monotonic() > until:
                        break
                begun = False
                if done:
                    idempotency.put(tx, done)
        except _Mistaken:
            raise
        except Exception as error:
            if begun and len(given) > 1:
                return self._each_alone(given[: len(answers) + 1])
            problem = error if isinstance(error, Problem) else _unforeseen(error, "write the database")
            return [_failed(work, problem) for _, work in given[: len(answers) or None]]
        self._last.update(done)
        if tx.emitted:
            self.notice = Committed(tx.emitted[-1].id, any(emitted.fact.wakes for emitted in tx.emitted))
        return answers

    def where_things_stand(self) -> Committed:
        """A notice of everything so far; event 0 when that cannot be read now."""
        try:
            with self._opened().read() as tx:
                return Committed(last_event(tx))
        except Problem as problem:
            _log.warning("%s", problem)
            return Committed(0)

    def forget(self, client: str) -> None:
        """The client has no connection any more."""
        self._known.discard(client)
        for lane in [lane for lane in self._last if lane.rpartition(".")[0] == client]:
            del self._last[lane]

    def prune(self) -> None:
        """Delete what was kept for processes that are gone; tried again later when it cannot be done now."""
        try:
            with self._opened().write() as tx:
                idempotency.prune(tx, _is_gone)
        except Problem as problem:
            _log.warning("%s", problem)
        except Exception:
            _log.exception("cannot prune the handovers")

    def close(self) -> None:
        """Give the database back."""
        if self._store is not None:
            self._store.close()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_database()
        return self._store

    def _each_alone(self, given: Sequence[Given]) -> list[Answer]:
        # A piece of work hit the limits of the database, which undoes the whole transaction: the rest may still fit.
        found: list[Answer] = []
        facts: list[Committed] = []
        for one in given:
            found += self.carry_out([one])
            if self.notice is not None:
                facts.append(self.notice)
        self.notice = merged(*facts) if facts else None
        return found

    def _one(self, tx: Tx, client: str, work: Work, done: dict[str, Handover], *, careful: bool) -> Answer:
        lane = lane_of(client, work.lane)
        if client not in self._known:
            self._last.update(idempotency.of_client(tx, client))
            self._known.add(client)
        last = done.get(lane) or self._last.get(lane)
        if last is not None and work.number <= last[0]:
            # Handed over again, because the acknowledgement was lost.
            if work.number == last[0]:
                return WorkDone(work.lane, work.number, msgspec.Raw(last[1]))
            return _failed(work, conflict(f"cannot carry out work {work.number} again: {last[0]} is done already"))
        tx.actor = work.actor
        if careful:
            found = self._guarded(tx, work)
            if isinstance(found, Problem):
                return _failed(work, found)
        else:
            try:
                found = _carry_out(tx, work)
            except Exception as error:
                raise _Mistaken from error
        done[lane] = (work.number, found)
        if self._is_tested:
            reach(FaultPoint.WRITER_UNIT_DONE)
        return WorkDone(work.lane, work.number, msgspec.Raw(found))

    def _guarded(self, tx: Tx, work: Work) -> bytes | Problem:
        """What came of it; or why nothing did, and then it is as if it had never been tried."""
        mark = len(tx.emitted)
        tx.run("SAVEPOINT work")
        try:
            found = _carry_out(tx, work)
        except Exception as error:
            if self._is_the_database(error) or not tx.is_open:
                raise
            tx.run("ROLLBACK TO work")
            tx.run("RELEASE work")
            del tx.emitted[mark:]
            return error if isinstance(error, Problem) else _unforeseen(error, _named(work))
        tx.run("RELEASE work")
        return found

    def _is_the_database(self, error: Exception) -> bool:
        return self._opened().explain(error, "write") is not None


def merged(*notices: Committed) -> Committed:
    """Several notices in one."""
    return Committed(max(one.event for one in notices), any(one.wakes for one in notices))


def _carry_out(tx: Tx, work: Work) -> bytes:
    """Carry out its units; what the last one returned, encoded."""
    unit, result = None, None
    for call in work.calls:
        unit = unit_named(call.unit)
        try:
            arguments = unit.decode(call.arguments)
        except msgspec.DecodeError as error:
            raise invalid(f"cannot carry out {call.unit}: {error}") from error
        result = unit.function(tx, **arguments)
    return NOTHING if unit is None else unit.encode_result(result)


def _failed(work: Work, problem: Problem) -> Failed:
    return Failed(work.lane, work.number, problem.code, problem.message, problem.hint)


def _unforeseen(error: Exception, doing: str) -> Problem:
    crash_id = secrets.token_hex(4)
    _log.error("internal error %s: cannot %s", crash_id, doing, exc_info=error)
    return Problem(
        Code.INTERNAL, f"cannot {doing}: internal error {crash_id}", hint="the log has all of it under that id"
    )


def _named(work: Work) -> str:
    return "carry out " + ", ".join(call.unit for call in work.calls)


def _is_gone(client: str) -> bool:
    return not lease.is_alive(client.partition("/")[0])
