"""`actions`: every change that a loop made or tried; `output`: a long text, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.registry import LOOP, Argument, Command, Example, Flag, Group, Kind, limit
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.protocol.loops.nouns import ActionState
from ftl2_enterprise.protocol.loops.verbs import GetText, ListActions
from ftl2_enterprise.render.loops import history
from ftl2_enterprise.render.text import Line, Role, ago, clean, count, line, moment, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Action
    from ftl2_enterprise.protocol.loops.replies import ActionPage

LIMIT = 50


def run(session: Session, given: Given) -> int:
    """List the actions."""
    state = given.maybe("state")
    page = session.call(
        ListActions(
            loop=given.text("loop"),
            state=ActionState(state) if state else None,
            before=given.maybe_number("before"),
            limit=given.number("limit", LIMIT),
        )
    )
    session.reply(page, lambda: _lines(session, page, given))
    return 0


def _lines(session: Session, page: ActionPage, given: Given) -> list[Line]:
    name = one_line(given.text("loop"))
    if not page.actions:
        state = given.maybe("state")
        return [line(f"no actions of {name}{f' that are {state}' if state else ' yet'}")]
    now = session.now()
    shown: list[Line] = []
    for action in page.actions:
        shown.append(line((_when(action, now), Role.FAINT)))
        shown += history.action_lines(action)
        shown += _texts(session, action)
    if page.more is not None:
        shown.append(session.offer("earlier ones", f"actions {word(given.text('loop'))} --before {page.more}"))
    return shown


def _when(action: Action, now: Instant) -> str:
    at = action.ended_at or action.started_at
    return f"action {action.id}: " + (f"{moment(at)} ({ago(at, now)})" if at is not None else "not started")


def _texts(session: Session, action: Action) -> list[Line]:
    """How to see what is stored shortened."""
    named = (("stdout", action.stdout), ("stderr", action.stderr), ("result", action.output))
    return [
        session.offer(f"{name}, {count(text.size, 'character')}", f"output {text.digest}", indent=4)
        for name, text in named
        if text.digest is not None
    ]


def output(session: Session, given: Given) -> int:
    """Print the text as it is; on a terminal without what could steer it."""
    whole = session.call(GetText(digest=given.text("digest")))
    if session.wants_json:
        session.document(whole)
        return 0
    stream = session.out.stream
    text = clean(whole.text) if stream.isatty() else whole.text
    stream.write(text if text.endswith("\n") or not stream.isatty() else text + "\n")
    stream.flush()
    return 0


COMMANDS = (
    Command(
        name="actions",
        summary="List what a loop changed or tried to change, newest first.",
        group=Group.RECORD,
        run=run,
        verbs=(ListActions,),
        arguments=(LOOP,),
        flags=(
            Flag("state", "Only these.", Kind.CHOICE, short="s", value="STATE", choices=tuple(map(str, ActionState))),
            limit(LIMIT),
            Flag("before", "Those before the action of this id.", Kind.NUMBER),
        ),
        examples=(Example("actions web"), Example("actions web --state unknown", "what was cut off")),
    ),
    Command(
        name="output",
        summary="Print a stored text whole: what a module wrote, what a model was asked.",
        group=Group.RECORD,
        run=output,
        verbs=(GetText,),
        arguments=(Argument("digest", Kind.DIGEST, "As `actions` shows it, or its beginning: 6 digits or more."),),
        examples=(Example("output 3f6c0b"),),
    ),
)
