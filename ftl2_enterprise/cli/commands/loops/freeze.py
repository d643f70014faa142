"""`freeze`: let no effect begin, also when the service is down or does not answer."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import JSON, SERVICE
from ftl2_enterprise.commandline.declaration import TEXT, Command, Example
from ftl2_enterprise.commandline.loops import freezing as options
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Put a freeze in force."""
    from ftl2_enterprise.cli.loops import freezing  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.core.freeze import Freeze  # noqa: PLC0415
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415
    from ftl2_enterprise.render.json_output import document  # noqa: PLC0415

    reason, now, until = options.reason_of(given), SystemClock().now(), given.maybe_number("until")
    if until is not None and until <= now:
        raise invalid("cannot freeze until then: that time has passed")
    files = freezing.files(session)
    scope, of = freezing.selected(session, given, "freeze")
    made = Freeze(
        id=secrets.token_hex(4),
        scope=scope,
        of=of,
        reason=reason,
        by=freezing.caller(),
        since=now,
        until=until,
        now=given.has("now"),
        by_administrator=True,
    )
    files.add(made)
    found = freezing.records(session, [made])
    if given.has("json"):
        session.document(document(found[0]))
    else:
        session.out.print([*freeze_lines(found, now), *freezing.warnings(session, made)])
    return 0


COMMAND = Command(
    summary="Let nothing have an effect on hosts or models, also while the service is down or does not answer.",
    group=SERVICE,
    run=run,
    options=(*options.selection(TEXT), options.REASON, options.UNTIL, options.NOW, JSON),
    details=(
        "It writes a file next to the database, which every process reads before each effect; run it as root or as "
        "the user of the service. Everything else is as with `ftl2ctl freeze`."
    ),
    examples=(
        Example('freeze --all --reason "incident 4711"'),
        Example('freeze --all --now --reason "incident 4711" --until +2h'),
    ),
)
