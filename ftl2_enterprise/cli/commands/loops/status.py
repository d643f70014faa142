"""`status`: the loops in a database, with or without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import LOOPS
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option, limit
from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import after
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.text import Line, Role, line, one_line, quoted, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.loops.local_reader import LocalReader
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.tx import Tx

LIMIT = 100
RECENT = 86_400.0
"""Seconds for which a failed loop is shown among those that have not ended."""
COUNTED = 1_000
"""Maximum number of ended loops that are counted."""


def run(session: CliSession, given: GivenValues) -> int:
    """Show a page of loops."""
    from ftl2_enterprise.cli.loops.local_reader import LocalReader  # noqa: PLC0415 - SQLAlchemy is not needed for help

    show_all, before = given.has("all"), given.maybe_number("before")
    most = given.number("limit", LIMIT)
    with session.open_store().read() as tx:
        if given.has("json"):
            session.document(_document(tx, show_all=show_all, before=before, limit=most))
        else:
            reader = LocalReader(session, tx)
            session.out.print(_lines(reader, tx, show_all=show_all, before=before, limit=most))
    return 0


def is_interrupted(loop: Loop) -> bool:
    """Whether its process died: the row names an owner that no longer exists."""
    return loop.ended_at is None and loop.owner is not None and not lease.is_alive(loop.owner)


def _document(tx: Tx, *, show_all: bool, before: int | None, limit: int) -> dict[str, object]:
    from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.nouns import PromptState  # noqa: PLC0415

    loops = loop_rows.list_loops(tx, finished=show_all, before=before, limit=limit + 1)
    page = loops[:limit]
    if not show_all and before is None:
        page += loop_rows.list_recently_failed(tx, since=after(tx.now, -RECENT), limit=limit)
    prompts = prompt_rows.get_prompts(tx, None, state=PromptState.OPEN)
    found: dict[str, object] = {
        "loops": [{**json_output.document(loop), "interrupted": is_interrupted(loop)} for loop in page],
        "prompts": json_output.document(prompts),
        "before": loops[limit - 1].id if len(loops) > limit else None,
    }
    if not show_all:
        shown = sum(one.ended_at is not None for one in page)
        found["ended"] = max(0, loop_rows.count_ended(tx, limit=COUNTED) - shown)
    return found


def _lines(reader: LocalReader, tx: Tx, *, show_all: bool, before: int | None, limit: int) -> list[Line]:
    from ftl2_enterprise.loops.rows import loops as loop_rows  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts  # noqa: PLC0415
    from ftl2_enterprise.protocol.service.verbs import ListFreezes  # noqa: PLC0415
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415
    from ftl2_enterprise.render.loops.loop_table import counts_line, loop_table  # noqa: PLC0415
    from ftl2_enterprise.render.loops.prompts import open_prompt_lines  # noqa: PLC0415
    from ftl2_enterprise.render.loops.standing import ENDED, is_interrupted  # noqa: PLC0415

    page = reader.call(ListLoops(finished=show_all, before=before, limit=limit))
    lines: list[Line] = freeze_lines(reader.call(ListFreezes()), reader.now())
    if page.loops:
        lines += [counts_line(page.loops), *loop_table(page.loops, reader.now(), reader.room)]
    names = {loop.name for loop in page.loops if loop.open_prompts}
    if prompts := [one for one in reader.call(ListPrompts(limit=1000)) if one.loop in names]:
        lines += [line(), *open_prompt_lines(reader, prompts)]
    for loop in page.loops:
        if is_interrupted(loop):
            resume = (reader.command(f"run --resume {quoted(loop.name)}"), Role.COMMAND)
            what = f" of loop {one_line(loop.name)} ended unexpectedly; resume: "
            lines += [line(), line(symbol("!", Role.WARNING), ("the process", Role.WARNING), what, resume)]
    if page.more is not None:
        flags = " --all" if show_all else ""
        lines.append(
            line(("older: ", Role.FAINT), (reader.command(f"status{flags} --before {page.more}"), Role.COMMAND))
        )
    counted = 0 if show_all or before is not None else loop_rows.count_ended(tx, limit=COUNTED)
    ended = max(0, counted - sum(one.state in ENDED for one in page.loops))
    if ended:
        many = f"{ended} or more" if counted == COUNTED else str(ended)
        lines += _ended(reader, many, is_only=not page.loops)
    elif not page.loops and page.more is None:
        lines.append(line("no loops"))
    return lines


def _ended(reader: LocalReader, many: str, *, is_only: bool) -> list[Line]:
    """How many loops are not shown, and how to show them."""
    every = (reader.command("status --all"), Role.COMMAND)
    has = "loop has" if many == "1" else "loops have"
    if is_only:
        return [line((f"{many} {has} ended, no other: ", Role.FAINT), every)]
    return [line(), line((f"{many} more {has} ended: ", Role.FAINT), every)]


COMMAND = Command(
    summary="List the loops in the database that have not ended, or failed in the last day.",
    group=LOOPS,
    run=run,
    options=(
        Option("all", "Include loops that have ended."),
        JSON,
        limit(LIMIT, "Maximum number of loops, newest first.", at_most=10_000),
        Option("before", "Only loops before ID.", NUMBER, value="ID", at_least=1),
    ),
    examples=(Example("status"), Example("status --all")),
)
