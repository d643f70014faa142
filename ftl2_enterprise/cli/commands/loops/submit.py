"""`submit`: submit a desired state to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import LOOPS
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.protocol.loops.naming import check_name
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.text import Role, line, one_line, quoted, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Submit the desired state."""
    from ftl2_enterprise.cli import service  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.commandline.loops.desired_state import read_desired_state  # noqa: PLC0415
    from ftl2_enterprise.commandline.loops.sent_files import files_of  # noqa: PLC0415
    from ftl2_enterprise.commandline.loops.spec import spec_of  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.verbs import SubmitLoop  # noqa: PLC0415
    from ftl2_enterprise.protocol.service.verbs import GetSettings  # noqa: PLC0415

    if (name := given.maybe("name")) is not None:
        check_name(name)
    desired = read_desired_state(given.maybe("desired-state"), given.maybe("file"))
    with service.reach(session) as (connection, _):
        spec = spec_of(given, desired, lambda: connection.call(GetSettings()))
        request = SubmitLoop(spec=spec, paused=given.has("paused"), files=files_of(spec))
        loop = connection.call(request)
    if given.has("json"):
        session.document(json_output.document(loop))
        return 0
    state = "created paused" if given.has("paused") else "submitted"
    session.out.print(
        [
            line(symbol("✔", Role.GOOD), f"loop {loop.id} ", (one_line(loop.name), Role.STRONG), f" {state}"),
            line(("follow: ", Role.FAINT), (f"ftl2ctl watch {quoted(loop.name)}", Role.COMMAND), indent=2),
        ]
    )
    return 0


COMMAND = Command(
    summary="Submit a desired state to the service, which runs it as a loop in its own process.",
    group=LOOPS,
    run=run,
    arguments=(options.DESIRED_STATE,),
    options=(
        options.FILE,
        options.inventory("the machine of the service"),
        options.NAME,
        options.MODE,
        options.MAX_ITERATIONS,
        options.INTERVAL,
        options.DRY_RUN,
        options.RUN_CHECKS,
        options.POLICY,
        options.ENVIRONMENT,
        options.RULES_DIR,
        options.SECRET,
        options.MAX_ASK_DELAY,
        options.DECIDER,
        options.MODEL,
        options.MAX_COST,
        options.MAX_TOKENS,
        options.ACTION_TIMEOUT,
        Option("paused", "Create the loop paused."),
        JSON,
    ),
    details="`ftl2ctl submit` does the same, and can follow the loop.",
    examples=(Example("submit site.yaml"), Example("submit -f site.yaml --mode continuous --interval 300")),
)
