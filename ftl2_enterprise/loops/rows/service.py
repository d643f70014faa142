"""Queries and writes of the service, as opposed to those of the processes of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, literal_column, or_, select, update

from ftl2_enterprise.core.clock import after
from ftl2_enterprise.core.lease import is_alive, pid_of
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows.loops import get_loop
from ftl2_enterprise.loops.tables import (
    TEXT_REFERRERS,
    actions,
    disabled_rules,
    hosts,
    increments,
    iterations,
    loops,
    model_calls,
    observations,
    prompts,
    resources,
    rule_results,
)
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.facts import LoopCrashed, LoopHurried, LoopProcessEnded, loop_subject
from ftl2_enterprise.protocol.loops.hosts import Host, Resource
from ftl2_enterprise.protocol.loops.nouns import Action, LoopState, Prompt
from ftl2_enterprise.protocol.loops.replies import LoopLine, Queued
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.events import events, list_events
from ftl2_enterprise.store.ids import BEYOND
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from ftl2_enterprise.core.children import Child, Table
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.nouns import ActionState, Loop
    from ftl2_enterprise.store.tx import Tx

_PROMPTS = Reader(prompts, Prompt)
_ACTIONS = Reader(actions, Action)
_HOSTS = Reader(hosts, Host)
_RESOURCES = Reader(resources, Resource)
_LINE = tuple(name for name in LoopLine.__struct_fields__ if name not in {"pid", "queued"})
_LINES = select(*(loops.c[name] for name in _LINE), loops.c.owner).order_by(loops.c.id.desc())
_OPEN_LINES = Prepared(
    _LINES.where(loops.c.ended_at.is_(None), loops.c.id < bindparam("before")).limit(bindparam("at_most"))
)
_LOOKED_AT = 1_000
RECENT = 86_400.0
"""Seconds for which a failed loop is listed together with those that have not ended, so that users notice it."""
_FAILED_LINES = Prepared(
    _LINES.where(
        loops.c.id > select(func.max(loops.c.id) - _LOOKED_AT).scalar_subquery(),
        loops.c.id < bindparam("before"),
        loops.c.state == bindparam("failed"),
        loops.c.ended_at >= bindparam("since"),
    ).limit(bindparam("at_most"))
)
_ALL_LINES = Prepared(_LINES.where(loops.c.id < bindparam("before")).limit(bindparam("at_most")))
_NAME = Prepared(select(loops.c.name).where(loops.c.id == bindparam("row_id")))
_NAMED = Prepared(select(loops.c.id).where(loops.c.name == bindparam("given")))
_CHANGE = Prepared(update(loops).where(loops.c.id == bindparam("row_id")))
_DISABLED = Prepared(select(disabled_rules.c.name, disabled_rules.c.disabled_by))
_DISABLE = Prepared(insert(disabled_rules))
_ENABLE = Prepared(delete(disabled_rules).where(disabled_rules.c.name == bindparam("given")))
_FOREVER = 2**63 - 1
PREFIX = "loop"
"""Prefix of the keys of loops' processes."""
_LATEST = (
    select(events.c.id, events.c.kind, events.c.data)
    .where(events.c.subject == bindparam("of"))
    .order_by(events.c.id.desc())
    .limit(1_000)
    .subquery()
)
# Only a few facts can be newer: the loop has one step left.
_HURRIED = Prepared(select(_LATEST.c.kind).where(_LATEST.c.kind == kind_of(LoopHurried)).limit(1))
_LAST_END = Prepared(
    select(_LATEST.c.data)
    .where(or_(_LATEST.c.kind == kind_of(LoopCrashed), _LATEST.c.kind == kind_of(LoopProcessEnded)))
    .order_by(_LATEST.c.id.desc())
    .limit(1)
)


def key_of(loop_id: int) -> str:
    """The supervisor's key for the process of a loop."""
    return f"{PREFIX}:{loop_id}"


def pid_of_loop(loop_id: int, owner: str | None, children: Mapping[str, Child]) -> int | None:
    """The pid of the process that runs the loop, of the service or in the foreground; None without one."""
    child = children.get(key_of(loop_id))
    if child is not None:
        return child.pid
    return pid_of(owner) if owner is not None and is_alive(owner) else None


def queued(loop_id: int, children: Table) -> Queued | None:
    """The loop's position in the queue for a process; None when it is not queued."""
    queue = children.queue
    if not queue.order:
        return None
    key = key_of(loop_id)
    place = None if key in children else queue.order.get(key)
    return None if place is None else Queued(place=place, taken=queue.taken, places=queue.places)


def is_held(loop: Loop) -> bool:
    """Whether a live process has claimed the loop."""
    return loop.owner is not None and is_alive(loop.owner)


def is_hurried(tx: Tx, loop_id: int) -> bool:
    """Whether the loop, which is being cancelled, must not finish its current step."""
    return _HURRIED.scalar(tx, {"of": loop_subject(loop_id)}) is not None


def is_end_noted(tx: Tx, loop_id: int, pid: int | None, started_at: Instant | None) -> bool:
    """Whether the newest fact about the end of a process of the loop is about this process."""
    fact = _LAST_END.scalar(tx, {"of": loop_subject(loop_id)})
    return (
        fact is not None and started_at is not None and (fact.get("pid"), fact.get("started_at")) == (pid, started_at)
    )


def lines(
    tx: Tx, children: Table, *, finished: bool, before: int | None, limit: int
) -> tuple[list[LoopLine], int | None]:
    """A page of loops, newest first, without their long columns, and the `before` of the next page, if there is one.

    Recently failed loops are listed as if they had not ended.
    """
    query = _ALL_LINES if finished else _OPEN_LINES
    page = {"before": _FOREVER if before is None else before, "at_most": limit + 1}
    rows = query.rows(tx, page)
    if not finished:
        rows += _FAILED_LINES.rows(tx, {**page, "failed": LoopState.FAILED, "since": after(tx.now, -RECENT)})
        rows.sort(key=lambda row: row[0], reverse=True)
    more = rows[limit - 1][0] if len(rows) > limit else None
    rows = rows[:limit]
    found = [
        LoopLine(
            **dict(zip(_LINE, row[:-1], strict=True)),
            pid=pid_of_loop(row[0], row[-1], children),
            queued=queued(row[0], children),
        )
        for row in rows
    ]
    return found, more


def find_subject(tx: Tx, name: str) -> str:
    """The subject of the loop with that name or id.

    The id of a deleted loop is accepted: its facts remain. Raises Problem.
    """
    try:
        return loop_subject(get_loop(tx, name).id)
    except Problem as problem:
        if problem.code is Code.NOT_FOUND and name.isascii() and name.isdecimal() and int(name) < BEYOND:
            gone = loop_subject(int(name))
            if list_events(tx, subject=gone, limit=1):
                return gone
        raise


def find_name(tx: Tx, loop_id: int) -> str | None:
    """The name of the loop; None when it was deleted."""
    return _NAME.scalar(tx, {"row_id": loop_id})


def name_of_loop(tx: Tx, loop_id: int) -> str:
    """The name of the loop; empty when it was deleted."""
    return find_name(tx, loop_id) or ""


def is_taken(tx: Tx, name: str) -> bool:
    """Whether a loop with exactly that name exists."""
    return _NAMED.first(tx, {"given": name}) is not None


def free_name(tx: Tx, name: str) -> str:
    """The name, with the first numeric suffix that makes it unique if it is taken."""
    free, n = name, 1
    while is_taken(tx, free):
        n += 1
        free = f"{name}-{n}"
    return free


def newest_prompts(tx: Tx, loop_id: int | None, *, settled: bool, limit: int) -> list[Prompt]:
    """Prompts, newest first; only open ones unless `settled`."""
    query = _PROMPTS.select().order_by(prompts.c.id.desc()).limit(limit)
    if loop_id is not None:
        query = query.where(prompts.c.loop_id == loop_id)
    if not settled:
        # A literal, because SQLite uses the partial index only for exactly its condition.
        query = query.where(prompts.c.state == literal_column("'open'"))
    return _PROMPTS.all(tx.connection.execute(query))


def newest_actions(
    tx: Tx, loop_id: int, *, state: ActionState | None, before: int | None, limit: int
) -> list[Action]:
    """Actions of a loop, newest first."""
    query = _ACTIONS.select().where(actions.c.loop_id == loop_id).order_by(actions.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(actions.c.state == state)
    if before is not None:
        query = query.where(actions.c.id < before)
    return _ACTIONS.all(tx.connection.execute(query))


def hosts_by_loop(tx: Tx, loop_id: int | None, *, limit: int) -> list[tuple[str, Host]]:
    """Hosts with the names of their loops, by loop and name."""
    return _by_loop(tx, _HOSTS, loop_id, limit)


def resources_by_loop(tx: Tx, loop_id: int | None, *, limit: int) -> list[tuple[str, Resource]]:
    """Resources with the names of their loops, by loop and name."""
    return _by_loop(tx, _RESOURCES, loop_id, limit)


def _by_loop[T: msgspec.Struct](tx: Tx, reader: Reader[T], loop_id: int | None, limit: int) -> list[tuple[str, T]]:
    table = reader.table
    query = reader.select().order_by(table.c.loop_id, table.c.name).limit(limit)
    if loop_id is not None:
        query = query.where(table.c.loop_id == loop_id)
    names: dict[int, str] = {}
    found: list[tuple[str, T]] = []
    for row in tx.connection.execute(query):
        of = row.loop_id
        if of not in names:
            names[of] = name_of_loop(tx, of)
        found.append((names[of], reader.one(row)))
    return found


def change_loop(tx: Tx, loop_id: int, **values: Any) -> None:
    """Write columns of a loop without its claim: those that requests set, not those that its process sets."""
    _CHANGE.change(tx, {"row_id": loop_id, **values})


def revoke_claim(tx: Tx, loop: Loop) -> None:
    """Leave the loop without an owner; writes under the old claim are refused from now on."""
    change_loop(tx, loop.id, generation=loop.generation + 1, owner=None, updated_at=tx.now)


# --- rules ---------------------------------------------------------------------------------------------------------


def get_disabled_rules(tx: Tx) -> dict[str, str | None]:
    """Names of the disabled rules, with the user that disabled each."""
    return {row[0]: row[1] for row in _DISABLED.rows(tx, {})}


def disable_rule(tx: Tx, name: str) -> bool:
    """Disable the rule; False when it is disabled already."""
    if name in get_disabled_rules(tx):
        return False
    _DISABLE.change(tx, {"name": name, "disabled_by": tx.actor, "disabled_at": tx.now})
    return True


def enable_rule(tx: Tx, name: str) -> bool:
    """Enable the rule; False when it is enabled already."""
    return _ENABLE.change(tx, {"given": name}) > 0


def rules_dirs(tx: Tx) -> list[str]:
    """The rules directories of loops that have their own."""
    named = select(func.json_extract(loops.c.spec, "$.rules_dir")).select_from(loops).distinct()
    return sorted(path for path in tx.connection.execute(named).scalars() if path)


def firings(tx: Tx) -> dict[str, tuple[int, Instant]]:
    """How often each rule has fired, and when it last did."""
    query = (
        select(rule_results.c.rule_name, func.count(), func.max(rule_results.c.created_at))
        .where(rule_results.c.fired == literal_column("1"))
        .group_by(rule_results.c.rule_name)
    )
    return {row[0]: (row[1], row[2]) for row in tx.connection.execute(query)}


# --- the end -------------------------------------------------------------------------------------------------------


def delete_loop(tx: Tx, loop_id: int) -> None:
    """Delete a loop with all its rows, and the stored texts that no other row refers to."""
    digests = [
        digest
        for table, names in TEXT_REFERRERS
        for name in names
        for digest in tx.connection.execute(
            select(table.c[f"{name}_digest"]).where(
                table.c.loop_id == loop_id, table.c[f"{name}_digest"].is_not(None)
            )
        ).scalars()
    ]
    for table in (
        rule_results, model_calls, observations, actions, prompts, iterations, increments, hosts, resources,
    ):  # fmt: skip
        tx.connection.execute(delete(table).where(table.c.loop_id == loop_id))
    tx.connection.execute(delete(loops).where(loops.c.id == loop_id))
    texts.collect(tx, digests)
