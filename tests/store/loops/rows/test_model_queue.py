"""The queue of loops that want to call a model: places, order, rate, pauses and the circuit breaker of a provider."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import after
from ftl2_enterprise.loops.ports import ModelLimits, ProviderHealth
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    model_calls as model_call_rows,
    model_queue,
    providers as provider_rows,
)
from ftl2_enterprise.loops.rows.model_calls import CallBegun
from ftl2_enterprise.loops.rows.model_queue import CallWaits
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.nouns import BreakerState, CallOutcome, IterationOutcome, WaitReason
from tests.support.data.database import begun_iteration, event_kinds

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Iteration
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

ONE = ModelLimits(parallel=1)
BREAKER = ModelLimits(breaker_failures=2, breaker_pause=30.0, breaker_cap=100.0)
DEAD = f"boot:{2**22 + 1}:1"
"""An owner that does not exist."""


def iteration_of(tx: Tx, name: str) -> Iteration:
    """An iteration of a loop that this process runs."""
    iteration = begun_iteration(tx, name)
    loop_rows.change_loop(tx, iteration.loop_id, owner=lease.current())
    return iteration


def begin(tx: Tx, iteration: Iteration, limits: ModelLimits) -> Any:
    return model_call_rows.begin_model_call(
        tx, iteration, purpose="decide", provider="claude", model=None, request="?", limits=limits
    )


def begun(tx: Tx, iteration: Iteration, limits: ModelLimits) -> int:
    found = begin(tx, iteration, limits)
    assert isinstance(found, CallBegun)
    return found.call_id


def waits(tx: Tx, iteration: Iteration, limits: ModelLimits) -> CallWaits:
    found = begin(tx, iteration, limits)
    assert isinstance(found, CallWaits)
    return found


def finish(
    tx: Tx, call: int, outcome: CallOutcome = CallOutcome.OK, *, limits: ModelLimits = BREAKER, **health: Any
) -> None:
    model_call_rows.finish_model_call(
        tx, call, outcome, input_tokens=1, output_tokens=1, cost_usd=0.0, latency=0.1, response="", error=None,
        health=ProviderHealth(**health), limits=limits,
    )  # fmt: skip


def fail(tx: Tx, iteration: Iteration, limits: ModelLimits = BREAKER) -> None:
    finish(tx, begun(tx, iteration, limits), CallOutcome.UNREACHABLE, limits=limits, failed=True)


def state(tx: Tx) -> BreakerState | None:
    found = provider_rows.get_provider(tx, "claude")
    return None if found is None else found.state


def move(tx: Tx, seconds: float) -> None:
    tx.now = after(tx.now, seconds)


def test_two_hundred_loops_begin_as_many_calls_as_there_are_places_in_the_order_of_their_requests(db: Store) -> None:
    limits, most, order = ModelLimits(parallel=4), 0, list[int]()
    with db.write() as tx:
        waiting = [iteration_of(tx, f"loop-{n}") for n in range(200)]
        in_flight = list[int]()
        for one in waiting:
            found = begin(tx, one, limits)
            if isinstance(found, CallBegun):
                in_flight.append(found.call_id)
                order.append(one.loop_id)
            else:
                assert found == CallWaits(reason=WaitReason.PLACES, places=4)
        rest = [one for one in waiting if one.loop_id not in order]
        while in_flight:
            most = max(most, len(in_flight))
            finish(tx, in_flight.pop(0))
            # Every loop tries, the last one first: only the one that is next begins.
            for one in rest[:8][::-1]:
                found = begin(tx, one, limits)
                if isinstance(found, CallBegun):
                    in_flight.append(found.call_id)
                    order.append(one.loop_id)
            rest = [one for one in rest if one.loop_id not in order]
    assert most == 4
    assert rest == []
    assert order == [one.loop_id for one in waiting]


@pytest.mark.parametrize("how", ["killed", "claimed again"])
def test_the_place_of_a_killed_process_is_free_at_once(db: Store, how: str) -> None:
    with db.write() as tx:
        first, second = iteration_of(tx, "first"), iteration_of(tx, "second")
        begun(tx, first, ONE)
        waits(tx, second, ONE)
        if how == "killed":
            loop_rows.change_loop(tx, first.loop_id, owner=DEAD)
        else:
            loop_rows.claim_loop(tx, first.loop_id, lease.current())
        begun(tx, second, ONE)


def test_a_killed_process_in_the_queue_is_passed_over_and_keeps_its_position_if_it_comes_back(db: Store) -> None:
    with db.write() as tx:
        first, second, third = (iteration_of(tx, name) for name in ("first", "second", "third"))
        call = begun(tx, first, ONE)
        waits(tx, second, ONE)
        waits(tx, third, ONE)
        assert set(model_queue.get_waits(tx)) == {second.loop_id, third.loop_id}
        loop_rows.claim_loop(tx, second.loop_id, lease.current())
        assert set(model_queue.get_waits(tx)) == {third.loop_id}
        waits(tx, second, ONE)
        assert model_queue.next_in_line(tx) == [second.loop_id]
        finish(tx, call)
        waits(tx, third, ONE)
        begun(tx, second, ONE)


def test_an_iteration_that_ends_leaves_the_queue_unless_it_observes_again(db: Store) -> None:
    with db.write() as tx:
        first, second = iteration_of(tx, "first"), iteration_of(tx, "second")
        begun(tx, first, ONE)
        waits(tx, second, ONE)
        generation = loop_rows.get_loop(tx, second.loop_id).generation
        run_units.end_iteration(tx, second, generation, IterationOutcome.INTERRUPTED)
        assert set(model_queue.get_waits(tx)) == {second.loop_id}
        again = loop_rows.insert_iteration(tx, second.loop_id, 1)
        run_units.end_iteration(tx, again, generation, IterationOutcome.OBSERVED)
        assert model_queue.get_waits(tx) == {}


def test_at_most_as_many_calls_begin_in_any_minute_as_the_rate_permits(db: Store) -> None:
    limits = ModelLimits(rate=3)
    starts: list[int] = []
    with db.write() as tx:
        iteration = iteration_of(tx, "web")
        for _ in range(400):
            found = begin(tx, iteration, limits)
            if isinstance(found, CallBegun):
                starts.append(tx.now)
                finish(tx, found.call_id)
            else:
                assert found.reason is WaitReason.RATE
                assert found.until == after(starts[-3], 60.0)
            move(tx, 1.0)
    assert len(starts) >= 18
    for n, start in enumerate(starts[3:]):
        assert start - starts[n] >= 60_000_000


def test_a_clock_that_was_set_back_does_not_stop_calls(db: Store) -> None:
    with db.write() as tx:
        iteration = iteration_of(tx, "web")
        finish(tx, begun(tx, iteration, ModelLimits(rate=1)), CallOutcome.FAILED, failed=True, retry_after=600.0)
        move(tx, -3600.0)
        begun(tx, iteration, ModelLimits(rate=1))


def test_a_pause_that_the_provider_asks_for_is_kept_and_is_limited(db: Store) -> None:
    with db.write() as tx:
        iteration = iteration_of(tx, "web")
        began = tx.now
        finish(tx, begun(tx, iteration, BREAKER), CallOutcome.FAILED, failed=True, retry_after=90.0)
        assert waits(tx, iteration, BREAKER) == CallWaits(reason=WaitReason.RETRY_AFTER, until=after(began, 90.0))
        move(tx, 90.0)
        finish(tx, begun(tx, iteration, BREAKER), retry_after=10**9)
        found = waits(tx, iteration, BREAKER)
        assert found.until == after(tx.now, provider_rows.LONGEST_PAUSE)


def test_failures_in_a_row_open_the_breaker_for_growing_times_with_one_probe_each(db: Store) -> None:
    with db.write() as tx:
        first, second = iteration_of(tx, "first"), iteration_of(tx, "second")
        fail(tx, first)
        assert state(tx) is BreakerState.CLOSED
        fail(tx, second)
        for pause in (30.0, 60.0, 100.0, 100.0):
            assert state(tx) is BreakerState.OPEN
            until = after(tx.now, pause)
            assert waits(tx, first, BREAKER) == CallWaits(reason=WaitReason.UNAVAILABLE, until=until)
            move(tx, pause)
            probe = begun(tx, first, BREAKER)
            assert state(tx) is BreakerState.HALF_OPEN
            assert waits(tx, second, BREAKER).reason is WaitReason.PROBE
            finish(tx, probe, CallOutcome.TIMED_OUT, failed=True)
            # The one that waited for this probe is the next one.
            first, second = second, first
        move(tx, 100.0)
        finish(tx, begun(tx, first, BREAKER))
        assert state(tx) is BreakerState.CLOSED
        begun(tx, first, BREAKER)
        fail(tx, second)
        assert state(tx) is BreakerState.CLOSED, "the failures before the recovery do not count any more"
    kinds = event_kinds(db, first.loop_id) + event_kinds(db, second.loop_id)
    assert (kinds.count("model.unavailable"), kinds.count("model.available")) == (5, 1)


def test_an_answer_that_cannot_be_used_shows_that_the_provider_is_available(db: Store) -> None:
    with db.write() as tx:
        iteration = iteration_of(tx, "web")
        for _ in range(5):
            fail(tx, iteration)
            finish(tx, begun(tx, iteration, BREAKER), CallOutcome.MALFORMED)
        assert state(tx) is BreakerState.CLOSED


@pytest.mark.parametrize("how", ["killed", "recorded as lost"])
def test_a_probe_whose_process_is_killed_is_replaced_by_the_next_call(db: Store, how: str) -> None:
    with db.write() as tx:
        first, second = iteration_of(tx, "first"), iteration_of(tx, "second")
        fail(tx, first)
        fail(tx, first)
        move(tx, 30.0)
        begun(tx, first, BREAKER)
        waits(tx, second, BREAKER)
        loop_rows.change_loop(tx, first.loop_id, owner=DEAD)
        if how == "recorded as lost":
            run_units.lose_model_calls(tx, first)
            assert state(tx) is BreakerState.OPEN
        probe = begun(tx, second, BREAKER)
        assert state(tx) is BreakerState.HALF_OPEN
        finish(tx, probe)
        assert state(tx) is BreakerState.CLOSED


def test_this_process_is_alive_and_the_dead_owner_is_not() -> None:
    assert lease.is_alive(lease.current())
    assert lease.pid_of(lease.current()) == os.getpid()
    assert not lease.is_alive(DEAD)
