"""`history`: what a loop did, iteration by iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option, limit
from ftl2_enterprise.render import json_output

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.loops.replies import History

LIMIT = 50


def run(session: CliSession, given: GivenValues) -> int:
    """Show the last iterations."""
    from ftl2_enterprise.cli.loops.local_reader import LocalReader  # noqa: PLC0415 - SQLAlchemy is not needed for help
    from ftl2_enterprise.render.loops.history import history_view  # noqa: PLC0415

    with session.open_store().read() as tx:
        view = history_view(
            LocalReader(session, tx),
            loop=given.text("loop"),
            actions=given.has("actions"),
            changed=given.has("changed"),
            before=given.maybe_number("before"),
            limit=given.number("limit", LIMIT),
        )
        if given.has("json"):
            page: History = view.document
            session.document(_document(page, with_actions=given.has("actions")))
        else:
            session.out.print(view.lines())
    return 0


def _document(page: History, *, with_actions: bool) -> dict[str, object]:
    iterations: list[object] = []
    for iteration in page.iterations:
        shown = json_output.document(iteration)
        shown["prompts"] = json_output.document([one for one in page.prompts if one.iteration_id == iteration.id])
        approvals = [one for one in page.approvals if iteration.id in {one.iteration_id, one.used_by}]
        shown["approvals"] = json_output.document(approvals)
        if with_actions:
            shown["actions"] = json_output.document([one for one in page.actions if one.iteration_id == iteration.id])
        iterations.append(shown)
    return {"loop": json_output.document(page.loop), "iterations": iterations, "before": page.more}


COMMAND = Command(
    summary="Show the last iterations of a loop, oldest first.",
    group=LOOPS,
    run=run,
    arguments=(LOOP,),
    options=(
        Option("actions", "Include each action with its result."),
        Option("changed", "Only iterations that changed something, failed or prompted."),
        JSON,
        limit(LIMIT, "Maximum number of iterations, newest first.", at_most=10_000),
        Option("before", "Only iterations before number N.", NUMBER, value="N", at_least=1),
    ),
    examples=(Example("history web"), Example("history web --actions --limit 3")),
)
