"""`logs`: what a loop's process, or the service itself, has logged."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.system import WatchLogs
from ftl2_enterprise.shell.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.terminal.text import Line, Role, clean, fields_text, line, moment, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.system import LogLine
    from ftl2_enterprise.shell.parsing import Given
    from ftl2_enterprise.shell.session import Session

_ROLES = {"debug": Role.FAINT, "warning": Role.WARNING, "error": Role.BAD, "critical": Role.BAD}


def run(session: Session, given: Given) -> int:
    """Print the lines."""
    loop, shown = given.maybe("loop"), 0
    request = WatchLogs(loop=loop, last=given.number("limit", 100), follow=given.has("follow"))
    with closing(session.watch(request)) as found:
        for one in found:
            shown += 1
            if session.wants_json:
                session.item(one)
            else:
                session.print(_line(one))
    if not shown and not session.wants_json:
        session.print(line(f"nothing has been logged by {one_line(loop)}" if loop else "the log is empty"))
    return 0


def _line(one: LogLine) -> Line:
    fields = fields_text(one.fields, 120)
    return line(
        (f"{moment(one.at)} ", Role.FAINT),
        (f"{one.level} ", _ROLES.get(one.level, Role.PLAIN)),
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
