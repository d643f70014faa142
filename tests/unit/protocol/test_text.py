"""The wire form of stored texts, which clients of other versions read."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import Observation, ObservationState
from ftl2_enterprise.protocol.text import StoredText

FORMS = [
    (StoredText(shown="up", size=2), {"shown": "up", "digest": None, "size": 2}),
    (StoredText(shown="a ... z", digest="ab12", size=9_000), {"shown": "a ... z", "digest": "ab12", "size": 9_000}),
]


@pytest.mark.parametrize(("text", "form"), FORMS)
def test_the_form_of_a_text_is_that_of_the_first_version(text: StoredText, form: dict[str, object]) -> None:
    assert msgspec.to_builtins(text) == form
    assert msgspec.convert({**form, "unknown": 1}, StoredText) == text


def test_a_noun_that_holds_a_text_has_it_in_place() -> None:
    seen = Observation(
        id=1, loop_id=2, iteration_id=3, name="disk", module="command", host="web1", params={}, origin="decider",
        state=ObservationState.SUCCEEDED, result=FORMS[1][0], error=None, started_at=4, ended_at=5,
    )  # fmt: skip
    form = msgspec.to_builtins(seen)
    assert form["result"] == FORMS[1][1]
    assert msgspec.convert(form, Observation) == seen
