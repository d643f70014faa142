"""Both programs use the same words for the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.lifecycle import IterationEvent, LoopEvent
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.render.loops import loop_table
from ftl2_enterprise.render.loops.standing import standing
from tests.support.data.database import ask, started_loop
from tests.support.data.facts import LOOP_FACTS, sample
from tests.support.data.new_database import new_database
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store

type Run = Callable[..., str]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Store]:
    opened = new_database(tmp_path / "loops.db")
    yield opened
    opened.close()


@pytest.fixture
def run(db: Store, tmp_path: Path) -> Run:
    def called(*words: str) -> str:
        done = Command(tmp_path).run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return called


@pytest.mark.parametrize(
    ("move", "given"),
    [
        (LoopEvent.COMPLETED, {"outcome": "converged"}),
        (LoopEvent.COMPLETED, {"outcome": "previewed"}),
        (LoopEvent.FAILED, {"outcome": "not_converged", "reason": "10 were not enough"}),
        (LoopEvent.RESTED, {"next_run_at": 1}),
        (LoopEvent.RESTED, {"next_run_at": 1, "reason": "no route"}),
        (LoopEvent.ASKED, {}),
        (LoopEvent.BLOCKED, {"outcome": "blocked", "reason": "no route"}),
        (LoopEvent.PAUSED, {"reason": "paused on request"}),
    ],
)
def test_status_has_the_words_of_the_other_program(
    db: Store, run: Run, move: LoopEvent, given: dict[str, Any]
) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[move]), **given)
        loop_rows.change_loop(tx, loop.id, owner=None)
    with db.read() as tx:
        word = standing(loop_rows.get_loop(tx, "web")).word
    assert f"web   {word}" in run("status", "--all")


def test_the_columns_have_the_same_names(db: Store, run: Run) -> None:
    with db.write() as tx:
        started_loop(tx)
    titles = {column.title for column in loop_table.COLUMNS}
    assert {"LOOP", "STATE", "MODE", "ITER", "WHY"} <= titles & set(run("status").split("\n")[1].split())


def test_a_prompt_can_be_answered_under_both_names(db: Store, run: Run) -> None:
    for n, name in enumerate(("answer", "respond"), start=1):
        with db.write() as tx:
            loop, _ = started_loop(tx, f"web{n}")
            iteration = loop_rows.insert_iteration(tx, loop.id, 1)
            loop_rows.move_iteration(tx, iteration.id, IterationEvent.OBSERVED)
            prompt = ask(tx, iteration)
        assert "answered" in run(name, str(prompt), "80")
        assert PromptState.ANSWERED in run("history", f"web{n}", "--json")
    assert "  answer " not in run("--help")
