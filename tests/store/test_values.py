"""What is stored comes back: any value, any text, any length."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, strategies as st

from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows, observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ObservationState
from ftl2_enterprise.store import events, texts
from ftl2_enterprise.store.columns import json_text, plain
from tests.support.data.database import begun_iteration, propose
from tests.support.data.facts import Noted

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=50)
ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=9) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(
            st.text(max_size=4) | st.integers() | st.none() | st.tuples(st.integers()), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_value_becomes_json(value: Any) -> None:
    once = json.loads(json_text(value))
    assert once == plain(value)
    assert json.loads(json_text(once)) == once


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), st.lists, max_leaves=9))
def test_json_values_are_unchanged(value: Any) -> None:
    assert json.loads(json_text({"value": value})) == {"value": value}


def test_params_that_json_cannot_hold_are_kept_as_text(db: Store) -> None:
    params: dict[str, Any] = {
        "when": datetime.date(2026, 8, 1),
        "raw": b"\xff\x00a",
        "broken": "\udcff",
        "set": {1},
        "far": 10**30,
        "nan": float("nan"),
        "key": {1: "one"},
    }
    with db.write() as tx:
        action = propose(tx, begun_iteration(tx), params=params, host="a\udcffb")
    with db.read() as tx:
        read = action_rows.get_action(tx, action)
    assert read.params == {
        "when": "2026-08-01",
        "raw": "\ufffd\x00a",
        "broken": "?",
        "set": [1],
        "far": str(10**30),
        "nan": "nan",
        "key": {"1": "one"},
    }
    assert read.host == "a?b"


def test_a_decision_is_read_back_unchanged(db: Store) -> None:
    decision = Decision(reasoning="\udcff because", actions=[ActionSpec(module="file", params={"big": 2**70})])
    with db.write() as tx:
        iteration = begun_iteration(tx)
        loop_rows.move_iteration(tx, iteration.id, IterationEvent.DECIDED, decision=decision, decided_by="claude")
    with db.read() as tx:
        read = loop_rows.get_iteration(tx, iteration.id)
    assert read.decision == Decision(
        reasoning="? because", actions=[ActionSpec(module="file", params={"big": str(2**70)})]
    )
    assert read.decided_at is not None


def test_outputs_of_actions_and_observations_are_stored(db: Store) -> None:
    long = "x" * 10_000
    with db.write() as tx:
        iteration = begun_iteration(tx)
        action = propose(tx, iteration)
        action_rows.move_action(tx, action, ActionEvent.STARTED)
        action_rows.move_action(
            tx, action, ActionEvent.FAILED, changed=False, rc=3, stdout=long, stderr="no", output="{}", error="rc 3"
        )
        observation = observation_rows.insert_observation(
            tx, iteration, name="disk", module="command", host="web1", params={}, origin="decider"
        )
        observation_rows.finish_observation(tx, observation, ObservationState.SUCCEEDED, result=long + "\udc80")
    with db.read() as tx:
        read = action_rows.get_action(tx, action)
        (seen,) = observation_rows.get_observations(tx, iteration.id)
        assert texts.whole(tx, read.stdout) == long
        assert (read.stderr.shown, read.output.shown, read.rc, read.error) == ("no", "{}", 3, "rc 3")
        assert texts.whole(tx, seen.result) == long + "?"
        assert seen.result.size == 10_001


def test_facts_are_plain_and_short(db: Store) -> None:
    with db.write() as tx:
        noted = Noted(
            iteration_id=2,
            text="r" * 5000,
            actions=[{"module": "m" * 2001, "when": datetime.date(2026, 8, 1)}],
        )
        fact = tx.emit(noted, subject="loop:1", actor="eva").event()
    assert len(fact.data["text"]) == 2000
    assert fact.data["text"].endswith("r...")
    assert len(fact.data["actions"][0]["module"]) == 2000
    assert fact.data["actions"][0]["when"] == "2026-08-01"
    with db.read() as reading:
        assert events.list_events(reading) == [fact]
        assert fact.at == tx.now


def test_the_event_log_is_read_from_a_cursor(db: Store) -> None:
    with db.write() as tx:
        facts = [tx.emit(Noted(), subject=f"loop:{n % 2}").event() for n in range(10)]
    with db.read() as tx:
        assert events.list_events(tx, limit=3) == facts[:3]
        assert events.list_events(tx, after=facts[2].id, limit=3) == facts[3:6]
        assert events.list_events(tx, after=facts[2].id, subject="loop:0") == [facts[4], facts[6], facts[8]]
        assert events.list_events(tx, after=facts[-1].id) == []
