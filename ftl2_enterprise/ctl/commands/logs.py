"""`logs`: what a loop's process, or the service itself, has logged."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl import event_stream
from ftl2_enterprise.ctl.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.protocol.service.verbs import WatchLogs
from ftl2_enterprise.render.text import Line, Role, clean, fields_text, line, moment, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.service.verbs import LogLine

LOOKED_BACK = 1_000
"""Lines in which those are looked for that were logged while the service was away."""
NOT_SHOWN = {"loop", "loop_id", "event", "iteration"}
"""What the source says already, or is for programs."""
_ROLES = {"warning": Role.WARNING, "error": Role.BAD, "critical": Role.BAD}


def run(session: Session, given: Given) -> int:
    """Print the lines."""
    loop, shown = given.maybe("loop"), 0
    request = WatchLogs(loop=loop, last=given.number("limit", 100), follow=given.has("follow"))
    with closing(_followed(session, request) if request.follow else session.watch(request)) as found:
        for one in found:
            shown += 1
            if session.wants_json:
                session.item(one)
            else:
                session.print(_line(one))
    if not shown and not session.wants_json:
        session.print(line(f"nothing has been logged by {one_line(loop)}" if loop else "the log is empty"))
    return 0


def _followed(session: Session, request: WatchLogs) -> Generator[LogLine]:
    """The lines, for ever; after a restart of the service those that were logged meanwhile, and none twice.

    Raises Problem; Problem(unavailable) when the service does not come back.
    """
    newest = session.now() if request.last == 0 else 0
    told: list[LogLine] = []
    reached = False
    known = replace(request, last=max(request.last, LOOKED_BACK))
    lost_at: float | None = None
    pause = event_stream.FIRST_PAUSE
    while True:
        try:
            with session.connect() as connection:
                watched, reached = connection.watch(request), True
                if lost_at is not None:
                    _say(session, "the service is back", Role.GOOD)
                    lost_at, pause = None, event_stream.FIRST_PAUSE
                before, already = (newest, told) if request is known else (0, [])
                for one in watched:
                    if one.at < before or one in already:
                        continue
                    if one.at > newest:
                        newest, told = one.at, []
                    if one.at == newest:
                        told = [*told, one]
                    yield one
        except Problem as problem:
            # What was never there is not waited for.
            if problem.code is not Code.UNAVAILABLE or not reached:
                raise
            if lost_at is not None and time.monotonic() - lost_at > event_stream.PATIENCE:
                raise
        request = known
        if lost_at is None:
            lost_at = time.monotonic()
            _say(session, "the service is unreachable: trying again", Role.WARNING)
        time.sleep(pause)
        pause = min(pause * 2, event_stream.LONGEST_PAUSE)


def _say(session: Session, text: str, role: Role) -> None:
    if not session.wants_json:
        session.print(line(symbol("!", role), (text, role)))


def _line(one: LogLine) -> Line:
    fields = fields_text({name: value for name, value in one.fields.items() if name not in NOT_SHOWN}, 120)
    # The log of a loop has all that the loop did, whatever the level: only what is wrong is marked.
    level = (f"{one.level} ", _ROLES[one.level]) if one.level in _ROLES else ""
    return line(
        (f"{moment(one.at)} ", Role.FAINT),
        level,
        (f"{one_line(one.source, 80)}: ", Role.FAINT),
        clean(one.message).replace("\n", " "),
        (f" {fields}" if fields else "", Role.FAINT),
    )


COMMANDS = (
    Command(
        name="logs",
        summary="Show the log of a loop, or of the service itself.",
        group=Group.RECORD,
        run=run,
        verbs=(WatchLogs,),
        arguments=(Argument("loop", Kind.LOOP, "Of this loop; else of the service.", optional=True),),
        flags=(
            Flag("follow", "Also the lines to come, until Ctrl-C.", short="f"),
            Flag("limit", "How many lines.", Kind.NUMBER, short="n", at_least=0, at_most=10_000, default="100"),
        ),
        examples=(Example("logs"), Example("logs web -f"), Example("logs web -n 20 --json", "one in each line")),
    ),
)
