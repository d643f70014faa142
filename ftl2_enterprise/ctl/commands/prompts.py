"""`prompts`: the questions that loops ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.loop_text import until
from ftl2_enterprise.ctl.registry import OF_LOOP, Command, Example, Flag, Group, limit
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import PromptLine

LIMIT = 200
COLUMNS = (
    Column("ID", right=True),
    Column("LOOP", least=10),
    Column("ASKED"),
    Column("STATE", spare=4),
    Column("QUESTION", least=20),
    Column("OPTIONS", least=10, spare=3),
    Column("UNTIL", spare=2),
    Column("ANSWER", least=8, spare=1),
)


def run(session: Session, given: Given) -> int:
    """List them."""
    settled = given.has("all")
    found = session.call(ListPrompts(loop=given.maybe("loop"), settled=settled, limit=given.number("limit", LIMIT)))
    # The service tells the newest first, so that those that a limit leaves out are old.
    found.sort(key=lambda one: (one.prompt.asked_at, one.prompt.id))
    session.reply(found, lambda: _lines(session, found, settled=settled))
    return 0


def _lines(session: Session, found: Sequence[PromptLine], *, settled: bool) -> list[Line]:
    if not found:
        return [line(f"{'no prompts' if settled else 'no open prompts'}: no loop waits for you")]
    now = session.now()
    rows = [
        [
            cell((str(one.prompt.id), Role.STRONG)),
            cell(one_line(one.loop, 80)),
            cell((ago(one.prompt.asked_at, now), Role.FAINT)),
            cell(str(one.prompt.state) if settled else "-"),
            cell(one_line(one.prompt.question, 300)),
            cell(one_line(" | ".join(one.prompt.options), 120) or "any text"),
            cell(until(one.prompt.deadline_at, now) if one.prompt.deadline_at and not settled else "-"),
            cell(one_line(one.prompt.answer, 120) if one.prompt.answer is not None else "-"),
        ]
        for one in found
    ]
    shown = table(COLUMNS, rows, session.out.room)
    if not settled:
        shown.append(session.offer("answer the oldest", f"answer {found[0].prompt.id}"))
    return shown


COMMANDS = (
    Command(
        name="prompts",
        summary="List the prompts, the questions that loops ask; the oldest first.",
        group=Group.PROMPTS,
        run=run,
        is_view=True,
        verbs=(ListPrompts,),
        arguments=(OF_LOOP,),
        flags=(
            Flag("all", "Also those that are settled.", short="a"),
            limit(LIMIT),
        ),
        examples=(Example("prompts"), Example("prompts web --all", "with the answers that were given")),
    ),
)
