"""`upgrade`: replace the running service with the installed version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import Upgrade
from ftl2_enterprise.render.text import clean, line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Request the upgrade."""
    del given
    done = session.call(Upgrade())
    session.reply(done, lambda: line(clean(done.message)))
    return 0


COMMAND = Command(
    summary="Replace the running service with the installed version; what it runs continues.",
    group=SERVICE,
    run=run,
    verbs=(Upgrade,),
    examples=(Example("upgrade"),),
)
