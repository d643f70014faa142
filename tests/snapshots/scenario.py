"""Scenarios: views, and lines that commands print, of fixed nouns; and the forms in which each is recorded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from ftl2_enterprise.render.colour import Painter
from ftl2_enterprise.render.json_output import OTHER_INSTANTS, document, text
from ftl2_enterprise.render.view import ViewContent
from tests.support.data import builders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.render.text import Line

NOW: Instant = 1_767_225_600_000_000
"""2026-01-01 00:00:00 UTC, in place of the time at which the builders were imported."""
WIDTHS = (80, 120)


class FixedReader:
    """A reader whose replies are given, with the current time NOW."""

    def __init__(self, replies: Mapping[type[Request[Any]], Any], room: int | None) -> None:
        self._replies = replies
        self.room: int | None = room

    def call[R](self, request: Request[R]) -> R:
        """The reply that is given for the verb, or what a function of the request returns."""
        reply = self._replies[type(request)]
        return cast("R", fixed(reply(request) if callable(reply) else reply))

    def now(self) -> Instant:
        """The current time."""
        return NOW

    def command(self, words: str) -> str:
        """The command as it is typed into a shell of the system."""
        return f"ftl2ctl {words}"


class Scenario(NamedTuple):
    """One use of a view; `has_colour` adds a form with the control sequences of colours, `has_json` the document."""

    title: str
    render: Callable[[FixedReader], ViewContent | Line | list[Line]]
    replies: Mapping[type[Request[Any]], Any] = {}
    has_colour: bool = False
    has_json: bool = False


def fixed[T](noun: T) -> T:
    """The noun with its instants moved by the difference of the builders' time and NOW."""
    if isinstance(noun, list):
        return cast("T", [fixed(one) for one in cast("list[Any]", noun)])
    if not isinstance(noun, msgspec.Struct):
        return noun
    return msgspec.convert(_moved(msgspec.to_builtins(noun)), type(noun))


def _moved(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {key: _moved(one, key) for key, one in cast("dict[str, Any]", value).items()}
        case list():
            return [_moved(one) for one in cast("list[Any]", value)]
        case int() if name.endswith("_at") or name in OTHER_INSTANTS:
            return value - builders.NOW + NOW
        case _:
            return value


def golden(scenarios: Iterable[Scenario]) -> str:
    """The text of a golden file: each scenario in each of its forms, below a title."""
    return "\n".join(f"{'=' * 10} {title} {'=' * 10}\n{shown}" for one in scenarios for title, shown in _forms(one))


def _forms(one: Scenario) -> Iterable[tuple[str, str]]:
    yield f"{one.title}: no terminal", _shown(one, None)
    for width in WIDTHS:
        yield f"{one.title}: {width} columns", _shown(one, width)
    if one.has_colour:
        yield (
            f"{one.title}: 80 columns, colours",
            _shown(one, 80, has_colour=True).replace("\x1b", "\N{SYMBOL FOR ESCAPE}"),
        )
    if one.has_json:
        found = one.render(FixedReader(one.replies, None))
        assert isinstance(found, ViewContent)
        yield f"{one.title}: JSON", text(document(found.document)) + "\n"


def _shown(one: Scenario, width: int | None, *, has_colour: bool = False) -> str:
    found = one.render(FixedReader(one.replies, width))
    lines = found.lines() if isinstance(found, ViewContent) else found
    painter = Painter(stream=io.StringIO(), is_terminal=width is not None, has_colour=has_colour, width=width or 0)
    return painter.text(lines)
