"""`events`: the event log, from a cursor."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option, limit
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.loops.arguments import HISTORY, ONLY_LOOP
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import LOOP
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListEvents, WatchEvents
from ftl2_enterprise.protocol.subject import parse_subject
from ftl2_enterprise.render.loops.fact_roles import role_of
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
    loop, after = given.maybe("loop"), given.maybe_number("after")
    page = session.call(
        ListEvents(loop=loop, after=after or 0, newest=after is None, limit=given.number("limit", LIMIT))
    )
    follows = given.has("follow")
    if session.wants_json and not follows:
        session.document(page)
        return 0
    names = _SubjectNames(session)
    for event in page.events:
        _show(session, event, names)
    if not follows:
        if not page.events:
            session.print(line("no events" + (f" after {after}" if after is not None else " yet")))
        elif after is not None and len(page.events) == given.number("limit", LIMIT):
            words = f"events {f'{quoted(loop)} ' if loop else ''}--after {page.cursor}"
            session.print(offer(session, "later", words))
        return 0
    from ftl2_enterprise.ctl import event_stream  # noqa: PLC0415 - most calls do not follow

    with closing(event_stream.events(session, loop=loop, after=page.cursor)) as events:
        for event in events:
            _show(session, event, names)
    return 0


class _SubjectNames:
    """The names of subjects: of most loops from one list, of the others one by one."""

    def __init__(self, session: CtlSession) -> None:
        self._session = session
        self._known: dict[int, str] | None = None

    def of(self, subject: str) -> str:
        """The name of a loop, or `loop ID` when it was deleted; other subjects as they are."""
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


def _show(session: CtlSession, event: Event, names: _SubjectNames) -> None:
    if session.wants_json:
        session.item(event)
    else:
        session.print(event_line(event, names.of(event.subject), role_of(fact_of(event))))


COMMAND = Command(
    summary="Show the event log: the newest events, or those after a cursor.",
    group=HISTORY,
    run=run,
    verbs=(ListEvents, WatchEvents, ListLoops, ShowLoop),
    arguments=(ONLY_LOOP,),
    options=(
        Option("follow", "Also show new events as they happen, until Ctrl-C.", short="f"),
        Option("after", "Only events after ID.", NUMBER, value="ID"),
        limit(LIMIT, "Maximum number of events."),
    ),
    examples=(
        Example("events"),
        Example("events web --follow"),
        Example("events --after 812 --json", "from a cursor; `cursor` of the reply is the next one"),
    ),
)
