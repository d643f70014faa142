"""`logs`: the log of a subject, such as what its process wrote, or of the service."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example, Option
from ftl2_enterprise.ctl import event_stream
from ftl2_enterprise.ctl.subjects import HISTORY, SUBJECT, SUBJECT_HELP
from ftl2_enterprise.protocol.service.verbs import WatchLogs
from ftl2_enterprise.render.service.logs import log_line
from ftl2_enterprise.render.text import line, one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.service.verbs import LogLine

REREAD = 1_000
"""Lines that are read again after a reconnection, to find those that were logged in the meantime."""


def run(session: CtlSession, given: GivenValues) -> int:
    """Print the lines; with --follow, also new ones as they come."""
    subject, shown = given.maybe("subject"), 0
    request = WatchLogs(subject=subject, last=given.number("limit", 100), follow=given.has("follow"))
    with closing(_followed(session, request) if request.follow else session.watch(request)) as found:
        for one in found:
            shown += 1
            if session.wants_json:
                session.item(one)
            else:
                session.print(log_line(one))
    if not shown and not session.wants_json:
        session.print(line(f"the log of {one_line(subject)} is empty" if subject else "the log is empty"))
    return 0


def _followed(session: CtlSession, request: WatchLogs) -> Generator[LogLine]:
    """The lines without end; after a restart of the service, also those that were logged in between, none twice.

    Lines have no ids: those of the newest instant are remembered, and skipped when they are read again.
    Raises Problem; Problem(unavailable) when the service does not come back.
    """
    newest = session.now() if request.last == 0 else 0
    shown: list[LogLine] = []
    again = replace(request, last=max(request.last, REREAD))
    connection, before, already = 0, 0, shown
    for one, number in event_stream.reconnected(session, lambda n: request if n == 0 else again):
        if number != connection:
            connection, before, already = number, newest, shown
        if one.at < before or one in already:
            continue
        if one.at > newest:
            newest, shown = one.at, []
        if one.at == newest:
            shown = [*shown, one]
        yield one


COMMAND = Command(
    summary="Show the log of the service, or of one thing that it runs.",
    group=HISTORY,
    run=run,
    verbs=(WatchLogs,),
    arguments=(
        Argument("subject", SUBJECT, f"Whose log, by default that of the service: {SUBJECT_HELP}", optional=True),
    ),
    options=(
        Option("follow", "Also show new lines as they are logged, until Ctrl-C.", short="f"),
        Option("limit", "Maximum number of lines.", NUMBER, short="n", at_least=0, at_most=10_000, default="100"),
    ),
    examples=(Example("logs"), Example("logs web -f"), Example("logs web -n 20 --json", "one per line")),
)
