"""The history of a loop as lines: iterations, why, and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant, seconds_between
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, Iteration, Loop, Prompt
from ftl2_enterprise.render.loops import state_words
from ftl2_enterprise.render.loops.prompt_text import failure
from ftl2_enterprise.render.loops.state_words import CONDITION_WORDS, ITERATION_WORDS
from ftl2_enterprise.render.text import (
    Line,
    Role,
    Span,
    ago,
    count,
    duration,
    line,
    moment,
    one_line,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_UNMET = 8


def header(loop: Loop, now: Instant) -> list[Line]:
    """How the loop stands, with its counts."""
    condition, role = CONDITION_WORDS[loop.condition]
    seen = f", seen {ago(loop.observed_at, now)}" if loop.observed_at is not None else ""
    counts = f"{count(loop.iteration_count, 'iteration')}, {count(loop.action_count, 'action')}"
    changes = f" ({loop.changed_count} changed, {loop.failed_count} failed)" if loop.action_count else ""
    first = line(
        ("loop ", Role.FAINT),
        (one_line(loop.name), Role.STRONG),
        f" ({loop.mode}, {loop.spec.decider}): {loop.state}, ",
        (condition, role),
        (seen, Role.FAINT),
    )
    lines = [first, line((f"{counts}{changes}", Role.FAINT), indent=2)]
    if loop.model_call_count:
        lines.append(
            line((f"{count(loop.model_call_count, 'model call')}, ${loop.cost_usd:.4f}", Role.FAINT), indent=2)
        )
    if loop.reason:
        lines.append(line(one_line(loop.reason, 300), indent=2))
    return lines


def forgotten_lines(iterations: Sequence[Iteration], *, from_first: bool) -> dict[int, Line]:
    """By the id of the iteration before which they were: how many looks are not kept any more.

    The iterations are in order, none left out; with `from_first` they begin with the first that is kept.
    """
    found: dict[int, Line] = {}
    expected = 1 if from_first or not iterations else iterations[0].n
    for one in iterations:
        if one.n > expected:
            looks = count(one.n - expected, "look")
            found[one.id] = line((f"{looks} that found everything in place, not kept any more", Role.FAINT))
        expected = one.n + 1
    return found


def iteration_lines(iteration: Iteration, prompts: Sequence[Prompt] = ()) -> list[Line]:
    """What an iteration did and why, with the questions that it asked."""
    if iteration.outcome is None:
        word, role = str(iteration.state), Role.ACCENT
    else:
        word, role = ITERATION_WORDS[iteration.outcome]
    by = f"  by {one_line(iteration.decided_by)}" if iteration.decided_by else ""
    took = f"  {duration(seconds_between(iteration.started_at, iteration.ended_at))}" if iteration.ended_at else ""
    lines = [
        line(
            (f"iteration {iteration.n}", Role.STRONG),
            (f"  run {iteration.run}  {moment(iteration.started_at)}  ", Role.FAINT),
            (word, role),
            (by + took, Role.FAINT),
        )
    ]
    if iteration.reasoning:
        lines.append(line(one_line(iteration.reasoning, 500), indent=2))
    unmet = (
        [one for one in iteration.decision.unmet if one not in (iteration.reasoning or "")]
        if iteration.decision
        else []
    )
    lines += [line(("not as desired: ", Role.WARNING), one_line(item), indent=2) for item in unmet[:SHOWN_UNMET]]
    if len(unmet) > SHOWN_UNMET:
        lines.append(line((f"and {len(unmet) - SHOWN_UNMET} more", Role.FAINT), indent=4))
    if iteration.error and iteration.error != iteration.reasoning:
        lines.append(line((one_line(iteration.error, 500), Role.BAD), indent=2))
    for prompt in prompts:
        by = f" (by {person(prompt.answered_by)})" if prompt.answered_by else ""
        answer = one_line(prompt.answer, 120) if prompt.answer is not None else str(prompt.state)
        asked = f"prompt {prompt.id}: {one_line(prompt.question)} "
        lines.append(line((asked, Role.WARNING), ("-> ", Role.FAINT), (answer, Role.STRONG), by, indent=2))
    return lines


def action_lines(action: Action, now: Instant | None = None) -> list[Line]:
    """What became of an action, and why when it did not succeed; how long it runs already when `now` is given."""
    target = f" (of {one_line(action.target)})" if action.target not in {action.host, ""} else ""
    facts: list[str] = []
    if action.rc is not None:
        facts.append(f"rc {action.rc}")
    if action.started_at is not None and action.ended_at is not None:
        facts.append(duration(seconds_between(action.started_at, action.ended_at)))
    elif now is not None and action.started_at is not None and action.state is ActionState.RUNNING:
        facts.append(f"for {duration(seconds_between(action.started_at, now))}")
    if action.origin != "decision":
        facts.append(one_line(action.origin))
    lines = [
        line(
            *state_words.action_mark(state_words.kind_of(action)),
            Span(f" {action.n}. ", Role.FAINT),
            (one_line(f"{action.module} on {action.host}"), Role.STRONG),
            target,
            f": {summary_of(action)}",
            (f" ({', '.join(facts)})" if facts else "", Role.FAINT),
            indent=2,
        )
    ]
    if action.error and action.state is ActionState.FAILED:
        return [*lines, *failure(one_line(action.error, 300), action.rc, action.stderr.shown)]
    if action.error:
        lines.append(line(one_line(action.error, 300), indent=4))
    return lines


def summary_of(action: Action) -> str:
    """What the call was given, on one line."""
    return one_line(" ".join(f"{name}={_value(value)}" for name, value in action.params.items()), 120)


def _value(value: object) -> str:
    return one_line(str(value), 60)
