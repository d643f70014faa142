"""Renders, inside the service, what `ftl2ctl` would print: the same commands, which ask the service by a call."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast, override

import msgspec

import ftl2_enterprise.render.json_output
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl import parsing, registry
from ftl2_enterprise.ctl.fast_path import VIEWS
from ftl2_enterprise.ctl.session import Session
from ftl2_enterprise.protocol.service.verbs import Render, Rendered
from ftl2_enterprise.render.colour import Painter

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.client import Client
    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.verb import Ask, Request

MOST = 300
"""Loops or prompts: the service answers nobody else meanwhile."""


def render(ask: Ask, request: Render) -> Rendered:
    """What the command prints. Raises Problem when it is none that is rendered here, and when it fails."""
    words = request.words
    if not words or words[0] not in VIEWS:
        raise _refused()
    command, rest = registry.find(words, in_shell=False)
    given = parsing.parse(command, rest)
    own = [flag.name for flag in (*registry.GLOBAL_FLAGS, *command.flags) if flag.stays or flag in NOT_HERE]
    if not command.is_view or any(given.has(name) for name in own):
        raise _refused()
    sheet = io.StringIO()
    out = Painter(stream=sheet, is_terminal=request.width > 0, has_colour=request.colour, width=request.width)
    session = _Inside(ask, out=out, socket=request.socket, wants_json=given.has("json"))
    if command.run(session, given):
        raise _refused()
    return Rendered(text=sheet.getvalue())


NOT_HERE = tuple(flag for flag in registry.GLOBAL_FLAGS if flag is not registry.JSON)
"""What they ask for is for the client to do."""
RENDERS: dict[type[Request[Any]], Callable[[Any, Any], Any]] = {Render: render}

# Here, so that it is loaded once, by the forkserver, and not from whatever is on the disk when it is first needed.
LOADED = (ftl2_enterprise.render.json_output, *(registry.commands_of(registry.MODULES[name]) for name in VIEWS))


class _Inside(Session):
    """A session that needs no connection."""

    def __init__(self, ask: Ask, *, out: Painter, socket: str | None, wants_json: bool) -> None:
        super().__init__(out=out, socket=socket, wants_json=wants_json, variables={})
        self._ask: Ask = ask

    @override
    def call[R](self, request: Request[R], *, timeout: float | None = None) -> R:
        if getattr(request, "limit", 0) > MOST:
            # One more, so that it is known that there are more.
            request = msgspec.structs.replace(request, limit=MOST + 1)
        reply = self._ask(request)
        if _entries(reply) > MOST:
            raise _refused()
        return reply

    @override
    def connect(self) -> Client:
        raise _refused()


def _entries(reply: object) -> int:
    """The length of the longest list in it."""
    fields = msgspec.structs.astuple(reply) if isinstance(reply, msgspec.Struct) else (reply,)
    return max((len(cast("list[object]", one)) for one in fields if isinstance(one, list)), default=0)


def _refused() -> Problem:
    return invalid("cannot render that here", "what the client prints is made by itself then")
