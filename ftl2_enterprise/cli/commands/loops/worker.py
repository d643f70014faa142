"""`worker`: the process that ran submitted loops in earlier programs; the command names its replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import SERVICE
from ftl2_enterprise.commandline.declaration import TEXT, Argument, Command
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Refuse. Raises Problem(invalid)."""
    del session, given
    raise invalid(
        "cannot run a worker: the service runs every submitted loop in its own process",
        "start it with `systemctl start ftl2-enterprise`, or `ftl2-enterprise supervise` without systemd",
    )


COMMAND = Command(
    summary="Replaced by the service.",
    group=SERVICE,
    run=run,
    arguments=(Argument("words", TEXT, optional=True, many=True),),
    is_hidden=True,
    ignores_unknown_options=True,
)
