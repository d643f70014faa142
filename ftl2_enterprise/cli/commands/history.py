"""`history`: what a loop did, iteration by iteration."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.cli.history import Page, page_lines, read_page
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session


@click.command("history")
@click.argument("loop")
@click.option("--actions", "with_actions", is_flag=True, help="Show each action with its host and what became of it.")
@click.option("--changed", "only_changed", is_flag=True, help="Only those that changed something, failed or asked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=10_000), default=50, show_default=True, help="Iterations on a page."
)
@click.option("--before", type=click.IntRange(min=1), metavar="N", help="The page before iteration N.")
@click.pass_obj
def command(
    session: Session,
    loop: str,
    *,
    with_actions: bool,
    only_changed: bool,
    as_json: bool,
    limit: int,
    before: int | None,
) -> int:
    """Show the last iterations of LOOP (its name, its id, or how its name begins), oldest first."""
    session.wants_json = as_json
    with session.open_store().read() as tx:
        page = read_page(tx, loop, with_actions=with_actions, before=before, limit=limit, only_changed=only_changed)
        now = tx.now
    if as_json:
        session.out.stream.write(json_output.text(_document(page)) + "\n")
        return 0
    session.out.print(page_lines(page, now))
    if page.before is not None:
        flags = [*(["--changed"] if only_changed else []), *(["--actions"] if with_actions else [])]
        words = [*session.program, "history", page.loop.name, *flags]
        earlier = shlex.join([*words, "--before", str(page.before)])
        session.out.print(line(("earlier: ", Role.FAINT), (earlier, Role.COMMAND)))
    return 0


def _document(page: Page) -> dict[str, object]:
    iterations: list[object] = []
    for iteration in page.iterations:
        shown = json_output.document(iteration)
        shown["prompts"] = json_output.document(page.prompts.get(iteration.id, []))
        if page.actions is not None:
            shown["actions"] = json_output.document(page.actions[iteration.id])
        iterations.append(shown)
    return {"loop": json_output.document(page.loop), "iterations": iterations, "before": page.before}
