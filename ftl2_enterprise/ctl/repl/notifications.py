"""What the shell says by itself: new prompts, loops that failed, a service that went away and came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.ctl.loop_text import standing
from ftl2_enterprise.protocol.loops.nouns import LoopState, PromptState
from ftl2_enterprise.render.text import Line, Role, line, one_line, person, symbol

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from ftl2_enterprise.ctl.repl.snapshot import Snapshot
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.protocol.loops.replies import LoopLine, PromptLine

BAD = {LoopState.FAILED, LoopState.BLOCKED}
SHOWN = 5


def news(before: Snapshot, now: Snapshot, *, shown: Container[int] = ()) -> list[Line]:
    """The lines for what has changed, but for prompts that were shown; none for the first look, which is greeted."""
    lines = _service(before, now)
    if not before.has_looked or now.problem is not None:
        return lines
    known = {one.prompt.id for one in before.prompts}
    asked = [one for one in now.prompts if one.prompt.id not in known and one.prompt.id not in shown]
    for one in asked[:SHOWN]:
        lines += question_lines(one)
    if len(asked) > SHOWN:
        lines.append(line((f"and {len(asked) - SHOWN} more prompts: ", Role.WARNING), ("prompts", Role.COMMAND)))
    return lines + _gone_bad(before.loops, now.loops)


def _service(before: Snapshot, now: Snapshot) -> list[Line]:
    if now.problem is not None and before.problem is None:
        lines = [line(symbol("✘", Role.BAD), (away(now), Role.BAD))]
        if now.problem.code is not Code.UNAVAILABLE or not before.has_looked:
            lines.append(line(now.problem.message, indent=2))
            if now.problem.hint:
                lines.append(line((now.problem.hint, Role.FAINT), indent=2))
        return lines
    if now.problem is None and before.problem is not None:
        return [line(symbol("✔", Role.GOOD), ("the service is there", Role.GOOD))]
    return []


def away(now: Snapshot) -> str:
    """In what way the service is not there."""
    if now.problem is not None and now.problem.code is Code.DENIED:
        return "the service does not let you in"
    return "the service is unreachable, trying again"


def question_lines(one: PromptLine) -> list[Line]:
    """A prompt that has just been opened."""
    choices = " / ".join(one_line(option, 40) for option in one.prompt.options)
    return [
        line(
            symbol("?", Role.WARNING),
            (f"{one_line(one.loop, 60)} asks", Role.WARNING),
            f": {one_line(one.prompt.question, 300)}",
            (f" ({choices})" if choices else "", Role.FAINT),
        ),
        line(("-> ", Role.FAINT), (f"answer {one.prompt.id}", Role.COMMAND), indent=2),
    ]


def settled_line(prompt_id: int, prompt: Prompt | None) -> Line:
    """What became of a prompt while somebody typed its answer; without the prompt its loop is gone."""
    what: tuple[str | tuple[str, Role], ...]
    match prompt.state if prompt is not None else None:
        case None:
            what = (" is gone: its loop was deleted",)
        case PromptState.EXPIRED:
            what = (" has expired: nobody answered in time",)
        case PromptState.DISMISSED:
            what = (" was dismissed: no answer is wanted any more",)
        case _:
            assert prompt is not None
            what = (f" was answered by {person(prompt.answered_by)}: ", (one_line(prompt.answer or ""), Role.STRONG))
    return line(symbol("!", Role.WARNING), (f"prompt {prompt_id}", Role.WARNING), *what)


def _gone_bad(before: Iterable[LoopLine], now: Iterable[LoopLine]) -> list[Line]:
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
