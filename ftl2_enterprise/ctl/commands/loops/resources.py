"""`resources`: the resources that loops created or registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, limit
from ftl2_enterprise.ctl.loops.arguments import ONLY_LOOP
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.verbs import ListResources
from ftl2_enterprise.render.loops.inventory import LIMIT, resources_view

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """List the resources."""
    return session.view(resources_view(session, loop=given.maybe("loop"), limit=given.number("limit", LIMIT)))


COMMAND = Command(
    summary="List the resources that loops created or registered.",
    group=HISTORY,
    run=run,
    verbs=(ListResources,),
    arguments=(ONLY_LOOP,),
    options=(limit(LIMIT, "Maximum number of resources."),),
    examples=(Example("resources"), Example("resources web --json")),
)
