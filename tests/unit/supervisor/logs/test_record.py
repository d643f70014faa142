"""Lines of logs: what a host wrote controls no terminal, and cannot be taken for another line.

The names and the visibility of a fact's fields are what the capability declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from ftl2_enterprise.protocol.fact import Fact, declare
from ftl2_enterprise.protocol.loops.facts import ActionSucceeded, IterationStarted, LoopConverged, PromptAsked
from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.render.fact_roles import role_of
from ftl2_enterprise.render.service.events import event_line
from ftl2_enterprise.render.service.logs import log_line
from ftl2_enterprise.supervisor.logs import journal
from ftl2_enterprise.supervisor.logs.record import decode, encode, for_eyes, of_event, with_fields
from tests.support.data.facts import event, sample

HOSTILE = "a\x1b]0;t\x07\x1b[31m\x9b1m\x00\u202e\x7f\r\n00:00:00 control  forged"
SHOWN = "a\ufffd1m\ufffd\ufffd\ufffd 00:00:00 control  forged"


class Assembled(Fact, frozen=True, tag="test.assembled"):
    """Something about a thing that has parts."""

    log_names: ClassVar[Mapping[str, str]] = {"wheel_id": "wheel", "axle_id": "axle"}
    for_programs: ClassVar[frozenset[str]] = frozenset({"axle_id"})

    wheel_id: int = 3
    axle_id: int = 4
    tool: str = "hammer"


declare(Assembled)
EVENT = event(Assembled(), id=9, subject="car:1")
LINE = of_event(EVENT, "red")


def entry(line: LogLine) -> list[str]:
    return journal.entry(line, "control").decode().splitlines()


def test_ids_of_parts_have_the_names_that_the_fact_declares() -> None:
    assert LINE.fields == {"event": 9, "car": "red", "car_id": 1, "wheel": 3, "axle": 4, "tool": "hammer"}


def test_texts_for_people_leave_out_what_the_fact_declares_and_what_repeats_the_source() -> None:
    assert with_fields(LINE) == "test.assembled wheel=3 tool=hammer"
    assert log_line(LINE).plain.endswith("Z car:red: test.assembled wheel=3 tool=hammer")
    assert event_line(EVENT, "red", role_of(Assembled())).plain.endswith("red test.assembled wheel_id=3 tool=hammer")


def test_the_journal_has_the_parts_as_fields_and_no_other_ones() -> None:
    assert {one for one in entry(LINE) if one.startswith("FTL2_")} == {
        "FTL2_PROCESS=control",
        "FTL2_EVENT=9",
        "FTL2_CAR=red",
        "FTL2_CAR_ID=1",
        "FTL2_WHEEL=3",
        "FTL2_AXLE=4",
    }


def test_a_line_that_is_about_no_event_shows_fields_of_the_same_names() -> None:
    line = LogLine(at=1, level="info", message="test.assembled", source="control", fields={"axle": 4, "car_id": 1})
    assert with_fields(line) == "test.assembled axle=4 car_id=1"
    assert not [one for one in entry(line) if one.startswith("FTL2_AXLE")]


@pytest.mark.parametrize(
    ("fact", "fields", "text"),
    [
        (IterationStarted, {"iteration": 5}, "iteration.started n=1 run=1 in_run=1 of=1"),
        (LoopConverged, {"iteration": 5}, "loop.converged run=1 iterations=1 changed=1 by=check"),
        (PromptAsked, {"iteration": 5, "prompt_id": 6}, "prompt.asked prompt_id=6 question=x"),
        (ActionSucceeded, {"iteration": 5, "action": 7}, "action.succeeded action=7 n=1 module=shell host=web1"),
    ],
)
def test_the_facts_of_loops_name_their_iteration_and_action(fact, fields, text) -> None:
    given = {"n": 1, "run": 1, "in_run": 1, "of": 1, "iterations": 1, "by": "check", "question": "x"}
    given |= {"module": "shell", "host": "web1", "changed": fact is ActionSucceeded or 1}
    parts = {"iteration_id": 5, "action_id": 7, "prompt_id": 6}
    known = {name: value for name, value in {**given, **parts}.items() if name in fact.__struct_fields__}
    line = of_event(event(sample(fact, **known)), "web")
    assert {name: line.fields[name] for name in fields} == fields
    assert with_fields(line).startswith(text)


# --- hostile texts -------------------------------------------------------------------------------------------------


def test_a_message_is_one_line_without_controls() -> None:
    line = LogLine(at=0, level="info", message=HOSTILE, source="loop:web")
    assert for_eyes(line) == f"00:00:00 loop:web  {SHOWN}"
    assert with_fields(line) == SHOWN


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}])
def test_a_field_is_quoted_and_escaped(value: object) -> None:
    shown = with_fields(LogLine(at=0, level="info", message="m", source="s", fields={"error": value}))
    assert shown.startswith("m error=")
    assert all(letter.isprintable() for letter in shown)


def test_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    fields = {"traceback": "Traceback:\n  raise ValueError('\x1b[31m\x9b')"}
    shown = with_fields(LogLine(at=0, level="error", message="m", source="s", fields=fields))
    assert shown == "m\nTraceback:\n  raise ValueError('\ufffd')"


def test_a_line_in_a_file_has_no_controls_and_is_read_as_it_was() -> None:
    line = LogLine(at=0, level="info", message=HOSTILE, source="loop:web", fields={"error": HOSTILE})
    stored = encode(line)
    assert stored.endswith(b"\n")
    assert stored[:-1].decode().isprintable()
    assert decode(stored) == line
