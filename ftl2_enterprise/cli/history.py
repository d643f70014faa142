"""The history of a loop as lines: iterations, why, and with actions if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    history as history_rows,
    loops as loop_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.render.loops.history import (
    action_lines,
    forgotten_lines,
    header,
    iteration_lines,
)
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.nouns import Action, Iteration, Loop, Prompt
    from ftl2_enterprise.store.tx import Tx


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some iterations of a loop, oldest first."""

    loop: Loop
    iterations: Sequence[Iteration]
    actions: Mapping[int, Sequence[Action]] | None
    """By iteration; None when they were not wanted."""
    prompts: Mapping[int, Sequence[Prompt]]
    before: int | None
    """Where the page before this one ends; None when there is none."""
    only_changed: bool


def read_page(
    tx: Tx, ref: str, *, with_actions: bool, before: int | None, limit: int, only_changed: bool = False
) -> Page:
    """The last iterations before `before`. Raises Problem when there is no such loop."""
    loop = loop_rows.get_loop(tx, ref)
    if only_changed:
        iterations, earlier = _changes(tx, loop.id, before, limit)
    else:
        found = loop_rows.get_iterations(tx, loop.id, before=before, limit=limit + 1, newest=True)
        iterations = found[-limit:]
        earlier = iterations[0].n if len(found) > limit else None
    actions = action_rows.get_actions_for_iterations(tx, [one.id for one in iterations]) if with_actions else None
    prompts: dict[int, list[Prompt]] = {}
    for prompt in prompt_rows.get_prompts(tx, loop.id):
        prompts.setdefault(prompt.iteration_id, []).append(prompt)
    return Page(
        loop=loop,
        iterations=iterations,
        actions=actions,
        prompts=prompts,
        before=earlier,
        only_changed=only_changed,
    )


def _changes(tx: Tx, loop_id: int, before: int | None, limit: int) -> tuple[list[Iteration], int | None]:
    found, more = history_rows.get_changes(tx, loop_id, before=before, limit=limit)
    while more is not None and len(found) < limit:
        earlier, more = history_rows.get_changes(tx, loop_id, before=more, limit=limit - len(found))
        found = [*earlier, *found]
    return found, more


def page_lines(page: Page, now: Instant) -> list[Line]:
    """The page for people."""
    lines = header(page.loop, now)
    if not page.iterations:
        lines.append(line(("no iterations", Role.FAINT), indent=2))
    gaps = {} if page.only_changed else forgotten_lines(page.iterations, from_first=page.before is None)
    for iteration in page.iterations:
        lines += [gaps[iteration.id]] if iteration.id in gaps else []
        lines += iteration_lines(iteration, page.prompts.get(iteration.id, []))
        for action in (page.actions or {}).get(iteration.id, []):
            lines += action_lines(action)
    return lines
