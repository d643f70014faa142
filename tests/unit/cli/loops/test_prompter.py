"""Prompts of a foreground run: who answers them, and that a question can be withdrawn."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from ftl2_enterprise.cli.loops.progress import SilentProgress
from ftl2_enterprise.cli.loops.prompter import LineReader, NonInteractivePeople, TerminalPeople
from ftl2_enterprise.protocol.loops.nouns import Prompt, PromptKind, PromptState
from ftl2_enterprise.render.colour import painter

if TYPE_CHECKING:
    from collections.abc import Iterator


def prompt(*options: str, default: str | None = None) -> Prompt:
    return Prompt(
        id=7, loop_id=1, iteration_id=1, key="k", question="Which?", options=list(options), default=default,
        context=None, state=PromptState.OPEN, answer=None, answered_by=None, asked_at=0, deadline_at=None,
        answered_at=None,
    )  # fmt: skip


async def test_without_a_person_the_default_applies_then_the_first_option_then_nothing() -> None:
    people = NonInteractivePeople()
    assert await people.ask(prompt("red", "blue", default="blue")) == "blue"
    assert await people.ask(prompt("red", "blue")) == "red"
    assert await people.ask(prompt()) is None


@pytest.fixture
def pipe() -> Iterator[tuple[io.TextIOWrapper, int]]:
    read, write = os.pipe()
    with os.fdopen(read) as stream, os.fdopen(write, "wb", buffering=0) as end:
        yield stream, end.fileno()


def asking(stream: io.TextIOBase | None) -> tuple[TerminalPeople, io.StringIO]:
    out = io.StringIO()
    return TerminalPeople(painter(out, {}), SilentProgress(), LineReader(stream)), out  # pyright: ignore[reportArgumentType]


async def test_it_asks_until_the_answer_is_valid(pipe: tuple[io.TextIOWrapper, int]) -> None:
    stream, end = pipe
    os.write(end, b"green\n\n2\nrest\n")
    people, out = asking(stream)
    assert await people.ask(prompt("red", "blue")) == "blue"
    assert "prompt 7: Which?" in out.getvalue()
    assert "cannot accept 'green'" in out.getvalue()
    assert await people.ask(prompt()) == "rest"


async def test_an_approval_needs_a_word(pipe: tuple[io.TextIOWrapper, int]) -> None:
    stream, end = pipe
    os.write(end, b"1\n2\nreject\n")
    people, out = asking(stream)
    assert await people.ask(replace(prompt("approve", "reject"), kind=PromptKind.APPROVAL)) == "reject"
    assert out.getvalue().count("write approve or reject; it is for all listed actions") == 2
    assert "1) approve" not in out.getvalue()
    assert "  approve: the loop observes again, and executes the actions if nothing has changed\n" in out.getvalue()


async def test_an_empty_line_takes_the_default(pipe: tuple[io.TextIOWrapper, int]) -> None:
    stream, end = pipe
    os.write(end, b"\n")
    people, _ = asking(stream)
    assert await people.ask(prompt("red", "blue", default="blue")) == "blue"


async def test_the_end_of_the_input_is_no_answer(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")
    with empty.open() as stream, Path(os.devnull).open() as nothing:
        for source in (stream, nothing, None):
            people, _ = asking(source)
            assert await people.ask(prompt("red", "blue", default="blue")) is None


async def test_a_last_line_without_a_line_break_is_read(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text("red")
    with file.open() as stream:
        people, _ = asking(stream)
        assert await people.ask(prompt("red", "blue")) == "red"


async def test_a_question_can_be_withdrawn_and_leaves_no_thread(pipe: tuple[io.TextIOWrapper, int]) -> None:
    stream, end = pipe
    people, out = asking(stream)
    threads = threading.active_count()
    question = asyncio.create_task(people.ask(prompt("red", "blue")))
    async with asyncio.timeout(10):
        while "Which?" not in out.getvalue():
            await asyncio.sleep(0)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    assert threading.active_count() == threads
    os.write(end, b"1\n")
    assert await people.ask(prompt("red", "blue")) == "red"
