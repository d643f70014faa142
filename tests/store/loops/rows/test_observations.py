"""Writes of observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import (
    observations as observation_rows,
)
from ftl2_enterprise.protocol.loops.nouns import (
    ObservationState,
)
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
