"""Which loops need a process: compares rows with children. It starts nothing and writes nothing."""

from __future__ import annotations

import random
import signal
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Text, literal_column, select, text, type_coerce

from ftl2_enterprise.core.children import Candidate, Child, Plan, Urgency
from ftl2_enterprise.core.clock import Instant, after, seconds_between
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.loops.lifecycle import PAUSABLE
from ftl2_enterprise.loops.restart_policy import ProcessEnd, RestartLimits
from ftl2_enterprise.loops.rows import loop_list, model_queue, processes as process_rows
from ftl2_enterprise.loops.tables import IS_FAILING, loops, prompts
from ftl2_enterprise.loops.units import process_end as end_units
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ftl2_enterprise.core.children import Ending
    from ftl2_enterprise.core.settings.sections import SupervisorSettings
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall

SPLAY_GAP = 0.01
"""Seconds between two starts after a boot; less if `supervisor.splay` is too short for all of them."""
FAILING = "failing"
"""The word for a loop that rests after a run that did not converge."""
FROZEN = "frozen"
"""The word for a loop that waits for the end of a freeze."""
_FIRST = 1_000
"""Priority of loops whose process only has to apply a request of a user, such as a cancellation."""


class Row(NamedTuple):
    """The columns of a managed, unended loop that the comparison reads.

    States are plain texts for speed: rows are many.
    """

    id: int
    state: str
    desired: str
    priority: int
    created_at: Instant
    next_run_at: Instant | None
    restart_at: Instant | None
    open_prompts: int
    updated_at: Instant
    is_superseded: bool = False
    """Whether its process has an earlier revision of the desired state."""
    rests_as: str | None = None
    """The word for its rest, if it is not that of a loop without problems: `frozen` or `failing`."""


class RowFromTheFuture(NamedTuple):
    """A row that was written at a time that is in the future since the clock was set back."""

    times: tuple[Instant | None, Instant | None]
    """Its stored next run and restart."""
    written_at: Instant
    detected_at: Instant
    """When this was detected. The delays that the row had when it was written count from here."""


_ROWS = Prepared(
    select(
        loops.c.id,
        type_coerce(loops.c.state, Text),
        type_coerce(loops.c.desired, Text),
        loops.c.priority,
        loops.c.created_at,
        loops.c.next_run_at,
        loops.c.restart_at,
        loops.c.open_prompts,
        loops.c.updated_at,
        loops.c.revision != loops.c.taken_revision,
    ).where(loops.c.managed == literal_column("1"), loops.c.ended_at.is_(None))
)
# By an index that has only these, so that the query above reads no rows.
_FAILING = Prepared(select(loops.c.id).where(text(IS_FAILING)))
_DEADLINES = Prepared(
    select(prompts.c.loop_id, prompts.c.deadline_at)
    .where(prompts.c.state == literal_column("'open'"), prompts.c.deadline_at.is_not(None))
    # In descending order, so that a dictionary keeps the earliest deadline of each loop.
    .order_by(prompts.c.deadline_at.desc())
)


class LoopManager:
    """The supervisor's manager (`supervisor.control.reconciler`) for loops."""

    def __init__(
        self, settings: Callable[[], SupervisorSettings], *, chance: Callable[[], float] = random.random
    ) -> None:
        self._settings: Callable[[], SupervisorSettings] = settings
        self._chance: Callable[[], float] = chance
        self._begins: dict[int, Instant] | None = None
        """When each loop that was due at the boot may start."""
        self._booted_at: Instant = 0
        self._set_back: dict[int, RowFromTheFuture] = {}

    @property
    def prefix(self) -> str:
        """Prefix of the keys of its children, as in `loop:17`."""
        return process_rows.PREFIX

    @property
    def status_words(self) -> Mapping[str, str]:
        """States that have another word in the status line."""
        return _STATUS_WORDS

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: Instant, *, booted: bool) -> Plan:
        """Compare the rows with the children; returns what has to change."""
        settings = self._settings()
        words = {loop_id: FAILING for (loop_id,) in _FAILING.rows(tx, {})}
        words |= dict.fromkeys(loop_list.frozen_by(tx), FROZEN)
        rows = [self._in_time(Row(*row, rests_as=words.get(row[0])), now) for row in _ROWS.rows(tx, {})]
        deadlines = dict(_DEADLINES.rows(tx, {}))
        if self._begins is None:
            self._begins = splayed(rows, deadlines, children, now, splay=settings.splay) if booted else {}
            self._booted_at = now
        elif now < self._booted_at:
            self._begins = {}
        expedited = {
            row.id
            for row in rows
            if row.desired == Desired.CANCEL
            and process_rows.key_of(row.id) in children
            and process_rows.is_expedited(tx, row.id)
        }
        plan = compare(rows, deadlines, children, now, begins=self._begins, expedited=expedited)
        # The loop that is next to call a model may not be able to yet; it checks that.
        next_keys = (process_rows.key_of(loop_id) for loop_id in model_queue.next_in_line(tx))
        woken = tuple(key for key in next_keys if key in children)
        return replace(plan, wake=(*plan.wake, *woken)) if woken else plan

    def _in_time(self, row: Row, now: Instant) -> Row:
        """The row, with its times corrected if the clock was set back since it was written."""
        if row.updated_at <= now and row.created_at <= now and row.id not in self._set_back:
            return row
        times = row.next_run_at, row.restart_at
        known = self._set_back.pop(row.id, None)
        if known is None or known.times != times or not known.detected_at <= now < known.written_at:
            known = RowFromTheFuture(times, row.updated_at, now) if row.updated_at > now else None
        if known is None:
            return row._replace(created_at=min(row.created_at, now))
        self._set_back[row.id] = known
        next_run_at, restart_at = (None if at is None else at - known.written_at + known.detected_at for at in times)
        return row._replace(created_at=min(row.created_at, now), next_run_at=next_run_at, restart_at=restart_at)

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        """The unit that records the end, counts a crash and applies the loop's desired state, if there is one."""
        number = child.key.partition(":")[2]
        if ending.why is Why.NOT_STARTED or not number.isdigit():
            return None
        settings = self._settings()
        end = ProcessEnd(why=ending.why, status=ending.status, signal=ending.signal, ran=ending.ran)
        if child.stopping and ending.signal == signal.SIGTERM:
            # It was asked to end before it had installed its signal handlers.
            end = ProcessEnd(why=Why.EXITED, status=0, ran=ending.ran)
        restarts = RestartLimits(
            delay=settings.restart_delay,
            cap=settings.restart_cap,
            healthy_after=settings.healthy_after,
            limit=settings.restart_limit,
            period=settings.restart_period,
        )
        return end_units.record_end.call(
            int(number), end, pid=ending.pid, started_at=ending.started_at, restarts=restarts, random=self._chance()
        )


def compare(
    rows: Sequence[Row],
    deadlines: Mapping[int, Instant],
    children: Mapping[str, Child],
    now: Instant,
    *,
    begins: Mapping[int, Instant],
    expedited: Collection[int] = (),
) -> Plan:
    """Which loops are due for a process, and which processes have to end or to read their rows again. Pure.

    `deadlines` are those of open prompts by loop; `begins` the earliest starts by loop; `expedited` the loops whose
    cancellation must not wait for the current step.
    """
    counts: Counter[str] = Counter()
    stop: dict[str, Urgency] = {}
    wake: list[str] = []
    queue: list[tuple[int, Instant, int, str]] = []
    rests: dict[str, Instant] = {}
    next_at: Instant | None = None
    for row in rows:
        word = (row.rests_as if row.state == LoopState.RESTING else None) or row.state
        counts[word] += 1
        key = process_rows.key_of(row.id)
        child = children.get(key)
        if child is not None:
            if (urgency := _urgency(row, child, is_expedited=row.id in expedited)) is not None:
                stop[key] = urgency
            elif row.state == LoopState.RESTING and not child.stopping:
                if (row.next_run_at or 0) <= now:
                    wake.append(key)
                else:
                    rests[key] = row.next_run_at or 0
            continue
        due = due_at(row, deadlines.get(row.id))
        if due is None:
            continue
        begin = max(due, begins.get(row.id, 0))
        if begin <= now:
            queue.append((-(row.priority if row.desired == Desired.RUN else _FIRST), due, row.id, word))
        elif next_at is None or begin < next_at:
            next_at = begin
    queue.sort()
    return Plan(
        start=tuple(
            Candidate(process_rows.key_of(loop_id), -rank, due, state) for rank, due, loop_id, state in queue
        ),
        stop=stop,
        wake=tuple(wake),
        yields=rests,
        recheck_after=None if next_at is None else max(0.0, seconds_between(now, next_at)),
        counts={word: counts[word] for word in _WORDS if counts[word]},
    )


_WORDS = (
    LoopState.RUNNING.value,
    LoopState.WAITING.value,
    LoopState.RESTING.value,
    FAILING,
    FROZEN,
    LoopState.PENDING.value,
    LoopState.PAUSED.value,
    LoopState.BLOCKED.value,
)
_STATUS_WORDS = {LoopState.WAITING.value: "waiting for you", LoopState.PENDING.value: "starting"}


def due_at(row: Row, deadline: Instant | None) -> Instant | None:
    """The time since or from which a loop without a process needs one; None when it needs none."""
    match row.state:
        case _ if row.desired != Desired.RUN:
            # Its process ended without applying the request, and its end was not recorded: another process applies
            # it.
            pending = row.state in PAUSABLE or row.desired == Desired.CANCEL
            return row.created_at if pending else None
        case LoopState.PENDING | LoopState.RUNNING | LoopState.PAUSED:
            due = row.created_at
        case LoopState.RESTING:
            due = row.next_run_at or 0
        case LoopState.WAITING if row.open_prompts == 0:
            due = row.created_at
        case LoopState.WAITING if deadline is not None:
            due = deadline
        case _:
            return None
    return due if row.restart_at is None else max(due, row.restart_at)


def splayed(
    rows: Sequence[Row],
    deadlines: Mapping[int, Instant],
    children: Mapping[str, Child],
    now: Instant,
    *,
    splay: float,
) -> dict[int, Instant]:
    """When each loop that is due now may start, so that they do not all start at once.

    `splay` is in seconds. Pure.
    """
    every = compare(rows, deadlines, children, now, begins={}).start
    if len(every) < 2:
        return {}
    gap = min(SPLAY_GAP, splay / len(every))
    return {int(one.key.partition(":")[2]): after(now, gap * place) for place, one in enumerate(every)}


def _urgency(row: Row, child: Child, *, is_expedited: bool) -> Urgency | None:
    """How to ask the process to end, or None; one that was asked to end at a safe point is not asked again."""
    match row.desired:
        case Desired.STOP:
            return Urgency.NOW
        case Desired.CANCEL if is_expedited:
            return Urgency.NOW
        case Desired.PAUSE | Desired.CANCEL if not child.stopping:
            return Urgency.SAFE_POINT
        case Desired.RUN if row.is_superseded and not child.stopping:
            return Urgency.SAFE_POINT
        case _:
            return None
