"""The views that the service renders: the same functions as in its clients, with a reader that calls its handlers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.clock import Instant, SystemClock
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.service.verbs import Render, Rendered
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.colour import Painter
from ftl2_enterprise.render.views import views

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.verb import Ask, Request

MOST = 300
"""Entries of a list: the service answers no other client while it renders."""
CLIENT = "ftl2ctl"
"""The program for which views are rendered; offered commands begin with its name."""
VIEWS = views()


def render(ask: Ask, request: Render) -> Rendered:
    """The text of a view. Raises Problem for views that only clients render, and when reading fails."""
    view = VIEWS.get(request.view)
    if view is None:
        raise _refused()
    sheet = io.StringIO()
    out = Painter(stream=sheet, is_terminal=request.width > 0, has_colour=request.colour, width=request.width)
    shown = view(_HandlerReader(ask, out, request.socket), request)
    if request.json:
        sheet.write(json_output.text(json_output.document(shown.document)) + "\n")
    else:
        out.print(shown.lines())
    return Rendered(text=sheet.getvalue())


RENDERS: dict[type[Request[Any]], Callable[[Any, Any], Any]] = {Render: render}


class _HandlerReader:
    """Reads through the handlers of the service, with the caller's access."""

    def __init__(self, ask: Ask, out: Painter, socket: str | None) -> None:
        self._ask = ask
        self._out = out
        self._socket = socket

    def call[R](self, request: Request[R]) -> R:
        if getattr(request, "limit", 0) > MOST:
            # One more than the limit shows whether there are too many.
            request = msgspec.structs.replace(request, limit=MOST + 1)
        reply = self._ask(request)
        if _entries(reply) > MOST:
            raise _refused()
        return reply

    def now(self) -> Instant:
        return SystemClock().now()

    @property
    def room(self) -> int | None:
        return self._out.room

    def command(self, words: str) -> str:
        return f"{CLIENT} --socket {self._socket} {words}" if self._socket else f"{CLIENT} {words}"


def _entries(reply: object) -> int:
    """The length of the longest list in a reply."""
    fields = msgspec.structs.astuple(reply) if isinstance(reply, msgspec.Struct) else (reply,)
    return max((len(cast("list[object]", one)) for one in fields if isinstance(one, list)), default=0)


def _refused() -> Problem:
    return invalid("cannot render that view here", "the client renders it itself")
