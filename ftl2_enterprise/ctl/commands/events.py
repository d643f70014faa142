"""`events`: the event log, from a cursor."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.registry import OF_LOOP, Command, Example, Flag, Group, Kind, limit
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.protocol.fact import Fact, fact_of
from ftl2_enterprise.protocol.loops.facts import (
    LOOP,
    ActionDenied,
    ActionLost,
    ActionSucceeded,
    LoopAsked,
    LoopCompleted,
    LoopConverged,
    LoopDrifted,
    ModelAsked,
    PromptAsked,
    PromptExpired,
)
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents
from ftl2_enterprise.protocol.subject import parse_subject
from ftl2_enterprise.render.text import Line, Role, fields_text, line, moment, one_line, person

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session

LIMIT = 30
NOT_SHOWN = {"iteration_id"}
"""Fields that are for programs."""


def run(session: Session, given: Given) -> int:
    """Show facts; with --follow also those to come."""
    loop, after = given.maybe("loop"), given.maybe_number("after")
    page = session.call(
        ListEvents(loop=loop, after=after or 0, newest=after is None, limit=given.number("limit", LIMIT))
    )
    follows = given.has("follow")
    if session.wants_json and not follows:
        session.document(page)
        return 0
    names = _Names(session)
    for event in page.events:
        _tell(session, event, names)
    if not follows:
        if not page.events:
            session.print(line("no events" + (" behind that one" if after is not None else " yet")))
        elif after is not None and len(page.events) == given.number("limit", LIMIT):
            words = f"events {f'{word(loop)} ' if loop else ''}--after {page.cursor}"
            session.print(session.offer("later ones", words))
        return 0
    from ftl2_enterprise.ctl import event_stream  # noqa: PLC0415

    with closing(event_stream.events(session, loop=loop, after=page.cursor)) as events:
        for event in events:
            _tell(session, event, names)
    return 0


class _Names:
    """What loops are called: of most by one question, of the others by one for each."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[int, str] | None = None

    def of(self, subject: str) -> str:
        """The name of a loop, or its number when it is gone; empty for the service."""
        parsed = parse_subject(subject)
        return subject if parsed is None or parsed.kind != LOOP else self._of_loop(parsed.id)

    def _of_loop(self, loop_id: int) -> str:
        if self._known is None:
            self._known = {loop.id: loop.name for loop in self._session.call(ListLoops(finished=True)).loops}
        if loop_id not in self._known:
            self._known[loop_id] = self._asked(loop_id) or f"loop {loop_id}"
        return self._known[loop_id]

    def _asked(self, loop_id: int) -> str | None:
        try:
            loop = self._session.call(ShowLoop(loop=str(loop_id))).loop
        except Problem as problem:
            if problem.code in {Code.NOT_FOUND, Code.INVALID}:
                return None
            raise
        return loop.name if loop.id == loop_id else None


def _tell(session: Session, event: Event, names: _Names) -> None:
    if session.wants_json:
        session.item(event)
    else:
        session.print(_line(event, names))


def _line(event: Event, names: _Names) -> Line:
    subject = names.of(event.subject)
    data = fields_text({name: value for name, value in event.data.items() if name not in NOT_SHOWN})
    by = f" by {person(event.actor)}" if event.actor else ""
    return line(
        (f"{event.id:>6} {moment(event.at)} ", Role.FAINT),
        (f"{one_line(subject, 40)} " if subject else "", Role.STRONG),
        (event.kind, _role(fact_of(event))),
        (by, Role.FAINT),
        f" {one_line(data, 300)}" if data else "",
    )


def _role(fact: Fact) -> Role:
    match fact:
        case LoopConverged() | LoopCompleted() | ActionSucceeded():
            return Role.GOOD
        case LoopAsked() | PromptAsked() | ModelAsked() | LoopDrifted() | ActionLost() | PromptExpired():
            return Role.WARNING
        case ActionDenied():
            return Role.BAD
        case _:
            return Role.BAD if fact.level == "warning" else Role.ACCENT


COMMANDS = (
    Command(
        name="events",
        summary="Show what happened: the newest facts of the event log, or those behind a cursor.",
        group=Group.RECORD,
        run=run,
        verbs=(ListEvents, WatchEvents, ListLoops, ShowLoop),
        arguments=(OF_LOOP,),
        flags=(
            Flag("follow", "Also those to come, until Ctrl-C.", short="f"),
            Flag("after", "Those behind the event of this id.", Kind.NUMBER, value="ID"),
            limit(LIMIT),
        ),
        examples=(
            Example("events"),
            Example("events web --follow"),
            Example("events --after 812 --json", "from a cursor; `cursor` of the reply is the next one"),
        ),
    ),
)
