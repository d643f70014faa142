"""Queries and writes of prompts: one answer, and one open prompt for a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.rows import (
    loops as loop_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import PromptAnswered, loop_subject
from ftl2_enterprise.protocol.loops.nouns import (
    PromptState,
)
from ftl2_enterprise.store import events
from tests.support.data.database import ask, begun_iteration, event_kinds

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_a_prompt_is_answered_once(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        number = ask(tx, iteration)
        assert loop_rows.get_loop(tx, iteration.loop_id).open_prompts == 1
        (waiting,) = prompt_rows.get_prompts(tx, None, state=PromptState.OPEN)
    with db.write() as tx:
        answered = prompt_rows.answer_prompt(tx, number, "8080", "eva")
    assert (answered.state, answered.answer, answered.answered_by) == ("answered", "8080", "eva")
    assert answered.answered_at == tx.now
    assert waiting.options == ["80", "8080"]
    for late in (
        lambda tx: prompt_rows.answer_prompt(tx, number, "80", "tom"),
        lambda tx: prompt_rows.expire_prompt(tx, number),
        lambda tx: prompt_rows.dismiss_prompt(tx, number),
    ):
        with pytest.raises(Problem, match="it is answered by eva already") as caught, db.write() as tx:
            late(tx)
        assert caught.value.code is Code.CONFLICT
    with db.read() as tx:
        assert prompt_rows.get_prompt(tx, number) == answered
        assert loop_rows.get_loop(tx, iteration.loop_id).open_prompts == 0
        fact = events.list_events(tx, subject=loop_subject(iteration.loop_id))[-1]
    assert fact_of(fact) == PromptAnswered(
        iteration_id=iteration.id, prompt_id=number, answer="8080", answered_by="eva"
    )


def test_the_same_question_is_open_once(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        first = ask(tx, iteration)
        ask(tx, iteration, "another")
    with pytest.raises(Problem, match="it is waiting for an answer"), db.write() as tx:
        ask(tx, iteration)
    with db.write() as tx:
        prompt_rows.expire_prompt(tx, first)
        again = ask(tx, iteration)
        prompt_rows.dismiss_prompt(tx, again)
        found = prompt_rows.get_prompts(tx, iteration.loop_id)
        assert [prompt.state for prompt in found] == ["expired", "open", "dismissed"]
    assert event_kinds(db, iteration.loop_id)[-2:] == ["prompt.expired", "prompt.dismissed"]
