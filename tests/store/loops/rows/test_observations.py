"""Writes of observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.handlers.queries import get_history
from ftl2_enterprise.loops.rows import (
    observations as observation_rows,
)
from ftl2_enterprise.protocol.loops.nouns import (
    ObservationState,
)
from ftl2_enterprise.protocol.loops.verbs import GetHistory
from tests.support.data.database import begun_iteration

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_an_observation_ends_once(db: Store) -> None:
    with db.write() as tx:
        observation = observation_rows.insert_observation(
            tx, begun_iteration(tx), name="a", module="ping", host="web1", params={}, origin="rule:x"
        )
        observation_rows.finish_observation(tx, observation, ObservationState.SUCCEEDED, result='{"ping": "pong"}')
    with pytest.raises(Problem) as caught, db.write() as tx:
        observation_rows.finish_observation(tx, observation, ObservationState.FAILED, result="{}", error="late")
    assert caught.value.code is Code.CONFLICT


def test_what_a_decision_requested_is_in_the_history_with_its_fence(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        for name, origin in (("up", "requested"), ("mine", "loop"), ("held", "check"), ("key", "requested")):
            call = {"module": "command", "host": "web1", "params": {"cmd": name}, "origin": origin}
            one = observation_rows.insert_observation(tx, iteration, name=name, **call)
            result = '{"stdout":"' + "x" * 9000 + '","fence":"sandbox"}'
            observation_rows.finish_observation(tx, one, ObservationState.SUCCEEDED, result=result)
    with db.read() as tx:
        found = get_history(tx, GetHistory(loop="web"), Table()).observations
        last = observation_rows.requested_by_decisions(tx, [iteration.id], limit=1)
    assert [(one.name, one.fence) for one in found] == [("up", "sandbox"), ("key", "sandbox")]
    assert [one.name for one in last] == ["key"]
