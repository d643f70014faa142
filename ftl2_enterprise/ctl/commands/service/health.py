"""`health`: whether the service works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import GetHealth
from ftl2_enterprise.render.service.health import health_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

UNHEALTHY = 1


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the health; the exit status is 1 when there are problems."""
    del given
    found = session.call(GetHealth())
    session.reply(found, lambda: health_lines(found, session.now(), session.room))
    return 0 if found.ok else UNHEALTHY


COMMAND = Command(
    summary="Show service health.",
    group=SERVICE,
    run=run,
    verbs=(GetHealth,),
    examples=(Example("health"), Example("health --json")),
    statuses=("1: the service is unhealthy; its problems are listed",),
)
