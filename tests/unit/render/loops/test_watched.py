"""What is shown of a loop that is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.facts import (
    ActionSucceeded,
    IterationChecked,
    IterationDecided,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopCompleted,
    LoopConverged,
    LoopDrifted,
    LoopRested,
    LoopStarted,
)
from ftl2_enterprise.render.loops.narrator import Narrator
from ftl2_enterprise.render.loops.watched import Watched, timed
from ftl2_enterprise.render.text import fitted, line
from tests.support.data import facts

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.fact import Fact

HOUR = 3_600_000_000


def at(second: int, fact: type[Fact], **fields: Any) -> Event:
    return facts.event(fact, id=second, at=HOUR + second * 1_000_000, **fields)


def rendered(watched: Watched, *events: Event) -> list[str]:
    return [one.plain for event in events for one in watched.lines_of_event(event)]


def noop_iteration(second: int, n: int) -> list[Event]:
    return [
        at(second, LoopStarted, run=n, resumed=False),
        at(second, IterationStarted, n=n, in_run=1, of=10),
        at(second, IterationObserved, names=["files"], failed=[], denied=[]),
        at(second, IterationChecked, held=True),
        at(second, LoopConverged, run=n, iterations=1, changed=0, by="check"),
        at(second, IterationEnded, n=n, outcome="check_held"),
    ]


def rest(second: int, **data: Any) -> Event:
    return at(second, LoopRested, **{"delay": 5.0, "outcome": "converged", "failures": 0} | data)


def test_a_noop_iteration_is_one_line():
    watched = Watched(Narrator())
    assert rendered(watched, *noop_iteration(1, 7), rest(2)) == ["01:00:02Z iteration 7: as desired"]
    assert rendered(watched, *noop_iteration(6, 8), rest(7)) == ["01:00:07Z iteration 8: as desired"]


def test_an_iteration_with_a_change_is_shown_in_full_with_times():
    watched = Watched(Narrator())
    happened = [
        *noop_iteration(1, 7)[:2],
        at(2, IterationObserved, names=["files"], failed=[], denied=[]),
        at(3, LoopDrifted),
        at(
            3,
            IterationDecided,
            by="manifest",
            reasoning="one is missing",
            unmet=["a", "b"],
            actions=[{"module": "copy"}],
        ),
        at(4, ActionSucceeded, action_id=1, module="copy", host="web1", changed=True, seconds=1.5),
    ]
    assert rendered(watched, *happened) == [
        "01:00:01Z run 7",
        "01:00:01Z iteration 7 (1 of 10)",
        "01:00:02Z   observed files",
        "01:00:03Z   drift: the observed state no longer matches the desired state",
        "01:00:03Z   not as desired: a",
        "            not as desired: b",
        "            manifest: one is missing",
        "            manifest proposes 1 action",
        "01:00:04Z   changed   copy on web1 (1.5 s)",
    ]
    repaired = [
        at(5, IterationStarted, n=8, in_run=2, of=10),
        at(5, IterationDecided, by="manifest", reasoning="all is in place", converged=True),
        at(5, LoopConverged, run=7, iterations=2, changed=1, by="manifest"),
    ]
    assert rendered(watched, *repaired, rest(6)) == [
        "01:00:05Z iteration 8 (2 of 10)",
        "01:00:05Z   manifest: all is in place",
        "01:00:05Z converged after 2 iterations: 1 change (decided by manifest)",
        "01:00:06Z next check in 5.0 s",
    ]


def test_a_failed_iteration_is_shown_in_full():
    watched = Watched(Narrator())
    lines = rendered(watched, *noop_iteration(1, 7)[:2], rest(2, outcome="failed", failures=1, reason="no route"))
    assert lines == [
        "01:00:01Z run 7",
        "01:00:01Z iteration 7 (1 of 10)",
        "01:00:02Z failed: no route; 1 failed run in a row; next run in 5.0 s",
    ]


def test_the_last_iteration_of_a_loop_that_ends_is_shown():
    watched = Watched(Narrator())
    assert rendered(watched, *noop_iteration(1, 1), at(2, LoopCompleted))[-1].startswith(
        "01:00:01Z converged after 1 iteration"
    )


def test_held_lines_can_be_read():
    watched = Watched(Narrator())
    assert not rendered(watched, *noop_iteration(1, 7)[:3])
    assert [one.plain for one in watched.held_lines()][-1] == "01:00:01Z   observed files"
    assert rendered(watched, rest(2)) == ["01:00:02Z next check in 5.0 s"]


def test_a_long_line_is_continued_next_to_its_time():
    (one,) = timed([line("one two three four five six", indent=2)], HOUR)
    assert [part.plain.rstrip() for part in fitted(one, 32)] == [
        "01:00:00Z   one two three four",
        " " * 14 + "five six",
    ]
