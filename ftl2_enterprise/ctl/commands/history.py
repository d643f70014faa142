"""`history`: what a loop did, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.ctl.registry import LOOP, Command, Example, Flag, Group, Kind, limit
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListPrompts
from ftl2_enterprise.render.loops import history
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Action, Prompt
    from ftl2_enterprise.protocol.loops.replies import History

LIMIT = 20


def run(session: Session, given: Given) -> int:
    """Show the last iterations."""
    request = GetHistory(
        loop=given.text("loop"),
        actions=given.has("actions"),
        before=given.maybe_number("before"),
        limit=given.number("limit", LIMIT),
        changed=given.has("changed"),
    )
    page = session.call(request)
    while request.changed and page.more is not None and len(page.iterations) < request.limit:
        # The service looks at so many at once; the changes may lie further back.
        left = request.limit - len(page.iterations)
        earlier = session.call(replace(request, before=page.more, limit=left))
        page = replace(
            earlier,
            iterations=[*earlier.iterations, *page.iterations],
            actions=[*earlier.actions, *page.actions],
        )
    session.reply(page, lambda: lines(session, page, given))
    return 0


def lines(session: Session, page: History, given: Given) -> list[Line]:
    """Iterations, oldest first, with their prompts."""
    shown = history.header(page.loop, session.now())
    if not page.iterations:
        none = "no iteration changed anything, failed or asked" if given.has("changed") else "no iterations yet"
        shown.append(line((none, Role.FAINT), indent=2))
        return shown
    prompts: dict[int, list[Prompt]] = {}
    for found in session.call(ListPrompts(loop=str(page.loop.id), settled=True, limit=1000)):
        prompts.setdefault(found.prompt.iteration_id, []).append(found.prompt)
    actions: dict[int, list[Action]] = {}
    for action in page.actions:
        actions.setdefault(action.iteration_id, []).append(action)
    # With --changed there are gaps anyway.
    gaps = {} if given.has("changed") else history.forgotten_lines(page.iterations, from_first=page.more is None)
    for iteration in page.iterations:
        shown += [gaps[iteration.id]] if iteration.id in gaps else []
        shown += history.iteration_lines(iteration, prompts.get(iteration.id, []))
        for action in actions.get(iteration.id, []):
            shown += history.action_lines(action)
    if page.more is not None:
        flags = "".join(f" --{flag}" for flag in ("changed", "actions") if given.has(flag))
        shown.append(session.offer("earlier ones", f"history {word(page.loop.name)} --before {page.more}{flags}"))
    elif not given.has("actions") and page.loop.action_count:
        flags = " --changed" if given.has("changed") else ""
        shown.append(session.offer("with actions", f"history {word(page.loop.name)}{flags} --actions"))
    return shown


COMMANDS = (
    Command(
        name="history",
        summary="Show what a loop did, iteration by iteration, and why.",
        group=Group.RECORD,
        run=run,
        verbs=(GetHistory, ListPrompts),
        arguments=(LOOP,),
        flags=(
            Flag("actions", "With every action and what became of it.", short="a"),
            Flag("changed", "Only those that changed something, failed or asked.", short="c"),
            limit(LIMIT, "How many iterations."),
            Flag("before", "Those before the iteration of this number.", Kind.NUMBER),
        ),
        examples=(
            Example("history web"),
            Example("history web --actions -n 3"),
            Example("history web --changed", "without the looks that found all in place"),
            Example("history web --json"),
        ),
    ),
)
