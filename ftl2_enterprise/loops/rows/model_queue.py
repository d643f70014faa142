"""Which loop may call a model next: places, the rate, pauses that the provider asks for, and its circuit breaker.

A loop that may not call waits in a queue, one for each provider. Its place is the order in which the loops asked. A
row of the queue, and a place of a call in flight, counts only while the process that made it lives and owns its loop
(the claim's generation): a killed process needs no cleaning up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, delete, insert, literal_column, select, update

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import Instant, after
from ftl2_enterprise.gate.budgets import Amount
from ftl2_enterprise.loops.rows import providers as provider_rows
from ftl2_enterprise.loops.tables import loops, model_reservations, model_waits
from ftl2_enterprise.protocol.loops.nouns import BreakerState, WaitReason
from ftl2_enterprise.protocol.loops.replies import ModelWait
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ModelLimits
    from ftl2_enterprise.store.tx import Tx

MINUTE = 60.0
"""Seconds in which `model.rate` calls may begin."""
_LAST = 2**63 - 1


class CallWaits(msgspec.Struct, frozen=True, kw_only=True, tag="waits"):
    """A call may not begin yet."""

    reason: WaitReason
    until: Instant | None = None
    """When it may, if that is known."""
    places: int | None = None
    """How many calls may be in flight, if that is the reason."""


class _Waiting(NamedTuple):
    id: int
    owner: str | None


_held = and_(loops.c.id == model_reservations.c.loop_id, loops.c.generation == model_reservations.c.generation)
_HELD = Prepared(
    select(loops.c.owner)
    .join(model_reservations, _held)
    .where(
        model_reservations.c.provider == bindparam("of"),
        model_reservations.c.ended_at.is_(None),
        loops.c.id != bindparam("but"),
    )
)
_IN_FLIGHT = Prepared(
    select(loops.c.owner, model_reservations.c.reserved_cost, model_reservations.c.reserved_tokens)
    .join(model_reservations, _held)
    .where(
        model_reservations.c.day == bindparam("of"),
        model_reservations.c.ended_at.is_(None),
        loops.c.id != bindparam("but"),
    )
)
_waiting = and_(loops.c.id == model_waits.c.loop_id, loops.c.generation == model_waits.c.generation)
_AHEAD = Prepared(
    select(model_waits.c.id, loops.c.owner)
    .join(loops, _waiting)
    .where(model_waits.c.provider == bindparam("of"), model_waits.c.id < bindparam("before"))
    .order_by(model_waits.c.id)
)
_OWN = Prepared(select(model_waits.c.id, model_waits.c.provider).where(model_waits.c.loop_id == bindparam("of")))
_NTH_START = Prepared(
    select(model_reservations.c.started_at)
    .where(model_reservations.c.provider == bindparam("of"), model_reservations.c.started_at <= bindparam("now"))
    .order_by(model_reservations.c.started_at.desc())
    .limit(1)
    .offset(bindparam("skipped"))
)
_PROBE = Prepared(
    select(loops.c.owner)
    .join(model_reservations, _held)
    .where(model_reservations.c.call_id == bindparam("call"), model_reservations.c.ended_at.is_(None))
)
_INSERT = Prepared(insert(model_waits))
_UPDATE = Prepared(update(model_waits).where(model_waits.c.id == bindparam("row_id")))
_LEAVE = Prepared(delete(model_waits).where(model_waits.c.loop_id == bindparam("of")))
_SHOWN = Prepared(
    select(
        model_waits.c.loop_id,
        model_waits.c.reason,
        model_waits.c.until,
        model_waits.c.places,
        model_waits.c.queued_at,
    )
    .join(loops, _waiting)
    .where(loops.c.state == literal_column("'running'"))
    .order_by(model_waits.c.provider, model_waits.c.id)
)
_FIRST = Prepared(
    select(model_waits.c.provider, model_waits.c.loop_id).join(loops, _waiting).order_by(
        model_waits.c.provider, model_waits.c.id
    )
)  # fmt: skip


def waits(tx: Tx, loop_id: int, provider: str, limits: ModelLimits) -> CallWaits | None:
    """Why a call of the loop may not begin now; None when it may. It only reads."""
    own = _OWN.first(tx, {"of": loop_id})
    before = own[0] if own is not None and own[1] == provider else _LAST
    ahead = sum(_is_live(one.owner) for one in (_Waiting(*row) for row in _AHEAD.rows(tx, _of(provider, before))))
    return (
        _unavailable(tx, provider, ahead)
        or _too_fast(tx, provider, limits.rate, ahead)
        or _no_place(tx, loop_id, provider, limits.parallel, ahead)
    )


def _of(provider: str, before: int) -> dict[str, Any]:
    return {"of": provider, "before": before}


def _unavailable(tx: Tx, provider: str, ahead: int) -> CallWaits | None:
    """The wait for a provider that asked for a pause, or whose circuit breaker is not closed."""
    found = provider_rows.get_provider(tx, provider)
    if found is None:
        return None
    if found.not_before is not None and found.is_before(found.not_before, tx.now):
        return CallWaits(reason=WaitReason.RETRY_AFTER, until=found.not_before)
    if found.state is BreakerState.OPEN and found.retry_at is not None and found.is_before(found.retry_at, tx.now):
        return CallWaits(reason=WaitReason.UNAVAILABLE, until=found.retry_at)
    if found.state is BreakerState.CLOSED:
        return None
    is_probed = found.probe is not None and _is_live(_PROBE.scalar(tx, {"call": found.probe}))
    return CallWaits(reason=WaitReason.PROBE) if is_probed or ahead else None


def _too_fast(tx: Tx, provider: str, rate: int | None, ahead: int) -> CallWaits | None:
    if rate is None:
        return None
    if ahead >= rate:
        return CallWaits(reason=WaitReason.RATE)
    nth: Instant | None = _NTH_START.scalar(tx, {"of": provider, "now": tx.now, "skipped": rate - ahead - 1})
    if nth is None or tx.now >= after(nth, MINUTE):
        return None
    return CallWaits(reason=WaitReason.RATE, until=after(nth, MINUTE))


def _no_place(tx: Tx, loop_id: int, provider: str, places: int | None, ahead: int) -> CallWaits | None:
    if places is None:
        # The loops ahead may begin, too; none of them is passed over.
        return None
    held = sum(_is_live(row[0]) for row in _HELD.rows(tx, {"of": provider, "but": loop_id}))
    return CallWaits(reason=WaitReason.PLACES, places=places) if held + ahead >= places else None


def in_flight(tx: Tx, loop_id: int, day: int) -> Amount:
    """What calls of other loops on that day have reserved, and may return when they end."""
    rows = _IN_FLIGHT.rows(tx, {"of": day, "but": loop_id})
    return sum((Amount(cost, tokens) for owner, cost, tokens in rows if _is_live(owner)), Amount())


def _is_live(owner: str | None) -> bool:
    return owner is not None and lease.is_alive(owner)


def join(tx: Tx, loop_id: int, generation: int, provider: str, waiting: CallWaits) -> bool:
    """Put the loop into the queue of the provider, or keep its position there; returns whether it is new there."""
    row: dict[str, Any] = {
        "generation": generation, "reason": waiting.reason, "until": waiting.until, "places": waiting.places,
    }  # fmt: skip
    own = _OWN.first(tx, {"of": loop_id})
    if own is not None and own[1] == provider:
        _UPDATE.change(tx, {"row_id": own[0], **row})
        return False
    leave(tx, loop_id)
    _INSERT.insert(tx, {"loop_id": loop_id, "provider": provider, "queued_at": tx.now, **row})
    return True


def leave(tx: Tx, loop_id: int) -> None:
    """Remove the loop from the queue; nothing happens if it does not wait."""
    _LEAVE.change(tx, {"of": loop_id})


def get_waits(tx: Tx) -> dict[int, ModelWait]:
    """Why loops wait to call their model, for people."""
    return {loop_id: ModelWait(*shown) for loop_id, *shown in _SHOWN.rows(tx, {})}


def next_in_line(tx: Tx) -> list[int]:
    """The loop that is next, for each provider."""
    first: dict[str, int] = {}
    for provider, loop_id in _FIRST.rows(tx, {}):
        first.setdefault(provider, loop_id)
    return list(first.values())
