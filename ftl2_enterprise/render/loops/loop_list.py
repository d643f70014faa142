"""The view of all loops: counts, table, open prompts; without loops, the command that submits one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.loops.loop_table import counts_line, loop_table, stopping_lines
from ftl2_enterprise.render.loops.prompts import open_prompt_lines
from ftl2_enterprise.render.text import Line, Role, line
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.replies import LoopLine
    from ftl2_enterprise.render.view import ViewReader

LIMIT = 1000
PAGE = 1000


def loops_view(reader: ViewReader, *, finished: bool, limit: int = LIMIT) -> ViewContent:
    """The loops that have not ended, or all of them, newest first; the document is the reply `LoopPage`."""
    page = read_loops(reader, finished=finished, limit=limit)
    return ViewContent(page, lambda: _lines(reader, page, finished=finished, limit=limit))


def read_loops(reader: ViewReader, *, finished: bool, limit: int = LIMIT) -> LoopPage:
    """The newest loops up to the limit, read page by page. Raises Problem."""
    page = reader.call(ListLoops(finished=finished, limit=min(limit, PAGE)))
    loops: list[LoopLine] = list(page.loops)
    while page.more is not None and len(loops) < limit:
        page = reader.call(ListLoops(finished=finished, before=page.more, limit=min(limit - len(loops), PAGE)))
        loops += page.loops
    return LoopPage(loops=loops, more=page.more, draining=page.draining)


def _lines(reader: ViewReader, page: LoopPage, *, finished: bool, limit: int) -> list[Line]:
    freezes = reader.call(ListFreezes())
    stopping = [
        *freeze_lines(freezes, reader.now()),
        *stopping_lines(page.loops, draining=page.draining),
    ]
    if not page.loops:
        return [*stopping, *_empty(reader, finished=finished)]
    table = loop_table(page.loops, reader.now(), reader.room, draining=page.draining, freezes=freezes)
    shown = [*stopping, counts_line(page.loops), *table]
    if page.more is not None:
        every = " --all" if finished else ""
        shown.append(offer(reader, "more", f"status{every} --limit {max(10 * limit, LIMIT)}"))
    if any(loop.open_prompts for loop in page.loops):
        shown += [line(), *open_prompt_lines(reader, reader.call(ListPrompts()))]
    return shown


def _empty(reader: ViewReader, *, finished: bool) -> list[Line]:
    submit = (reader.command("submit -f FILE"), Role.COMMAND)
    if finished or not reader.call(ListLoops(finished=True, limit=1)).loops:
        return [line("no loops yet: ", submit)]
    return [
        line("all loops have ended: ", (reader.command("status --all"), Role.COMMAND)),
        line("submit one: ", submit),
    ]
