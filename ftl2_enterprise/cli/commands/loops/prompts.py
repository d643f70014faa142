"""`prompts`: the open prompts of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import LOOPS
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.render import json_output

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """List the prompts."""
    from ftl2_enterprise.cli.loops.local_reader import LocalReader  # noqa: PLC0415 - SQLAlchemy is not needed for help
    from ftl2_enterprise.render.loops.prompts import prompts_view  # noqa: PLC0415

    with session.open_store().read() as tx:
        view = prompts_view(LocalReader(session, tx), loop=None, settled=False)
        if given.has("json"):
            session.document([{**json_output.document(one.prompt), "loop": one.loop} for one in view.document])
        else:
            session.out.print(view.lines())
    return 0


COMMAND = Command(
    summary="List the open prompts of loops, oldest first.",
    group=LOOPS,
    run=run,
    options=(JSON,),
    examples=(Example("prompts"),),
)
