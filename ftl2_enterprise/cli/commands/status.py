"""`status`: every loop, where it is, and what waits for a person."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import Instant, after, seconds_between
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Prompt
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.loops.prompt_text import question
from ftl2_enterprise.render.loops.state_words import CONDITION_WORDS, OUTCOME_WORDS, STATE_ROLES
from ftl2_enterprise.render.text import (
    Line,
    Role,
    Span,
    ago,
    columns,
    count,
    duration,
    line,
    one_line,
    symbol,
    width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.cli.session import Session

FIRST = {LoopState.WAITING: 0, LoopState.BLOCKED: 1, LoopState.FAILED: 2}
"""What needs a person stands on top."""
RECENT = 86_400.0
"""Seconds for which a loop that has failed is shown like one that has not ended."""
COUNTED = 1_000
"""Ended loops that are counted at most."""


@click.command("status")
@click.option("--all", "show_all", is_flag=True, help="Show ended loops too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=10_000), default=100, show_default=True, help="Loops on a page."
)
@click.option("--before", type=click.IntRange(min=1), metavar="ID", help="The page of loops older than that id.")
@click.pass_obj
def command(session: Session, *, show_all: bool, as_json: bool, limit: int, before: int | None) -> int:
    """Show loops that have not ended or failed in the last day: those that wait for a person first."""
    session.wants_json = as_json
    from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.nouns import PromptState  # noqa: PLC0415

    with session.open_store().read() as tx:
        loops = loop_rows.list_loops(tx, finished=show_all, before=before, limit=limit + 1)
        page = loops[:limit]
        if not show_all and before is None:
            page += loop_rows.list_recently_failed(tx, since=after(tx.now, -RECENT), limit=limit)
        counted = 0 if show_all else loop_rows.count_ended(tx, limit=COUNTED)
        ended = max(0, counted - sum(one.ended_at is not None for one in page))
        prompts = prompt_rows.get_prompts(tx, None, state=PromptState.OPEN)
        now = tx.now
    following = loops[limit - 1].id if len(loops) > limit else None
    if as_json:
        result = {
            "loops": [{**json_output.document(loop), "interrupted": is_interrupted(loop)} for loop in page],
            "prompts": json_output.document(prompts),
            "before": following,
            **({} if show_all else {"ended": ended}),
        }
        session.out.stream.write(json_output.text(result) + "\n")
        return 0
    shown = {loop.id for loop in page}
    session.out.print(_lines(session, page, [prompt for prompt in prompts if prompt.loop_id in shown], now))
    if following is not None:
        older = shlex.join([*session.program, "status", *(["--all"] if show_all else []), "--before", str(following)])
        session.out.print(line(("older:   ", Role.FAINT), (older, Role.COMMAND)))
    elif not page and not ended:
        session.out.print(line("no loops"))
    if ended > 0 and before is None:
        session.out.print(_ended(session, f"{ended} or more" if counted == COUNTED else str(ended), only=not page))
    return 0


def is_interrupted(loop: Loop) -> bool:
    """Whether its process died: the row says that one has it, and that process is gone."""
    return loop.ended_at is None and loop.owner is not None and not lease.is_alive(loop.owner)


def _ended(session: Session, many: str, *, only: bool) -> list[Line]:
    """How many loops are not shown, and how to see them."""
    every = (shlex.join([*session.program, "status", "--all"]), Role.COMMAND)
    if only:
        return [line((f"no loops but {many} that have ended: ", Role.FAINT), every)]
    noun = "loop has" if many == "1" else "loops have"
    return [line(), line((f"{many} more {noun} ended: ", Role.FAINT), every)]


def _lines(session: Session, loops: Sequence[Loop], prompts: Sequence[Prompt], now: Instant) -> list[Line]:
    if not loops:
        return []
    head = ("ID", "LOOP", "STATE", "CONDITION", "MODE", "ITER", "ACTIONS", "NEXT", "WHY")
    rows = [[Span(word, Role.FAINT) for word in head]]
    ordered = sorted(loops, key=lambda loop: (FIRST.get(loop.state, 2), -loop.id))
    rows += [_row(loop, now) for loop in ordered]
    lines = columns(rows)
    if session.out.is_terminal and max(width(one.plain) for one in lines) > session.out.columns:
        lines = _narrow(rows)
    names = {loop.id: loop.name for loop in loops}
    if prompts:
        lines += [
            line(),
            line(symbol("?", Role.WARNING), (f"{count(len(prompts), 'prompt')} waiting for an answer", Role.WARNING)),
        ]
    for prompt in prompts:
        lines += question(prompt.id, f"{names[prompt.loop_id]}: {prompt.question}", prompt.options, prompt.default)
        answer = shlex.join([*session.program, "respond", str(prompt.id)])
        lines.append(line((f"{answer} ANSWER", Role.COMMAND), indent=4))
    for loop in ordered:
        if is_interrupted(loop):
            again = shlex.join([*session.program, "run", "--resume", loop.name])
            text = f" of loop {one_line(loop.name)} has ended without a word; go on: "
            lines += [
                line(),
                line(symbol("!", Role.WARNING), ("the process", Role.WARNING), text, (again, Role.COMMAND)),
            ]
    return lines


def _narrow(rows: Sequence[Sequence[Span]]) -> list[Line]:
    """Without the columns that matter least, and with the reason on a line of its own."""
    head, *others = columns([[*row[1:4], row[7]] for row in rows])
    lines = [head]
    for row, short in zip(rows[1:], others, strict=True):
        lines.append(short)
        if row[8].text:
            lines.append(line(row[8], indent=2))
    return lines


def _row(loop: Loop, now: Instant) -> list[Span]:
    condition, role = CONDITION_WORDS[loop.condition]
    if loop.observed_at is not None:
        condition += f", {ago(loop.observed_at, now)}"
    actions = str(loop.action_count)
    told = [f"{loop.changed_count} changed"] if loop.changed_count else []
    told += [f"{loop.failed_count} failed"] if loop.failed_count else []
    return [
        Span(str(loop.id), Role.FAINT),
        Span(one_line(loop.name, 40), Role.STRONG),
        _state(loop),
        Span(condition, role),
        Span(str(loop.mode)),
        Span(str(loop.iteration_count)),
        Span(f"{actions} ({', '.join(told)})" if told else actions),
        Span(_next(loop, now)),
        Span(one_line(loop.reason or "", 60), Role.FAINT),
    ]


def _state(loop: Loop) -> Span:
    if is_interrupted(loop):
        return Span("interrupted", Role.WARNING)
    if loop.ended_at is not None and loop.outcome is not None:
        _, word, role = OUTCOME_WORDS[loop.outcome]
        return Span(word, role)
    if loop.state is LoopState.WAITING:
        return Span("waiting for you", STATE_ROLES[loop.state])
    if loop.state is LoopState.RESTING and loop.reason:
        return Span("failing", Role.BAD)
    return Span(str(loop.state), STATE_ROLES[loop.state])


def _next(loop: Loop, now: Instant) -> str:
    if loop.state is not LoopState.RESTING or loop.next_run_at is None:
        return "-"
    left = seconds_between(now, loop.next_run_at)
    return f"in {duration(left)}" if left > 0 else "due"
