"""`hosts list`: the hosts that loops have recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, limit
from ftl2_enterprise.ctl.loops.arguments import HOSTS, ONLY_LOOP
from ftl2_enterprise.protocol.loops.verbs import ListHosts
from ftl2_enterprise.render.loops.inventory import LIMIT, hosts_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the hosts."""
    return session.view(hosts_view(session, loop=given.maybe("loop"), limit=given.number("limit", LIMIT)))


COMMAND = Command(
    summary="List the hosts that loops have recorded, with their facts.",
    group=HOSTS,
    run=run,
    verbs=(ListHosts,),
    arguments=(ONLY_LOOP,),
    options=(limit(LIMIT, "Maximum number of hosts."),),
    examples=(Example("hosts"), Example("hosts web --json")),
)
