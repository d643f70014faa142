"""Actions as lines: the call, its host, its result, and why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant, moment, seconds_between
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState
from ftl2_enterprise.protocol.loops.verbs import ListActions
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.loops.state_words import action_mark, kind_of
from ftl2_enterprise.render.text import (
    Line,
    Role,
    Span,
    ago,
    count,
    duration,
    last_lines,
    line,
    one_line,
    quoted,
    with_commands,
)
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.replies import ActionPage
    from ftl2_enterprise.render.view import ViewReader

LIMIT = 50
INDENT = 2
DEEPER = 4


def actions_view(
    reader: ViewReader, *, loop: str, state: ActionState | None, before: int | None, limit: int = LIMIT
) -> ViewContent:
    """The actions of a loop, newest first, with the commands that print their stored texts.

    The document is the reply `ActionPage`. `before` is the id of an action: only older ones are listed.
    """
    page = reader.call(ListActions(loop=loop, state=state, before=before, limit=limit))
    return ViewContent(page, lambda: _page_lines(reader, page, loop, state))


def _page_lines(reader: ViewReader, page: ActionPage, loop: str, state: ActionState | None) -> list[Line]:
    if not page.actions:
        return [line(f"no{f' {state}' if state else ''} actions of {one_line(loop)}")]
    now = reader.now()
    shown: list[Line] = []
    for action in page.actions:
        shown.append(line((_when(action, now), Role.FAINT)))
        shown += action_lines(action)
        shown += _texts(reader, action)
    if page.more is not None:
        shown.append(offer(reader, "earlier", f"actions {quoted(loop)} --before {page.more}"))
    return shown


def _when(action: Action, now: Instant) -> str:
    at = action.ended_at or action.started_at
    return f"action {action.id}: " + (f"{moment(at)} ({ago(at, now)})" if at is not None else "not started")


def _texts(reader: ViewReader, action: Action) -> list[Line]:
    """The commands that print the complete texts, where only a shortened one is in the row."""
    named = (
        ("stdout", action.stdout), ("stderr", action.stderr), ("result", action.output), ("difference", action.diff)
    )  # fmt: skip
    return [
        offer(reader, f"{name}, {count(text.size, 'character')}", f"output {text.digest}", indent=4)
        for name, text in named
        if text.digest is not None
    ]


def action_lines(action: Action, now: Instant | None = None) -> list[Line]:
    """An action with its result, and why it failed; with `now`, a running action also has its age."""
    target = f" (of {one_line(action.target)})" if action.target not in {action.host, ""} else ""
    facts = [f"step {one_line(action.step)}"] if action.step is not None else []
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
            *action_mark(kind_of(action)),
            Span(f" {action.n}. ", Role.FAINT),
            (one_line(f"{action.module} on {action.host}"), Role.STRONG),
            target,
            f": {summary_of(action)}",
            (f" ({', '.join(facts)})" if facts else "", Role.FAINT),
            indent=INDENT,
        )
    ]
    if action.error and action.state is ActionState.FAILED:
        lines += failure(action.error, action.rc, action.stderr.shown)
        return [*lines, *diff_lines(action.diff.shown, indent=DEEPER)]
    if action.error:
        lines.append(line(*with_commands(action.error), indent=DEEPER))
    return [*lines, *diff_lines(action.diff.shown, indent=DEEPER)]


def summary_of(action: Action) -> str:
    """The parameters of the call on one line."""
    return one_line(" ".join(f"{name}={_value(value)}" for name, value in action.params.items()), 120)


def _value(value: object) -> str:
    return one_line(str(value), 60)


def failure(error: str, rc: int | None, stderr: str) -> list[Line]:
    """Why an action failed: its return code, its error, and the last lines of its standard error."""
    code = [(f"rc {rc}: ", Role.BAD)] if rc is not None else []
    lines = [line(*code, *with_commands(error), indent=DEEPER)]
    rest = last_lines(stderr)
    if len(rest) == 1 and error.endswith(rest[0].strip()):
        rest = []
    return [*lines, *(line(("| ", Role.FAINT), text, indent=DEEPER) for text in rest)]
