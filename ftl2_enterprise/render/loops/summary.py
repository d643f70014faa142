"""The end of a foreground run in a few lines: how it ended, what it did, and the next steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Outcome, Prompt
from ftl2_enterprise.render.loops.standing import outcome_line
from ftl2_enterprise.render.text import Line, Role, Span, count, dollars, line, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.render.loops.tally import Tally

RESUMABLE = {LoopState.PAUSED, LoopState.WAITING, LoopState.BLOCKED, LoopState.FAILED}


def summary(
    loop: Loop, tally: Tally, *, took: str, prompts: Sequence[Prompt] = (), command: Callable[[str], str]
) -> list[Line]:
    """The lines; `command` returns a command as it is typed here."""
    lines = [outcome_line(loop), _facts(tally, took)]
    lines += [_next("answer", f"{command(f'respond {prompt.id}')} {_example(prompt)}") for prompt in prompts]
    name = quoted(loop.name)
    if loop.state in RESUMABLE or loop.frozen_by is not None:
        where = "   # on a terminal, where it asks" if loop.outcome is Outcome.UNAPPROVED else ""
        lines.append(_next("resume", command(f"run --resume {name}") + where))
    elif loop.outcome is Outcome.PREVIEWED:
        words = (
            "no action was executed; checks ran as they are written"
            if loop.spec.run_checks
            else "nothing was changed"
        )
        lines.append(line((f"{words}: this was a dry run", Role.FAINT), indent=2))
    lines.append(_next("history", command(f"history {name} --actions")))
    return lines


def _example(prompt: Prompt) -> str:
    return f"{'-' if prompt.secret else 'ANSWER'}   # {one_line(prompt.question, 80)}"


def _next(what: str, command: str) -> Line:
    return line((f"{what + ':':<9}", Role.FAINT), (command, Role.COMMAND), indent=2)


def _facts(tally: Tally, took: str) -> Line:
    pieces = [count(tally.iterations, "iteration"), _actions(tally)]
    if tally.model_calls:
        pieces.append(f"{count(tally.model_calls, 'model call')}, {dollars(tally.cost_usd)}")
    pieces.append(took)
    return line(Span("; ".join(pieces)), indent=2)


def _actions(tally: Tally) -> str:
    parts = [
        (tally.changed, "changed"),
        (tally.ok, "ok"),
        (tally.failed, "failed"),
        (tally.denied, "denied"),
        (tally.rejected, "rejected"),
        (tally.unapproved, "not approved"),
        (tally.unknown, "unknown"),
        (tally.skipped, "skipped"),
        (tally.previewed, "would run"),
    ]
    counts = ", ".join(f"{number} {word}" for number, word in parts if number)
    if tally.would_ask:
        counts += f", {tally.would_ask} of them after an approval"
    return count(tally.actions, "action") + (f" ({counts})" if counts else "")
