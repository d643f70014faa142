"""The list of loops: what is shown on which terminal, and the counts."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.nouns import Condition, Desired, LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import FreezeRecord
from ftl2_enterprise.render.colour import Painter
from ftl2_enterprise.render.loops import loop_table
from ftl2_enterprise.render.loops.standing import standing
from ftl2_enterprise.render.text import width
from tests.support.data.builders import LONG_NAME, NOW, SEVERAL, ago, loop_line


def shown(lines, *, terminal: bool = True) -> list[str]:
    out = Painter(stream=io.StringIO(), is_terminal=terminal, has_colour=False)
    return [out.rendered(one) for one in lines]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(columns):
    lines = shown(loop_table.loop_table(SEVERAL, NOW, columns))
    assert len(lines) == 5
    assert max(width(one) for one in lines) <= columns
    assert all("web" in lines[1] and name in " ".join(lines) for name in ("db", "数据库"))


def test_a_wide_terminal_shows_everything():
    text = "\n".join(shown(loop_table.loop_table(SEVERAL, NOW, 500)))
    assert LONG_NAME in text
    assert "x" * 190 in text
    assert all(title in text for title in ("LAST CHECK", "MODE", "ITER", "CHANGED", "FAILED", "COST", "PID", "WHY"))


def test_a_narrow_terminal_keeps_name_and_state():
    text = shown(loop_table.loop_table(SEVERAL, NOW, 60))
    assert "COST" not in text[0]
    assert "MODE" not in text[0]
    assert "STATE" in text[0]
    assert "waiting for you" in text[2]
    assert "…" in text[3]


@pytest.mark.parametrize("state", list(LoopState))
@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize("condition", list(Condition))
def test_every_state_has_words(state, desired, condition):
    loop = loop_line(state=state, desired=desired, condition=condition)
    assert standing(loop).word
    assert loop_table.loop_table([loop], NOW, 100)


def test_hostile_names_cannot_control_the_terminal():
    loop = loop_line("we\x1b[2Jb\r\n", reason="\x1b]0;x\x07oops", state=LoopState.BLOCKED)
    assert "\x1b" not in "\n".join(shown(loop_table.loop_table([loop], NOW, 100)))


def test_a_frozen_loop_is_shown_with_what_the_freeze_covers_and_its_end():
    freeze = Freeze(id="5f", scope=FreezeScope.ALL, reason="incident", by="ann", since=ago(60), until=ago(-60))
    frozen = loop_line(state=LoopState.RESTING, frozen_by="5f", reason=freeze.sentence)
    text = shown(loop_table.loop_table([frozen], NOW, 500, freezes=[FreezeRecord(freeze=freeze)]))[1]
    assert f"everything: {freeze.sentence}; until {moment(ago(-60))} (in 60 s)" in text
    assert freeze.sentence in shown(loop_table.loop_table([frozen], NOW, 500))[1]


def test_loops_that_fail_are_not_counted_as_resting():
    loops = [*SEVERAL, loop_line("bad", id=5, state=LoopState.RESTING, reason="no route")]
    assert "1 resting, 1 failing" in shown([loop_table.counts_line(loops)])[0]
    assert loop_table.urgency(loops[-1]) < loop_table.urgency(loops[3])


@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_the_counts_use_the_words_of_the_rows(desired, outcome):
    loops = [loop_line(id=n, state=state, desired=desired) for n, state in enumerate(LoopState, start=1)]
    loops += [loop_line(id=99, state=LoopState.FAILED, outcome=outcome), loop_line(id=100, restart_at=NOW)]
    counted = {word: number for number, word, _ in loop_table.numbers(loops)}
    assert counted == Counter(standing(loop).word for loop in loops)


def test_a_word_of_several_states_is_counted_once():
    loops = [
        loop_line(id=n, state=state, desired=Desired.PAUSE)
        for n, state in enumerate((LoopState.RUNNING, LoopState.RESTING, LoopState.BLOCKED), start=1)
    ]
    assert shown([loop_table.counts_line(loops)]) == ["3 loops: 3 pausing"]
