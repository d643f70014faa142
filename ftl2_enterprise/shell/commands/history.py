"""`history`: what a loop did, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loop_verbs import GetHistory, ListPrompts
from ftl2_enterprise.shell.lines import word
from ftl2_enterprise.shell.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.terminal import history
from ftl2_enterprise.terminal.text import Line, Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loop_replies import History
    from ftl2_enterprise.protocol.loops import Action, Prompt
    from ftl2_enterprise.shell.parsing import Given
    from ftl2_enterprise.shell.session import Session


def run(session: Session, given: Given) -> int:
    """Show the last iterations."""
    page = session.call(
        GetHistory(
            loop=given.text("loop"),
            actions=given.has("actions"),
            before=given.maybe_number("before"),
            limit=given.number("limit", 20),
        )
    )
    if session.wants_json:
        session.document(page)
    else:
        session.print(lines(session, page, given))
    return 0


def lines(session: Session, page: History, given: Given) -> list[Line]:
    """Iterations, oldest first, with their prompts."""
    shown = history.header(page.loop, session.now())
    if not page.iterations:
        shown.append(line(("no iterations yet", Role.FAINT), indent=2))
        return shown
    prompts: dict[int, list[Prompt]] = {}
    for found in session.call(ListPrompts(loop=str(page.loop.id), settled=True, limit=1000)):
        prompts.setdefault(found.prompt.iteration_id, []).append(found.prompt)
    actions: dict[int, list[Action]] = {}
    for action in page.actions:
        actions.setdefault(action.iteration_id, []).append(action)
    for iteration in page.iterations:
        shown += history.iteration_lines(iteration, prompts.get(iteration.id, []))
        for action in actions.get(iteration.id, []):
            shown += history.action_lines(action)
    if page.more is not None:
        words = f"history {word(page.loop.name)} --before {page.more}{' --actions' if given.has('actions') else ''}"
        shown.append(line(("earlier ones: ", Role.FAINT), (session.command(words), Role.COMMAND)))
    elif not given.has("actions") and page.loop.action_count:
        words = f"history {word(page.loop.name)} --actions"
        shown.append(line(("with actions: ", Role.FAINT), (session.command(words), Role.COMMAND)))
    return shown


COMMANDS = (
    Command(
        name="history",
        summary="Show what a loop did, iteration by iteration, and why.",
        group=Group.RECORD,
        run=run,
        verbs=(GetHistory, ListPrompts),
        arguments=(Argument("loop", Kind.LOOP, "Name, beginning of a name, or id."),),
        flags=(
            Flag("actions", "With every action and what became of it.", short="a"),
            Flag("limit", "How many iterations.", Kind.NUMBER, short="n", at_least=1, at_most=1000, default="20"),
            Flag("before", "Those before the iteration of this number.", Kind.NUMBER),
        ),
        examples=(Example("history web"), Example("history web --actions -n 3"), Example("history web --json")),
    ),
)
