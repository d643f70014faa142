"""The circuit breaker of each provider of models: a row, so that all processes share it and a restart keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from ftl2_enterprise.core.backoff import exponential
from ftl2_enterprise.core.clock import Instant, after
from ftl2_enterprise.loops.lifecycle import BREAKER, BreakerEvent
from ftl2_enterprise.loops.tables import model_providers
from ftl2_enterprise.protocol.loops.facts import ProviderAvailable, ProviderUnavailable, loop_subject
from ftl2_enterprise.protocol.loops.nouns import BreakerState, CallOutcome
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.transition import transition

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ModelLimits, ProviderHealth
    from ftl2_enterprise.store.tx import Tx

LONGEST_PAUSE = 3600.0
"""Seconds of a pause that a provider may ask for; a longer one is shortened to this."""
ANSWERED = {CallOutcome.OK, CallOutcome.MALFORMED, CallOutcome.REFUSED}
"""Outcomes that show that the provider is available."""
_COLUMNS = ("id", "state", "failures", "openings", "retry_at", "not_before", "probe", "updated_at")
_BY_NAME = Prepared(
    select(*(model_providers.c[name] for name in _COLUMNS)).where(model_providers.c.name == bindparam("of"))
)
_INSERT = Prepared(insert(model_providers))
_CHANGE = Prepared(update(model_providers).where(model_providers.c.id == bindparam("row_id")))


class ProviderState(NamedTuple):
    """The row of a provider."""

    id: int
    state: BreakerState
    failures: int
    """Calls in a row that failed because of the provider."""
    openings: int
    """How often the breaker has opened since the provider was last available."""
    retry_at: Instant | None
    not_before: Instant | None
    """The end of a pause that the provider has asked for."""
    probe: int | None
    """The call that tries whether it is available again."""
    updated_at: Instant

    def is_before(self, at: Instant, now: Instant) -> bool:
        """Whether an instant of the row is in the future, unless the clock was set back since the row was written."""
        return self.updated_at <= now < at


def get_provider(tx: Tx, name: str) -> ProviderState | None:
    """The provider of that name; None while no call of it has failed."""
    found = _BY_NAME.first(tx, {"of": name})
    return None if found is None else ProviderState(*found)


def begin_probe(tx: Tx, name: str, call_id: int) -> None:
    """Record that the call is the probe, if the circuit breaker of the provider is not closed."""
    found = get_provider(tx, name)
    if found is None or found.state is BreakerState.CLOSED:
        return
    if found.state is BreakerState.HALF_OPEN:
        # The process of the last probe has died, and its call was not recorded as ended yet.
        _move(tx, found, BreakerEvent.LOST, probe=None, retry_at=tx.now)
    _move(tx, found, BreakerEvent.PROBED, probe=call_id, retry_at=None)


def end_call(
    tx: Tx, name: str, call_id: int, loop_id: int, outcome: CallOutcome, health: ProviderHealth, *,
    error: str | None, limits: ModelLimits,
) -> None:  # fmt: skip
    """Record what the end of a call shows about its provider."""
    found = get_provider(tx, name)
    if health.retry_after is not None and health.retry_after > 0:
        found = found or _created(tx, name)
        pause = after(tx.now, min(health.retry_after, LONGEST_PAUSE))
        _change(tx, found, not_before=max(pause, found.not_before or 0))
    if health.failed:
        _failed(tx, found or _created(tx, name), name, call_id, loop_id, error=error, limits=limits)
    elif found is None:
        return
    elif outcome in ANSWERED:
        _answered(tx, found, name, call_id, loop_id)
    elif found.probe == call_id:
        _move(tx, found, BreakerEvent.LOST, probe=None, retry_at=tx.now)


def _failed(
    tx: Tx, found: ProviderState, name: str, call_id: int, loop_id: int, *, error: str | None, limits: ModelLimits
) -> None:
    failures = found.failures + 1
    _change(tx, found, failures=failures, error=error)
    opens = found.probe == call_id or (found.state is BreakerState.CLOSED and failures >= limits.breaker_failures)
    if not opens:
        return
    openings = found.openings + 1
    pause = exponential(openings, base=limits.breaker_pause, cap=max(limits.breaker_cap, limits.breaker_pause))
    until = after(tx.now, pause)
    _move(tx, found, BreakerEvent.FAILED, probe=None, openings=openings, retry_at=until)
    fact = ProviderUnavailable(provider=name, failures=failures, until=until, error=error)
    tx.emit(fact, subject=loop_subject(loop_id))


def _answered(tx: Tx, found: ProviderState, name: str, call_id: int, loop_id: int) -> None:
    if found.probe == call_id:
        _move(tx, found, BreakerEvent.RECOVERED, probe=None, failures=0, openings=0, retry_at=None, error=None)
        tx.emit(ProviderAvailable(provider=name), subject=loop_subject(loop_id))
    elif found.state is BreakerState.CLOSED and found.failures:
        _change(tx, found, failures=0, error=None)


def _created(tx: Tx, name: str) -> ProviderState:
    row: dict[str, Any] = {"name": name, "state": BREAKER.initial, "updated_at": tx.now}
    row_id = _INSERT.insert(tx, row)
    return ProviderState(row_id, BREAKER.initial, 0, 0, None, None, None, tx.now)


def _change(tx: Tx, found: ProviderState, **values: Any) -> None:
    _CHANGE.change(tx, {"row_id": found.id, "updated_at": tx.now, **values})


def _move(tx: Tx, found: ProviderState, event: BreakerEvent, **values: Any) -> None:
    transition(tx, BREAKER, model_providers, found.id, event, **values)
