"""Queries and writes of loops and iterations."""

from __future__ import annotations

import difflib
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ftl2_enterprise.core import lease, problem
from ftl2_enterprise.loops.lifecycle import ITERATION, LOOP, LOOP_EVENTS, IterationEvent, LoopEvent
from ftl2_enterprise.loops.rows import revisions as revision_rows
from ftl2_enterprise.loops.tables import (
    ENDED_LOOPS,
    iterations,
    loops,
)
from ftl2_enterprise.protocol.loops.facts import LoopCreated, loop_subject
from ftl2_enterprise.protocol.loops.nouns import (
    Condition,
    Desired,
    Iteration,
    IterationState,
    Loop,
    LoopSpec,
    LoopState,
)
from ftl2_enterprise.store.ids import BEYOND
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader
from ftl2_enterprise.store.transition import transition

if TYPE_CHECKING:
    from sqlalchemy import Select

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.loops.lifecycle import MovingFact
    from ftl2_enterprise.protocol.loops.decision import Decision
    from ftl2_enterprise.store.tx import Tx

_LOOPS = Reader(loops, Loop)
_ITERATIONS = Reader(iterations, Iteration)
_NAMES_COMPARED = 1_000
"""Newest names that are searched for the nearest one to a mistyped name."""
_NAMES_LISTED = 5
_MAX_LOOPS_SCANNED = 1_000
"""Newest loops that are searched for recently failed ones: there is no index of end times."""

_BY_ID = loops.c.id == bindparam("row_id")
_FENCED = Prepared(update(loops).where(_BY_ID, loops.c.generation == bindparam("claimed")))
_CLAIM = Prepared(
    update(loops)
    .where(_BY_ID)
    .values(
        generation=loops.c.generation + 1,
        owner=bindparam("by"),
        updated_at=bindparam("at"),
        taken_revision=loops.c.revision,
    )
)
_GENERATION = Prepared(select(loops.c.generation).where(_BY_ID))
_STARTED_AT = Prepared(select(loops.c.started_at).where(_BY_ID))
_REVISION = Prepared(select(loops.c.revision).where(_BY_ID))
_END_RETRY = Prepared(update(loops).where(_BY_ID).values(retry=None))
_LEAVE_OUT = Prepared(
    update(loops).where(
        _BY_ID, loops.c.generation == bindparam("claimed"), loops.c.left_out.is_distinct_from(bindparam("names"))
    )
)
_BEFORE_ITERATION = Prepared(
    select(loops.c.iteration_count, loops.c.taken_revision, loops.c.retry.is_not(None)).where(_BY_ID)
)
_INVENTORIES = Prepared(
    select(func.max(loops.c.id))
    # One that failed can be run again, and is held then.
    .where(loops.c.ended_at.is_(None) | (loops.c.state == LoopState.FAILED))
    # Of two that were sent under the same path, each may be another one.
    .group_by(func.json_extract(loops.c.spec, "$.inventory"), func.json_extract(loops.c.spec, "$.files"))
    .limit(bindparam("most"))
)
_INSERT_ITERATION = Prepared(insert(iterations))
_KEEP_DECISION = Prepared(update(iterations).where(iterations.c.id == bindparam("row_id")))
_OPEN_ITERATION = Prepared(
    _ITERATIONS.select().where(iterations.c.loop_id == bindparam("of"), iterations.c.ended_at.is_(None))
)
_OF_RUN = Prepared(
    _ITERATIONS.select()
    .where(iterations.c.loop_id == bindparam("of"), iterations.c.run == bindparam("in_run"))
    .order_by(iterations.c.n)
)

# --- loops ---------------------------------------------------------------------------------------------------------
_CHANGE = Prepared(update(loops).where(loops.c.id == bindparam("row_id")))


def create_loop(tx: Tx, spec: LoopSpec) -> Loop:
    """Insert a loop. Raises Problem(conflict) when the name is taken."""
    row: dict[str, Any] = {
        "name": spec.name,
        "state": LOOP.initial,
        "desired": Desired.RUN,
        "mode": spec.mode,
        "desired_state": spec.desired_state,
        "spec": spec,
        "condition": Condition.UNKNOWN,
        "next_observations": [],
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    there = tx.connection.execute(select(loops.c.managed).where(loops.c.name == spec.name)).first()
    if there is not None:
        # A loop that the service manages cannot be resumed in the foreground.
        name = shlex.quote(spec.name)
        resume = f"continue it with `ftl2-enterprise run --resume {name}`"
        way = f"see it with `ftl2ctl show {name}`" if there[0] else resume
        raise problem.conflict(
            f'cannot create the loop "{spec.name}": a loop with that name exists',
            f"choose another name with --name, or {way}",
        )
    loop_id = int(tx.connection.execute(insert(loops), row).lastrowid)
    revision_rows.insert_revision(tx, loop_id, 1, spec)
    created = LoopCreated(name=spec.name, mode=spec.mode, decider=spec.decider, dry_run=spec.dry_run)
    tx.emit(created, subject=loop_subject(loop_id))
    return get_loop(tx, loop_id)


def get_loop(tx: Tx, ref: int | str) -> Loop:
    """The loop with that id or name, or the only one whose name begins with it.

    Raises Problem(not_found) with the nearest name, or Problem(invalid) when several names begin with it.
    """
    is_number = isinstance(ref, int) or (ref.isascii() and ref.isdigit())
    if is_number:
        found = _LOOPS.get(tx, int(ref)) if int(ref) < BEYOND else None
        if found is not None:
            return found
    name = str(ref)
    found = _first(tx, _LOOPS.select().where(loops.c.name == name))
    if found is not None:
        return found
    # The id of a deleted loop must not find a loop whose name begins with the same digits.
    if name and not is_number:
        begun = select(loops.c.name).where(loops.c.name >= name, loops.c.name < name + "\U0010ffff")
        names = list(tx.connection.execute(begun.order_by(loops.c.name).limit(_NAMES_LISTED)).scalars())
        if len(names) == 1:
            return get_loop_by_name(tx, names[0])
        if names:
            raise problem.invalid(
                f'cannot find the loop "{name}": ambiguous prefix of ' + ", ".join(f'"{each}"' for each in names),
                "give more of the name, or the id",
            )
    raise problem.not_found(f'cannot find the loop "{name}"', _nearest(tx, name))


def get_loop_as_named(tx: Tx, ref: str) -> Loop:
    """The loop with that id or exactly that name. For irreversible verbs, which do not accept a prefix of the name.

    Raises Problem.
    """
    loop = get_loop(tx, ref)
    if ref not in {loop.name, str(loop.id)}:
        raise problem.not_found(
            f'cannot find the loop "{ref}": a prefix is not accepted here', f'did you mean "{loop.name}"?'
        )
    return loop


def get_loop_by_name(tx: Tx, name: str) -> Loop:
    """The loop with exactly that name. Raises Problem(not_found)."""
    found = _first(tx, _LOOPS.select().where(loops.c.name == name))
    if found is None:
        raise problem.not_found(f'cannot find the loop "{name}"', _nearest(tx, name))
    return found


def list_loops(tx: Tx, *, finished: bool, before: int | None = None, limit: int = 100) -> list[Loop]:
    """A page of loops with ids below `before`, newest first; ended ones only if `finished`."""
    query = _LOOPS.select().order_by(loops.c.id.desc()).limit(limit)
    if not finished:
        query = query.where(loops.c.ended_at.is_(None))
    if before is not None:
        query = query.where(loops.c.id < before)
    return _LOOPS.all(tx.connection.execute(query))


def list_recently_failed(tx: Tx, *, since: Instant, limit: int = 100) -> list[Loop]:
    """Loops that have failed since then, newest first; searches the newest loops only."""
    newest = select(func.max(loops.c.id) - _MAX_LOOPS_SCANNED).scalar_subquery()
    failed = (loops.c.id > newest, loops.c.state == LoopState.FAILED, loops.c.ended_at >= since)
    return _LOOPS.all(tx.connection.execute(_LOOPS.select().where(*failed).order_by(loops.c.id.desc()).limit(limit)))


def count_ended(tx: Tx, *, limit: int) -> int:
    """How many loops have ended, at most `limit`."""
    ended = select(loops.c.id).where(loops.c.id > 0, loops.c.ended_at.is_not(None)).limit(limit).subquery()
    return tx.connection.execute(select(func.count()).select_from(ended)).scalar_one()


def claim_loop(tx: Tx, loop_id: int, owner: str) -> int:
    """Make the process the owner of the loop; writes of the previous owner are refused from now on.

    Returns the generation that fences the new owner's writes.
    """
    if _CLAIM.change(tx, {"row_id": loop_id, "by": owner, "at": tx.now}) != 1:
        raise problem.not_found(f"cannot find the loop {loop_id}")
    return int(_GENERATION.scalar(tx, {"row_id": loop_id}))


def revision_of(tx: Tx, loop_id: int) -> int:
    """The number of the revision in force."""
    return int(_REVISION.scalar(tx, {"row_id": loop_id}))


def check_claim(tx: Tx, loop_id: int, generation: int) -> None:
    """Raise Problem(conflict) when another process has claimed the loop since."""
    current = _GENERATION.scalar(tx, {"row_id": loop_id})
    if current != generation:
        raise _taken_over(tx, loop_id)


def update_loop(tx: Tx, loop_id: int, generation: int, **values: Any) -> None:
    """Write columns of a loop, as plain values.

    Raises Problem(conflict) when another process has claimed it since.
    """
    values.setdefault("updated_at", tx.now)
    if _FENCED.change(tx, {"row_id": loop_id, "claimed": generation, **values}) != 1:
        raise _taken_over(tx, loop_id)


def leave_out(tx: Tx, loop_id: int, generation: int, names: list[str]) -> None:
    """Write which steps people have left out, if that has changed."""
    _LEAVE_OUT.change(tx, {"row_id": loop_id, "claimed": generation, "names": names, "left_out": names})


def move_loop(
    tx: Tx,
    loop_id: int,
    generation: int,
    fact: MovingFact,
    **values: Any,
) -> LoopState:
    """Change the state of a loop by the event that the fact records, and emit the fact; returns the new state.

    `started_at` and `ended_at` follow from the event, and a start clears `outcome`, `reason` and `frozen_by`, unless
    they are given. Raises Problem(conflict) when another process has claimed it or changed its state since.
    """
    check_claim(tx, loop_id, generation)
    event = LOOP_EVENTS[type(fact)]
    if event is LoopEvent.STARTED:
        values.setdefault("outcome", None)
        values.setdefault("reason", None)
        values.setdefault("frozen_by", None)
        started_at = _STARTED_AT.scalar(tx, {"row_id": loop_id})
        values.setdefault("started_at", tx.now if started_at is None else started_at)
    ends = all(target in ENDED_LOOPS for target in LOOP.sources(event).values())
    values.setdefault("ended_at", tx.now if ends else None)
    state = transition(tx, LOOP, loops, loop_id, event, where={"generation": generation}, **values)
    tx.emit(fact, subject=loop_subject(loop_id))
    return state


def set_desired(tx: Tx, loop_id: int, desired: Desired) -> None:
    """Set `desired` of a loop; its process reads it at the next safe point."""
    tx.connection.execute(update(loops).where(loops.c.id == loop_id).values(desired=desired, updated_at=tx.now))


def add_to_loop(tx: Tx, loop_id: int, **amounts: float) -> None:
    """Add to the counters of a loop, which save counting rows when the loop is shown."""
    sums = {f"by_{name}": amount for name, amount in amounts.items() if amount}
    if sums:
        statement = _sum(*(name for name, amount in amounts.items() if amount))
        statement.change(tx, {"row_id": loop_id, "updated_at": tx.now, **sums})


# --- iterations ----------------------------------------------------------------------------------------------------


def insert_iteration(tx: Tx, loop_id: int, run: int, *, increment_id: int | None = None) -> Iteration:
    """Insert the next iteration of a loop. Raises Problem(conflict) when another one has not ended."""
    found = _BEFORE_ITERATION.first(tx, {"row_id": loop_id})
    if found is None:
        raise problem.not_found(f"cannot find the loop {loop_id}")
    count, revision, waits_to_retry = found
    n = count + 1
    row: dict[str, Any] = {
        "loop_id": loop_id,
        "increment_id": increment_id,
        "run": run,
        "n": n,
        "state": ITERATION.initial,
        "started_at": tx.now,
        "revision": revision,
    }
    try:
        iteration_id = _INSERT_ITERATION.insert(tx, row)
    except IntegrityError as error:
        message = f"cannot begin iteration {n} of the loop {loop_id}: the previous one has not ended"
        raise problem.conflict(message) from error
    add_to_loop(tx, loop_id, iteration_count=1)
    if waits_to_retry:
        _END_RETRY.change(tx, {"row_id": loop_id})
    return get_iteration(tx, iteration_id)


def move_iteration(tx: Tx, iteration_id: int, event: IterationEvent, **values: Any) -> IterationState:
    """Change the state of an iteration; `decided_at` and `ended_at` follow from the event unless they are given.

    Raises Problem(conflict) when its state does not allow the event.
    """
    if event is IterationEvent.ENDED:
        values.setdefault("ended_at", tx.now)
    if event in (IterationEvent.DECIDED, IterationEvent.ASKED) or values.get("decision") is not None:
        values.setdefault("decided_at", tx.now)
    return transition(tx, ITERATION, iterations, iteration_id, event, **values)


def keep_decision(tx: Tx, iteration_id: int, decision: Decision) -> None:
    """Store the decision of an iteration that is still deciding."""
    _KEEP_DECISION.change(tx, {"row_id": iteration_id, "decision": decision})


def open_iteration(tx: Tx, loop_id: int) -> Iteration | None:
    """The iteration of a loop that has not ended, if any; there is at most one."""
    row = _OPEN_ITERATION.first(tx, {"of": loop_id})
    return None if row is None else _ITERATIONS.one(row)


def get_iteration(tx: Tx, iteration_id: int) -> Iteration:
    """One iteration. Raises Problem(not_found)."""
    found = _ITERATIONS.get(tx, iteration_id)
    if found is None:
        raise problem.not_found(f"cannot find the iteration {iteration_id}")
    return found


def get_iterations(
    tx: Tx, loop_id: int, *, after: int = 0, before: int | None = None, limit: int = 100, newest: bool = False
) -> list[Iteration]:
    """A page of iterations in order of `n`: the first ones after `after`, or with `newest` the last ones before
    `before`.
    """
    query = _ITERATIONS.select().where(iterations.c.loop_id == loop_id, iterations.c.n > after).limit(limit)
    if before is not None:
        query = query.where(iterations.c.n < before)
    query = query.order_by(iterations.c.n.desc() if newest else iterations.c.n)
    found = _ITERATIONS.all(tx.connection.execute(query))
    return found[::-1] if newest else found


def iterations_of_run(tx: Tx, loop_id: int, run: int) -> list[Iteration]:
    """Every iteration of one run, in order of `n`."""
    return _ITERATIONS.all(_OF_RUN.rows(tx, {"of": loop_id, "in_run": run}))


# --- within --------------------------------------------------------------------------------------------------------


@cache
def _sum(*names: str) -> Prepared:
    sums = {name: loops.c[name] + bindparam(f"by_{name}") for name in names}
    return Prepared(update(loops).where(_BY_ID).values(sums))


def _first(tx: Tx, query: Select[Any]) -> Loop | None:
    row = tx.connection.execute(query).first()
    return None if row is None else _LOOPS.one(row)


def _nearest(tx: Tx, name: str) -> str:
    newest = select(loops.c.name).order_by(loops.c.id.desc()).limit(_NAMES_COMPARED)
    near = difflib.get_close_matches(name, list(tx.connection.execute(newest).scalars()), n=1)
    return f'did you mean "{near[0]}"?' if near else "see `ftl2-enterprise status --all`"


def _taken_over(tx: Tx, loop_id: int) -> problem.Problem:
    row = tx.connection.execute(select(loops.c.name, loops.c.owner).where(loops.c.id == loop_id)).first()
    if row is None:
        return problem.not_found(f"cannot find the loop {loop_id}")
    return problem.conflict(
        f'cannot continue the loop "{row.name}": another process has claimed it',
        f"it is process {lease.pid_of(row.owner)}" if row.owner else None,
    )


def change_loop(tx: Tx, loop_id: int, **values: Any) -> None:
    """Write columns of a loop without its claim: those that requests set, not those that its process sets."""
    _CHANGE.change(tx, {"row_id": loop_id, **values})


def revoke_claim(tx: Tx, loop: Loop) -> None:
    """Leave the loop without an owner; writes under the old claim are refused from now on."""
    # If the clock was set back since the row was written, its times are too late by as much.
    ahead = max(0, loop.updated_at - tx.now)
    times = {"next_run_at": loop.next_run_at, "restart_at": loop.restart_at}
    earlier = {name: at - ahead for name, at in times.items() if at is not None and ahead}
    change_loop(tx, loop.id, generation=loop.generation + 1, owner=None, updated_at=tx.now, **earlier)


def with_inventories(tx: Tx, *, limit: int) -> list[Loop]:
    """One loop that has not ended, or can be retried, for each inventory, and one for all that have none."""
    return [get_loop(tx, row[0]) for row in _INVENTORIES.rows(tx, {"most": limit})]
