"""Renders, inside the service, what `ftl2ctl` would print: the same commands, which ask the service by a call."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast, override

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.loop_replies import LoopPage
from ftl2_enterprise.protocol.system import Render, Rendered
from ftl2_enterprise.shell import parsing, registry
from ftl2_enterprise.shell.glance import VIEWS
from ftl2_enterprise.shell.session import Session
from ftl2_enterprise.terminal.paint import Painter

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.client import Client
    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.verb import Request

    type Ask = Callable[[Request[Any]], Any]

LONGEST = 1000
"""Letters of all words: a mistake in a longer one would be looked into for long."""
MOST = 300
"""Loops or prompts: the service answers nobody else meanwhile (measured: 6 ms for 200 loops)."""


def render(ask: Ask, request: Render) -> Rendered:
    """What the command prints. Raises Problem when it is none that is rendered here, and when it fails."""
    words = request.words
    if not words or words[0] not in VIEWS or sum(map(len, words)) > LONGEST:
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

for _name in VIEWS:
    # Here, so that it is loaded once, by the forkserver.
    registry.commands_of(registry.MODULES[_name])


class _Inside(Session):
    """A session that needs no connection."""

    def __init__(self, ask: Ask, *, out: Painter, socket: str | None, wants_json: bool) -> None:
        super().__init__(out=out, socket=socket, wants_json=wants_json, variables={})
        self._ask: Ask = ask

    @override
    def call[R](self, request: Request[R], *, timeout: float | None = None) -> R:
        reply = self._ask(request)
        if _entries(reply) > MOST:
            raise _refused()
        return reply

    @override
    def connect(self) -> Client:
        raise _refused()


def _entries(reply: object) -> int:
    entries = reply.loops if isinstance(reply, LoopPage) else reply
    return len(cast("list[object]", entries)) if isinstance(entries, list) else 1


def _refused() -> Problem:
    return invalid("cannot render that here", "what the client prints is made by itself then")
