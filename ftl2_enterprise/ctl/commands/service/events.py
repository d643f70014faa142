"""`events`: the event log, from a cursor."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example, Option, limit
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.subjects import HISTORY, SUBJECT, SUBJECT_HELP, SubjectNames, advice
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents
from ftl2_enterprise.render.fact_roles import role_of
from ftl2_enterprise.render.service.events import event_line
from ftl2_enterprise.render.text import line, quoted
from ftl2_enterprise.render.view import offer

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.session import CtlSession

LIMIT = 30


def run(session: CtlSession, given: GivenValues) -> int:
    """Show events; with --follow, also new ones as they come."""
    subject, after = given.maybe("subject"), given.maybe_number("after")
    request = ListEvents(subject=subject, after=after or 0, newest=after is None, limit=given.number("limit", LIMIT))
    try:
        page = session.call(request)
    except Problem as problem:
        raise _with_hint(session, problem) from None
    follows = given.has("follow")
    if session.wants_json and not follows:
        session.document(page)
        return 0
    names = SubjectNames(session)
    for event in page.events:
        _show(session, event, names)
    if not follows:
        if not page.events:
            session.print(line("no events" + (f" after {after}" if after is not None else " yet")))
        elif after is not None and len(page.events) == given.number("limit", LIMIT):
            words = f"events {f'{quoted(subject)} ' if subject else ''}--after {page.cursor}"
            session.print(offer(session, "later", words))
        return 0
    from ftl2_enterprise.ctl import event_stream  # noqa: PLC0415 - most calls do not follow

    with closing(event_stream.events(session, subject=subject, after=page.cursor)) as events:
        for event in events:
            _show(session, event, names)
    return 0


def _with_hint(session: CtlSession, problem: Problem) -> Problem:
    """The problem; one about an unknown subject with the advice of each capability."""
    if problem.code is not Code.NOT_FOUND:
        return problem
    return Problem(problem.code, problem.message, hint="; ".join(filter(None, (problem.hint, *advice(session)))))


def _show(session: CtlSession, event: Event, names: SubjectNames) -> None:
    if session.wants_json:
        session.item(event)
    else:
        session.print(event_line(event, names.of(event.subject), role_of(fact_of(event))))


COMMAND = Command(
    summary="Show the event log: the newest events, or those after a cursor.",
    group=HISTORY,
    run=run,
    verbs=(ListEvents, WatchEvents),
    arguments=(Argument("subject", SUBJECT, f"Only events about this: {SUBJECT_HELP}", optional=True),),
    options=(
        Option("follow", "Also show new events as they happen, until Ctrl-C.", short="f"),
        Option("after", "Only events after ID; 0 for all.", NUMBER, value="ID", at_least=0),
        limit(LIMIT, "Maximum number of events."),
    ),
    examples=(
        Example("events"),
        Example("events web --follow"),
        Example("events --after 812 --json", "from a cursor; `cursor` of the reply is the next one"),
    ),
)
