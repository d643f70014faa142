"""What ftl2ctl shows: tables that fit, states in words, the toolbar, announcements."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.ctl import loop_tables
from ftl2_enterprise.ctl.loop_text import NEXT_START, STOPPING, standing, stopping, why
from ftl2_enterprise.ctl.repl import notifications, toolbar
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from ftl2_enterprise.protocol.loops.nouns import Condition, Desired, LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import PromptLine, Queued
from ftl2_enterprise.render.colour import Painter
from ftl2_enterprise.render.loops import history
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Role, cut, fields_text, fitted, line, person, symbol, width
from tests.support.builders import NOW, ago, iteration, loop_line, prompt

LONG = "a-very-long-name-that-somebody-has-given-to-a-loop"
MANY = [
    loop_line("web", id=1),
    loop_line("数据库-主", id=2, state=LoopState.WAITING, open_prompts=2, pid=None),
    loop_line(LONG, id=3, state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="x" * 300, failed_count=40),
    loop_line("db", id=4, state=LoopState.RESTING, next_run_at=ago(-40), cost_usd=1.25),
]


def shown(lines, *, terminal: bool = True) -> list[str]:
    out = Painter(stream=io.StringIO(), is_terminal=terminal, has_colour=False)
    return [out.rendered(one) for one in lines]


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(columns):
    lines = shown(loop_tables.loop_table(MANY, NOW, columns))
    assert len(lines) == 5
    assert max(width(one) for one in lines) <= columns
    assert all("web" in lines[1] and name in " ".join(lines) for name in ("db", "数据库"))


def test_a_wide_terminal_shows_everything():
    text = "\n".join(shown(loop_tables.loop_table(MANY, NOW, 500)))
    assert LONG in text
    assert "x" * 190 in text
    assert all(title in text for title in ("LAST LOOK", "MODE", "ITER", "CHANGED", "FAILED", "COST", "PID", "WHY"))


def test_a_narrow_terminal_keeps_name_and_state():
    text = shown(loop_tables.loop_table(MANY, NOW, 60))
    assert "COST" not in text[0]
    assert "MODE" not in text[0]
    assert "STATE" in text[0]
    assert "waiting for you" in text[2]
    assert "…" in text[3]


def test_wide_letters_do_not_shift_the_columns():
    lines = shown(table([Column("A"), Column("B")], [[cell("数据库"), cell("x")], [cell("abcdef"), cell("y")]], 40))
    at = {width(one[: one.index(last)]) for one, last in zip(lines[1:], "xy", strict=True)}
    assert at == {8}


def test_symbols_are_for_terminals():
    rows = [[cell(symbol("●", Role.GOOD), "up"), cell("x")], [cell("down"), cell("y")]]
    assert shown(table([Column("S"), Column("T")], rows, 40))[1] == "● up  x"
    assert shown(table([Column("S"), Column("T")], rows), terminal=False)[1:] == ["up    x", "down  y"]


def test_numbers_stand_below_each_other():
    lines = shown(
        table([Column("N", right=True), Column("X")], [[cell("7"), cell("a")], [cell("123"), cell("b")]], 40)
    )
    assert lines == ["  N  X", "  7  a", "123  b"]


def test_a_column_without_anything_to_tell_is_left_out():
    lines = shown(table([Column("A"), Column("B", spare=1)], [[cell("x"), cell("-")]], 40))
    assert lines == ["A", "x"]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_categories=("C", "M", "Z")), max_size=30)] * 3),
        max_size=5,
    ),
    st.integers(min_value=20, max_value=90),
)
def test_any_table_fits(rows, room):
    columns = [Column("ONE", least=5), Column("TWO", spare=1), Column("THREE")]
    for one in shown(table(columns, [[cell(text) for text in row] for row in rows], room)):
        assert width(one) <= room


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "M")), max_size=40), st.integers(0, 50))
def test_a_text_is_cut_to_its_columns(text, columns):
    assert width(cut(text, columns)) <= columns
    assert cut(text, 200) == text


# --- loops ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word", "reason"),
    [
        ({}, "running", ""),
        ({"desired": Desired.PAUSE}, "pausing", ""),
        ({"desired": Desired.STOP}, "stopping", ""),
        ({"desired": Desired.CANCEL, "state": LoopState.RESTING, "next_run_at": None}, "cancelling", ""),
        ({"desired": Desired.PAUSE, "state": LoopState.PAUSED}, "paused", ""),
        ({"state": LoopState.PENDING}, "starting", ""),
        ({"state": LoopState.PAUSED}, "resuming", ""),
        ({"state": LoopState.PAUSED, "desired": Desired.PAUSE, "reason": "paused on request"}, "paused", ""),
        ({"state": LoopState.PAUSED, "reason": "stopped on request"}, "resuming", ""),
        ({"state": LoopState.PENDING, "managed": False}, "pending", "left by a foreground run"),
        ({"managed": False}, "running", "run in the foreground"),
        ({"state": LoopState.WAITING, "open_prompts": 1}, "waiting for you", "1 prompt"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90)}, "resting", "next look in 90 s"),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(-90), "reason": "no route"},
            "failing",
            "no route; next look in 90 s",
        ),
        ({"state": LoopState.BLOCKED, "reason": "no\nroute"}, "blocked", "no route"),
        ({"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED}, "converged", ""),
        ({"state": LoopState.FAILED, "outcome": Outcome.DENIED, "reason": "by policy"}, "denied", "by policy"),
        (
            {"state": LoopState.PENDING, "queued": Queued(place=3, taken=1, places=1)},
            "queued",
            "number 3 in the queue: 1 of 1 places taken (supervisor.max_running)",
        ),
        (
            {"state": LoopState.RESTING, "next_run_at": ago(9), "queued": Queued(place=12, taken=5, places=4)},
            "queued",
            "number 12 in the queue: 5 of 4 places taken (supervisor.max_running)",
        ),
        (
            {"desired": Desired.CANCEL, "queued": Queued(place=1, taken=1, places=1)},
            "cancelling",
            "number 1 in the queue: 1 of 1 places taken (supervisor.max_running)",
        ),
        ({"restart_at": ago(-5)}, "restarting", "its process died; again in 5.0 s"),
        ({"restart_at": ago(-30), "reason": "crashed"}, "restarting", "crashed; again in 30 s"),
    ],
)
def test_where_a_loop_stands(fields, word, reason):
    loop = loop_line(**fields)
    assert standing(loop).word == word
    assert why(loop, NOW) == reason


@pytest.mark.parametrize("state", list(LoopState))
@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize("condition", list(Condition))
def test_every_state_has_words(state, desired, condition):
    loop = loop_line(state=state, desired=desired, condition=condition)
    assert standing(loop).word
    assert loop_tables.loop_table([loop], NOW, 100)


def test_hostile_names_cannot_steer_the_terminal():
    loop = loop_line("we\x1b[2Jb\r\n", reason="\x1b]0;x\x07oops", state=LoopState.BLOCKED)
    assert "\x1b" not in "\n".join(shown(loop_tables.loop_table([loop], NOW, 100)))


# --- toolbar -------------------------------------------------------------------------------------------------------


def bar(now: Snapshot, columns: int = 100) -> str:
    return "".join(text for _, text in toolbar.fragments(now, columns))


def seen(*loops, prompts=()) -> Snapshot:
    return Snapshot(
        has_looked=True, loops=tuple(loops), prompts=tuple(PromptLine(prompt=one, loop="web") for one in prompts)
    )


def test_the_toolbar_counts():
    text = bar(seen(*MANY, prompts=[prompt(3)]))
    assert text == " 1 running  1 resting  1 waiting for you  1 failed   1 prompt: answer"


def test_loops_that_fail_are_not_counted_as_resting():
    loops = [*MANY, loop_line("bad", id=5, state=LoopState.RESTING, reason="no route")]
    assert "1 resting  1 failing" in bar(seen(*loops))
    assert "1 resting, 1 failing" in shown([loop_tables.counts_line(loops)])[0]
    assert loop_tables.urgency(loops[-1]) < loop_tables.urgency(loops[3])


def test_loops_that_wait_for_a_place_are_counted_once():
    queued = Queued(place=1, taken=1, places=1)
    loops = [
        loop_line("a", state=LoopState.PENDING),
        loop_line("b", state=LoopState.PENDING, queued=queued),
        loop_line("c", state=LoopState.RESTING, reason="no route", queued=queued),
    ]
    assert bar(seen(*loops)) == " 2 queued  1 starting"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90)}, NEXT_START),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "reason": "no route"}, f"no route; {NEXT_START}"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "desired": Desired.PAUSE}, ""),
        ({"state": LoopState.PENDING}, NEXT_START),
        ({"state": LoopState.PENDING, "queued": Queued(place=1, taken=1, places=1)}, NEXT_START),
        ({"restart_at": ago(-30), "reason": "crashed"}, f"crashed; {NEXT_START}"),
        ({"state": LoopState.WAITING, "open_prompts": 1}, "1 prompt"),
        ({"state": LoopState.FAILED, "outcome": Outcome.FAILED, "reason": "no"}, "no"),
        ({"state": LoopState.RESTING, "next_run_at": ago(-90), "managed": False}, "next look in 90 s"),
    ],
)
def test_nothing_comes_next_while_the_service_stops(fields, reason):
    assert why(loop_line(**fields), NOW, draining=True) == reason


def test_it_is_said_that_the_service_stops():
    assert stopping([loop_line(), loop_line(id=2, pid=None)]) == f"{STOPPING}: 1 loop finishes its step in hand"
    assert stopping([loop_line(), loop_line(id=2)]) == f"{STOPPING}: 2 loops finish their steps in hand"
    assert stopping([loop_line(managed=False)]) == f"{STOPPING}: no loop has a step in hand"
    now = Snapshot(has_looked=True, draining=True, loops=(loop_line(),))
    assert bar(now) == f" {STOPPING}  1 running"
    assert bar(Snapshot(has_looked=True, draining=True)) == f" {STOPPING}"


def test_the_toolbar_of_nothing():
    assert bar(Snapshot()) == " connecting ..."
    assert bar(seen()) == " no loops at work"
    assert bar(seen(loop_line(state=LoopState.COMPLETED))) == " no loops at work"


def test_the_toolbar_tells_that_nothing_can_be_seen():
    assert (
        bar(Snapshot(problem=unavailable("cannot reach"), loops=tuple(MANY)))
        == " ✘ the service is unreachable, trying again"
    )
    assert "does not let you in" in bar(Snapshot(problem=Problem(Code.DENIED, "cannot reach")))


@pytest.mark.parametrize("columns", [20, 30, 60])
def test_the_toolbar_fits(columns):
    assert width(bar(seen(*MANY, prompts=[prompt(3)]), columns)) <= columns


# --- announcements -------------------------------------------------------------------------------------------------


def news(before: Snapshot, now: Snapshot) -> list[str]:
    return [one.plain for one in notifications.news(before, now)]


def test_a_new_prompt_is_announced_once():
    before, now = seen(), seen(prompts=[prompt(3)])
    assert news(before, now) == ["web asks: Restart nginx now? (yes / no)", "  -> answer 3"]
    assert news(now, now) == []


def test_prompts_found_at_the_first_look_are_not_news():
    assert news(Snapshot(), seen(prompts=[prompt(3)])) == []


def test_prompts_that_came_while_the_service_was_away_are_announced():
    gone = Snapshot(has_looked=True, problem=unavailable("cannot reach"))
    assert news(gone, seen(prompts=[prompt(3)])) == [
        "the service is there",
        "web asks: Restart nginx now? (yes / no)",
        "  -> answer 3",
    ]


def test_many_prompts_at_once_are_counted():
    told = news(seen(), seen(prompts=[prompt(n) for n in range(1, 10)]))
    assert len(told) == 11
    assert told[-1] == "and 4 more prompts: prompts"


def test_a_lost_service_is_told_once():
    gone = Snapshot(has_looked=True, problem=unavailable("cannot reach"))
    assert news(seen(), gone) == ["the service is unreachable, trying again"]
    assert news(gone, gone) == []
    assert news(gone, seen()) == ["the service is there"]


def test_a_refusal_is_explained():
    refused = Snapshot(problem=Problem(Code.DENIED, "cannot reach the service: permission denied", hint="ask for it"))
    assert news(Snapshot(), refused) == [
        "the service does not let you in",
        "  cannot reach the service: permission denied",
        "  ask for it",
    ]


def test_a_loop_that_failed_is_announced_once():
    bad = loop_line(state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="10 were not enough")
    assert news(seen(loop_line()), seen(bad)) == ["web not converged: 10 were not enough"]
    assert news(seen(bad), seen(bad)) == []


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"a": 1, "b": None, "c": "", "d": [], "e": {}}, "a=1"),
        ({"names": ["x", "y"]}, 'names="x, y"'),
        ({"ok": True, "text": "two\nlines"}, 'ok=true text="two lines"'),
        ({"error": 'no "file" here', "rc": 1}, 'error="no \\"file\\" here" rc=1'),
        ({"limits": {"a": [1, 2]}}, 'limits={"a":[1,2]}'),
        ({"actions": [{"module": "shell"}]}, 'actions=[{"module":"shell"}]'),
        ({"restart_at": 1_000_000}, 'restart_at="1970-01-01 00:00:01Z"'),
        ({"name": "\x1b[2Jx"}, "name=x"),
    ],
)
def test_fields_are_told_on_one_line(fields, shown):
    assert fields_text(fields) == shown


@pytest.mark.parametrize(
    ("actor", "name"), [("ada (uid 7, pid 8)", "ada"), ("default", "default"), (None, "somebody")]
)
def test_people_are_named_without_their_ids(actor, name):
    assert person(actor) == name


def test_what_follows_stands_under_what_it_belongs_to():
    lines = fitted(line("name      ", "some words that do not fit", hang=10), 30)
    assert [one.plain.rstrip() for one in lines] == ["name      some words that do", "          not fit"]


def test_history_says_where_looks_are_missing():
    def told(*numbers: int, from_first: bool) -> dict[int, str]:
        every = [iteration(n, id=100 + n) for n in numbers]
        found = history.forgotten_lines(every, from_first=from_first)
        return {key - 100: one.plain for key, one in found.items()}

    missing = "found everything in place, not kept any more"
    assert told(from_first=True) == told(1, 2, 3, from_first=True) == told(7, 8, from_first=False) == {}
    assert told(3, 4, 9, from_first=True) == {3: f"2 looks that {missing}", 9: f"4 looks that {missing}"}
    assert told(3, 5, from_first=False) == {5: f"1 look that {missing}"}
