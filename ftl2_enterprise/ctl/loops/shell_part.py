"""Loops in the shell: counts in the toolbar, notices about new prompts and failed loops, names for completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.ctl.loops.questions import prompt_subject
from ftl2_enterprise.ctl.repl.parts import ShellPart
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.replies import LoopLine, LoopPage, PromptLine, RuleInfo
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.render.loops.loop_table import numbers
from ftl2_enterprise.render.loops.prompts import asked_notice
from ftl2_enterprise.render.loops.standing import STOPPING, standing
from ftl2_enterprise.render.text import Line, Role, count, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.verb import Request

BAD = {LoopState.FAILED, LoopState.BLOCKED}
NOT_COUNTED = {LoopState.COMPLETED, LoopState.CANCELLED}
SHOWN = 5
"""Notices of one kind; more are counted."""


class LoopsState(msgspec.Struct, frozen=True, kw_only=True):
    """What was read about loops."""

    draining: bool = False
    """The service is stopping."""
    loops: tuple[LoopLine, ...] = ()
    """Newest first, including those that have ended."""
    prompts: tuple[PromptLine, ...] = ()
    """Open ones, oldest first."""
    rules: tuple[RuleInfo, ...] = ()


def read(session: CtlSession, before: LoopsState | None) -> LoopsState:
    """The state; rules are read once. Raises Problem."""
    page = session.call(ListLoops(finished=True))
    prompts = session.call(ListPrompts(limit=1000))
    rules = before.rules if before is not None else ()
    return LoopsState(
        draining=page.draining,
        loops=tuple(page.loops),
        prompts=tuple(sorted(prompts, key=lambda one: (one.prompt.asked_at, one.prompt.id))),
        rules=rules or tuple(session.call(ListRules())),
    )


def _reply(state: LoopsState, request: Request[Any]) -> object:
    match request:
        case ListLoops():
            return LoopPage(loops=list(state.loops))
        case ListPrompts():
            return list(state.prompts)
        case ListRules():
            return list(state.rules)
        case _:
            return None


# --- toolbar -------------------------------------------------------------------------------------------------------


def _toolbar(state: LoopsState) -> Sequence[tuple[str, Role]]:
    pieces = [(STOPPING, Role.WARNING)] if state.draining else []
    pieces += [
        (f"{number} {word}", role)
        for number, word, role in numbers([loop for loop in state.loops if loop.state not in NOT_COUNTED])
    ]
    if not pieces:
        pieces = [("no active loops", Role.FAINT)]
    if state.prompts:
        pieces.append((f" {count(len(state.prompts), 'prompt')}: answer", Role.WARNING))
    return pieces


# --- notices -------------------------------------------------------------------------------------------------------


def _greeting(state: LoopsState) -> list[Line]:
    if state.prompts:
        waiting = count(len(state.prompts), "prompt")
        verb = "waits" if len(state.prompts) == 1 else "wait"
        return [line((f"{waiting} {verb} for you: ", Role.WARNING), ("answer", Role.COMMAND))]
    return [] if state.loops else [line("no loops yet: ", ("submit -f FILE", Role.COMMAND))]


def _notices(before: LoopsState, now: LoopsState, shown: Container[str]) -> list[Line]:
    known = {one.prompt.id for one in before.prompts}
    asked = [one for one in now.prompts if one.prompt.id not in known and prompt_subject(one.prompt.id) not in shown]
    lines = [notice for one in asked[:SHOWN] for notice in asked_notice(one)]
    if len(asked) > SHOWN:
        lines.append(line((f"and {len(asked) - SHOWN} more prompts: ", Role.WARNING), ("prompts", Role.COMMAND)))
    return lines + _failed(before.loops, now.loops)


def _failed(before: Iterable[LoopLine], now: Iterable[LoopLine]) -> list[Line]:
    known = {loop.id: loop.state for loop in before}
    bad = [loop for loop in now if loop.state in BAD and known.get(loop.id, LoopState.PENDING) is not loop.state]
    lines = [_bad(loop) for loop in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(line((f"and {len(bad) - SHOWN} more loops: ", Role.BAD), ("status", Role.COMMAND)))
    return lines


def _bad(loop: LoopLine) -> Line:
    where = standing(loop)
    why = f": {one_line(loop.reason, 200)}" if loop.reason else ""
    return line(
        symbol(where.symbol, where.role), (one_line(loop.name, 60), Role.STRONG), " ", (where.word, where.role), why
    )


PART = ShellPart(read=read, reply=_reply, toolbar=_toolbar, notices=_notices, greeting=_greeting)
