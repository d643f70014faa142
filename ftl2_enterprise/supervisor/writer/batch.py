"""Executes the work of several clients in one transaction. No sockets.

Usually a batch is one transaction without savepoints. If a piece of work fails, the transaction is rolled back and
begun again with a savepoint for each piece, so that only the failing one is refused. Work that a client submits
again, because the acknowledgement was lost, is recognised by client, lane and number, and answered without being
executed (`store/idempotency.py`).
"""

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
from ftl2_enterprise.core.wire import UNDECODABLE, why_undecodable
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
"""The name of a client, and the work that it submitted."""
type Answer = WorkDone | Failed

LONG = 0.1
"""Seconds after which a transaction takes no more work."""
CAREFUL = 50
"""Batches after a failed piece of work that are executed with savepoints from the beginning."""

_log = logging.getLogger(__name__)


class _WorkFailed(Exception):
    """A piece of work failed without a savepoint, so the whole transaction has to be rolled back."""


class Batches:
    """The database, and the last work of each client."""

    def __init__(self, open_database: Callable[[], Store]) -> None:
        self._open_database = open_database
        self._store: Store | None = None
        self._last: dict[str, Handover] = {}
        self._known: set[str] = set()
        self._careful = 0
        self._not_pruned = ""
        # Looked up once, because it is used for each unit.
        self._is_tested = VARIABLE in os.environ
        self.notice: Committed | None = None
        """The facts of the last batch."""

    def execute(self, given: Sequence[Given]) -> list[Answer]:
        """Execute the work in order, and commit it; returns the answers.

        A failing piece of work is refused alone. If the database cannot be written, all of the batch is refused. Work
        without an answer was not executed: the batch took long enough, and other processes may wait for the database.
        """
        self._careful -= 1
        try:
            return self._together(given, careful=self._careful > 0)
        except _WorkFailed:
            # Again, with a savepoint for each piece of work. Savepoints cost too much for batches without a failure.
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
        except _WorkFailed:
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

    def present_state(self) -> Committed:
        """A notice of all commits so far; event 0 when the database cannot be read now."""
        try:
            with self._opened().read() as tx:
                return Committed(last_event(tx))
        except Problem as problem:
            _log.warning("%s", problem)
            return Committed(0)

    def forget(self, client: str) -> None:
        """Forget the last work of a client that has no connection."""
        self._known.discard(client)
        for lane in [lane for lane in self._last if lane.rpartition(".")[0] == client]:
            del self._last[lane]

    def prune(self) -> None:
        """Delete the last work of processes that have ended. A failure is logged, and the next call tries again."""
        try:
            with self._opened().write() as tx:
                idempotency.prune(tx, _is_gone)
            self._not_pruned = ""
        except Problem as problem:
            # Once, and not every minute.
            if str(problem) != self._not_pruned:
                _log.warning("%s", problem)
            self._not_pruned = str(problem)
        except Exception:
            _log.exception("cannot prune the last work of ended processes")

    def close(self) -> None:
        """Close the database."""
        if self._store is not None:
            self._store.close()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_database()
        return self._store

    def _each_alone(self, given: Sequence[Given]) -> list[Answer]:
        # A piece of work exceeded a limit of the database, which rolls back the transaction. The others may succeed.
        found: list[Answer] = []
        facts: list[Committed] = []
        for one in given:
            found += self.execute([one])
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
            # Submitted again, because the acknowledgement was lost.
            if work.number == last[0]:
                return WorkDone(work.lane, work.number, msgspec.Raw(last[1]))
            return _failed(work, conflict(f"cannot execute work {work.number} again: {last[0]} is committed already"))
        tx.actor = work.actor
        if careful:
            found = self._guarded(tx, work)
            if isinstance(found, Problem):
                return _failed(work, found)
        else:
            try:
                found = _execute(tx, work)
            except Exception as error:
                raise _WorkFailed from error
        done[lane] = (work.number, found)
        if self._is_tested:
            reach(FaultPoint.WRITER_UNIT_DONE)
        return WorkDone(work.lane, work.number, msgspec.Raw(found))

    def _guarded(self, tx: Tx, work: Work) -> bytes | Problem:
        """Execute a piece of work within a savepoint: its result, or the problem, and then it is undone."""
        mark = len(tx.emitted)
        tx.run("SAVEPOINT work")
        try:
            found = _execute(tx, work)
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
    """Merge notices into one."""
    return Committed(max(one.event for one in notices), any(one.wakes for one in notices))


def _execute(tx: Tx, work: Work) -> bytes:
    """Execute the units of a piece of work; returns the encoded result of the last one."""
    unit, result = None, None
    for call in work.calls:
        unit = unit_named(call.unit)
        try:
            arguments = unit.decode(call.arguments)
        except UNDECODABLE as error:
            raise invalid(f"cannot execute {call.unit}: {why_undecodable(error)}") from error
        result = unit.function(tx, **arguments)
    return NOTHING if unit is None else unit.encode_result(result)


def _failed(work: Work, problem: Problem) -> Failed:
    return Failed(work.lane, work.number, problem.code, problem.message, problem.hint)


def _unforeseen(error: Exception, doing: str) -> Problem:
    crash_id = secrets.token_hex(4)
    _log.error("internal error %s: cannot %s", crash_id, doing, exc_info=error)
    return Problem(
        Code.INTERNAL, f"cannot {doing}: internal error {crash_id}", hint="the log has the details under that id"
    )


def _named(work: Work) -> str:
    return "execute " + ", ".join(call.unit for call in work.calls)


def _is_gone(client: str) -> bool:
    return not lease.is_alive(client.partition("/")[0])
