"""`version`: the versions of this program and of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.program import FTL2CTL, SERVICE
from ftl2_enterprise.protocol.service.verbs import GetVersion
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

DISTRIBUTION = "ftl2-enterprise"


def run(session: CtlSession, given: GivenValues) -> int:
    """Show both versions."""
    from importlib.metadata import PackageNotFoundError, version as installed  # noqa: PLC0415

    try:
        mine = installed(DISTRIBUTION)
    except PackageNotFoundError:
        mine = "not installed as a package"
    service = None if given.has("client") else session.call(GetVersion())
    if session.wants_json:
        session.document({"client": mine, "service": service})
        return 0
    session.print(line((f"{FTL2CTL.name} ", Role.STRONG), mine))
    if service is not None:
        rest = f" (protocol {service.protocol}, Python {service.python}, schema {service.schema})"
        session.print(line(("service ", Role.STRONG), service.program, (rest, Role.FAINT)))
    return 0


COMMAND = Command(
    summary="Show the versions of this program and of the service.",
    group=SERVICE,
    run=run,
    verbs=(GetVersion,),
    options=(Option("client", "Show only the version of this program, without the service."),),
    examples=(Example("version"), Example("version --client")),
)
