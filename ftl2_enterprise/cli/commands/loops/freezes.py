"""`freezes`: what is frozen, with or without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import JSON, SERVICE
from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.render.text import line

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """List the freezes in force."""
    from ftl2_enterprise.cli.loops import freezing  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415
    from ftl2_enterprise.render.json_output import document  # noqa: PLC0415

    now = SystemClock().now()
    in_force = [one for one in freezing.files(session).in_force() if not one.is_over(now)]
    found = freezing.records(session, in_force)
    if given.has("json"):
        session.document([document(one) for one in found])
    else:
        session.out.print(freeze_lines(found, now) or [line("nothing is frozen")])
    return 0


COMMAND = Command(
    summary="List what is frozen, also while the service is down or does not answer.",
    group=SERVICE,
    run=run,
    options=(JSON,),
    examples=(Example("freezes"),),
)
