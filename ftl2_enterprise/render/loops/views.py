"""The views of loops that the service renders itself, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.render.loops import loop_list, prompts
from ftl2_enterprise.render.loops.loop_detail import loop_view

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.service.verbs import Render
    from ftl2_enterprise.render.view import ViewContent, ViewReader
    from ftl2_enterprise.render.views import View


def _status(reader: ViewReader, request: Render) -> ViewContent:
    if request.of is not None:
        return loop_view(reader, loop=request.of)
    return loop_list.loops_view(reader, finished=request.every, limit=request.limit or loop_list.LIMIT)


def _show(reader: ViewReader, request: Render) -> ViewContent:
    if request.of is None:
        raise invalid("cannot show a loop without its name or id")
    return loop_view(reader, loop=request.of)


def _prompts(reader: ViewReader, request: Render) -> ViewContent:
    return prompts.prompts_view(reader, loop=request.of, settled=request.every, limit=request.limit or prompts.LIMIT)


VIEWS: dict[str, View] = {
    "status": _status,
    "show": _show,
    "prompts": _prompts,
}
