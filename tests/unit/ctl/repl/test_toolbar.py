"""The toolbar of the shell."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.ctl.repl import toolbar
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.replies import PromptLine, Queued
from ftl2_enterprise.render.loops.standing import STOPPING
from ftl2_enterprise.render.text import width
from tests.support.data.builders import SEVERAL, loop_line, prompt


def bar(now: Snapshot, columns: int = 100) -> str:
    return "".join(text for _, text in toolbar.fragments(now, columns))


def seen(*loops, prompts=()) -> Snapshot:
    return Snapshot(
        is_read=True, loops=tuple(loops), prompts=tuple(PromptLine(prompt=one, loop="web") for one in prompts)
    )


def test_the_toolbar_counts():
    text = bar(seen(*SEVERAL, prompts=[prompt(3)]))
    assert text == " 1 running  1 resting  1 waiting for you  1 failed   1 prompt: answer"


def test_loops_that_fail_are_not_counted_as_resting():
    loops = [*SEVERAL, loop_line("bad", id=5, state=LoopState.RESTING, reason="no route")]
    assert "1 resting  1 failing" in bar(seen(*loops))


def test_loops_that_wait_for_a_place_are_counted_once():
    queued = Queued(place=1, taken=1, places=1)
    loops = [
        loop_line("a", state=LoopState.PENDING),
        loop_line("b", state=LoopState.PENDING, queued=queued),
        loop_line("c", state=LoopState.RESTING, reason="no route", queued=queued),
    ]
    assert bar(seen(*loops)) == " 2 queued  1 starting"


def test_the_toolbar_without_loops():
    assert bar(Snapshot()) == " connecting ..."
    assert bar(seen()) == " no active loops"
    assert bar(seen(loop_line(state=LoopState.COMPLETED))) == " no active loops"


def test_the_toolbar_shows_that_the_service_is_unreachable():
    assert (
        bar(Snapshot(problem=unavailable("cannot reach"), loops=tuple(SEVERAL)))
        == " ✘ the service is unreachable, trying again"
    )
    assert "denies access" in bar(Snapshot(problem=Problem(Code.DENIED, "cannot reach")))


@pytest.mark.parametrize("columns", [20, 30, 60])
def test_the_toolbar_fits(columns):
    assert width(bar(seen(*SEVERAL, prompts=[prompt(3)]), columns)) <= columns


def test_the_toolbar_shows_that_the_service_stops():
    now = Snapshot(is_read=True, draining=True, loops=(loop_line(),))
    assert bar(now) == f" {STOPPING}  1 running"
    assert bar(Snapshot(is_read=True, draining=True)) == f" {STOPPING}"
