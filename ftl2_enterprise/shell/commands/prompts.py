"""`prompts`: the questions that loops ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loop_verbs import ListPrompts
from ftl2_enterprise.shell.loop_words import until
from ftl2_enterprise.shell.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.terminal.table import Column, cell, table
from ftl2_enterprise.terminal.text import Line, Role, ago, line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loop_replies import PromptLine
    from ftl2_enterprise.shell.parsing import Given
    from ftl2_enterprise.shell.session import Session

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
    found = session.call(
        ListPrompts(loop=given.maybe("loop"), settled=given.has("all"), limit=given.number("limit", 200))
    )
    if session.wants_json:
        session.document(found)
    elif not found:
        which = "no prompts" if given.has("all") else "no open prompts"
        session.print(line(f"{which}: no loop waits for you"))
    else:
        session.print(_lines(session, found, settled=given.has("all")))
    return 0


def _lines(session: Session, found: Sequence[PromptLine], *, settled: bool) -> list[Line]:
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
        for one in sorted(found, key=lambda one: one.prompt.asked_at)
    ]
    shown = table(COLUMNS, rows, session.out.room)
    if not settled:
        shown.append(line(("answer the oldest: ", Role.FAINT), (session.command("answer"), Role.COMMAND)))
    return shown


COMMANDS = (
    Command(
        name="prompts",
        summary="List the prompts, the questions that loops ask; the oldest first.",
        group=Group.PROMPTS,
        run=run,
        verbs=(ListPrompts,),
        arguments=(Argument("loop", Kind.LOOP, "Of this loop only.", optional=True),),
        flags=(
            Flag("all", "Also those that are settled.", short="a"),
            Flag("limit", "How many.", Kind.NUMBER, short="n", at_least=1, at_most=1000, default="200"),
        ),
        examples=(Example("prompts"), Example("prompts web --all", "with the answers that were given")),
    ),
)
