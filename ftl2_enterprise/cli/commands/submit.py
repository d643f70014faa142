"""`submit`: hand a desired state to the service."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ftl2_enterprise.cli import run_options
from ftl2_enterprise.loops.naming import check_name
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Mode
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.loops import desired_state
from ftl2_enterprise.render.text import Role, line, one_line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session

PATHS = ("inventory", "policy", "rules_dir")
LIMITS = ("max_iterations", "interval", "action_timeout", "prompt_timeout")
"""What the settings say when the command line does not."""


@click.command("submit")
@run_options.DESIRED_STATE
@click.option(
    "-f", "--file", metavar="FILE", help="Read the desired state, or a manifest, from FILE; `-` is standard input."
)
@click.option("-i", "--inventory", metavar="FILE", help="The hosts; the service's machine when not given.")
@run_options.NAME
@run_options.MODE
@click.option("--max-iterations", type=click.IntRange(min=1), help="Iterations of one run.")
@click.option("--interval", type=click.FloatRange(min=0, min_open=True), help="Seconds between runs.")
@run_options.DRY_RUN
@run_options.POLICY
@run_options.ENVIRONMENT
@run_options.RULES_DIR
@click.option(
    "-s",
    "--secret",
    "secrets",
    multiple=True,
    metavar="MODULE.PARAM=SOURCE",
    help="Bind a secret: SOURCE is credential:NAME or a variable of the service's environment.",
)
@click.option("--max-ask-delay", type=click.IntRange(min=0), default=0, metavar="N", help="As for `run`.")
@run_options.DECIDER
@run_options.MODEL
@run_options.MAX_COST
@click.option("--action-timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for one action.")
@click.option("--paused", is_flag=True, help="Write it down, but do not start it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(session: Session, **options: Any) -> int:
    """Hand DESIRED_STATE to the service, which makes it true in a process of its own.

    `ftl2ctl submit` does the same, and can follow the loop.
    """
    from ftl2_enterprise.cli import service  # noqa: PLC0415 - nothing of it is needed for --help
    from ftl2_enterprise.protocol.loops.verbs import SubmitLoop  # noqa: PLC0415

    session.wants_json = options["as_json"]
    text, source = desired_state.read_desired_state(options["desired_state"], options["file"])
    if options["name"] is not None:
        check_name(options["name"])
    desired_state.check_interval(Mode(options["mode"]), options["interval"])
    given = {
        field: options[field]
        for field in ("environment", "decider", "dry_run", "max_ask_delay", "model", "max_cost")
        if options[field] is not None
    }
    with service.reach(session) as (connection, _):
        limits = service.limits(connection, LIMITS)
        limits |= {field: options[field] for field in LIMITS if options.get(field) is not None}
        spec = LoopSpec(
            # Without a name the service makes one that is free.
            name=options["name"] or "",
            desired_state=text,
            source=source,
            mode=Mode(options["mode"]),
            secrets=list(options["secrets"]),
            # The service has another working directory.
            **{field: str(Path(options[field]).expanduser().absolute()) for field in PATHS if options[field]},
            **given,
            **limits,
        )
        loop = connection.call(SubmitLoop(spec=spec, paused=options["paused"]))
    if options["as_json"]:
        session.out.stream.write(json_output.text(json_output.document(loop)) + "\n")
        return 0
    state = "written down, not started" if options["paused"] else "submitted"
    follow = shlex.join(["ftl2ctl", "watch", loop.name])
    session.out.print(
        [
            line(symbol("✔", Role.GOOD), f"loop {loop.id} ", (one_line(loop.name), Role.STRONG), f" {state}"),
            line(("follow: ", Role.FAINT), (follow, Role.COMMAND), indent=2),
        ]
    )
    return 0
