"""The history of a loop as lines: iterations with their reasons, prompts and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.core.clock import Instant, moment, seconds_between
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Iteration,
    Loop,
    Observation,
    Prompt,
    PromptState,
)
from ftl2_enterprise.protocol.loops.verbs import GetHistory
from ftl2_enterprise.render.loops.actions import action_lines
from ftl2_enterprise.render.loops.approvals import consent
from ftl2_enterprise.render.loops.observations import observation_line
from ftl2_enterprise.render.loops.prompt_endings import ending
from ftl2_enterprise.render.loops.standing import condition_pieces, standing
from ftl2_enterprise.render.loops.state_words import EXPLAINED_BY_ACTIONS, ITERATION_WORDS
from ftl2_enterprise.render.text import (
    Line,
    Role,
    count,
    dollars,
    duration,
    line,
    one_line,
    quoted,
    with_commands,
)
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.protocol.loops.approvals import ApprovalRecord
    from ftl2_enterprise.protocol.loops.replies import History
    from ftl2_enterprise.render.view import ViewReader

LIMIT = 20
SHOWN_UNMET = 8
SHOWN_OBSERVATIONS = 8


def history_view(
    reader: ViewReader, *, loop: str, actions: bool, changed: bool, before: int | None, limit: int = LIMIT
) -> ViewContent:
    """The last iterations of a loop, oldest first; the document is the reply `History`.

    `changed` leaves out iterations without changes, failures and prompts. `before` is the id of an iteration: only
    older ones are shown.
    """
    request = GetHistory(loop=loop, actions=actions, before=before, limit=limit, changed=changed)
    page = reader.call(request)
    while changed and page.more is not None and len(page.iterations) < limit:
        # The service searches a bounded number of iterations per call; changes may be further back.
        left = limit - len(page.iterations)
        earlier = reader.call(replace(request, before=page.more, limit=left))
        page = replace(
            earlier,
            iterations=[*earlier.iterations, *page.iterations],
            actions=[*earlier.actions, *page.actions],
            prompts=[*earlier.prompts, *page.prompts],
            observations=[*earlier.observations, *page.observations],
            approvals=list({one.id: one for one in (*earlier.approvals, *page.approvals)}.values()),
        )
    return ViewContent(page, lambda: _view_lines(reader, page, request))


def _view_lines(reader: ViewReader, page: History, request: GetHistory) -> list[Line]:
    lines = page_lines(page, reader.now(), only_changed=request.changed)
    name = quoted(page.loop.name)
    if page.iterations and page.more is not None:
        options = "".join(
            f" --{option}" for option, given in (("changed", request.changed), ("actions", request.actions)) if given
        )
        lines.append(offer(reader, "earlier", f"history {name} --before {page.more}{options}"))
    elif page.iterations and not request.actions and page.loop.action_count:
        options = " --changed" if request.changed else ""
        lines.append(offer(reader, "with actions", f"history {name}{options} --actions"))
    return lines


def page_lines(page: History, now: Instant, *, only_changed: bool = False) -> list[Line]:
    """A page of history: the loop, then its iterations with their prompts and actions."""
    lines = header(page.loop, now)
    if not page.iterations:
        none = "no iteration has changed anything, failed or prompted" if only_changed else "no iterations yet"
        return [*lines, line((none, Role.FAINT), indent=2)]
    asked: Mapping[int, list[Prompt]] = _by_iteration(page.prompts)
    done: Mapping[int, list[Action]] = _by_iteration(page.actions)
    observed: Mapping[int, list[Observation]] = _by_iteration(page.observations)
    # With `--changed`, gaps in the numbers are iterations that are left out, not pruned ones.
    gaps = {} if only_changed else removed_lines(page.iterations, from_first=page.more is None)
    for iteration in page.iterations:
        lines += [gaps[iteration.id]] if iteration.id in gaps else []
        actions = done.get(iteration.id, [])
        lines += iteration_lines(
            iteration,
            asked.get(iteration.id, []),
            page.approvals,
            with_denial=not actions,
            with_revision=page.loop.revision > 1,
        )
        lines += _observation_lines(observed.get(iteration.id, []))
        lines += _actions_lines(actions)
    return lines


def _actions_lines(actions: Sequence[Action]) -> list[Line]:
    """The actions of an iteration; a reason of several denials is shown with the first."""
    lines: list[Line] = []
    denials: set[str] = set()
    for action in actions:
        shown = action_lines(action)
        if action.state is ActionState.DENIED and action.error is not None:
            lines += shown[:1] if action.error in denials else shown
            denials.add(action.error)
        else:
            lines += shown
    return lines


def _observation_lines(observations: Sequence[Observation]) -> list[Line]:
    """What an iteration observed because a model had requested it."""
    if not observations:
        return []
    lines = [line(("observed, as the model requested:", Role.FAINT), indent=2)]
    lines += [observation_line(one, indent=4, in_full=True) for one in observations[:SHOWN_OBSERVATIONS]]
    if (more := len(observations) - SHOWN_OBSERVATIONS) > 0:
        lines.append(line((f"and {more} more", Role.FAINT), indent=4))
    return lines


def _by_iteration[T: (Action, Observation, Prompt)](nouns: Sequence[T]) -> dict[int, list[T]]:
    found: dict[int, list[T]] = {}
    for one in nouns:
        found.setdefault(one.iteration_id, []).append(one)
    return found


def header(loop: Loop, now: Instant) -> list[Line]:
    """The state of the loop, with its counts."""
    where = standing(loop)
    counts = f"{count(loop.iteration_count, 'iteration')}, {count(loop.action_count, 'action')}"
    changes = f" ({loop.changed_count} changed, {loop.failed_count} failed)" if loop.action_count else ""
    lines = [
        line(
            ("loop ", Role.FAINT),
            (one_line(loop.name), Role.STRONG),
            f" ({loop.mode}, {loop.spec.decider}): ",
            (where.word, where.role),
            *condition_pieces(loop, now),
        ),
        line((f"{counts}{changes}", Role.FAINT), indent=2),
    ]
    if loop.model_call_count:
        calls = f"{count(loop.model_call_count, 'model call')}, {dollars(loop.cost_usd)}"
        lines.append(line((calls, Role.FAINT), indent=2))
    if loop.reason:
        lines.append(line(one_line(loop.reason, 300), indent=2))
    return lines


def removed_lines(iterations: Sequence[Iteration], *, from_first: bool) -> dict[int, Line]:
    """Lines with the number of pruned no-op iterations, by the id of the iteration that follows them.

    Requires all stored iterations of a range, in order; with `from_first` it begins with the oldest stored one.
    """
    found: dict[int, Line] = {}
    expected = 1 if from_first or not iterations else iterations[0].n
    for one in iterations:
        if one.n > expected:
            removed = count(one.n - expected, "no-op iteration")
            found[one.id] = line((f"{removed} no longer stored", Role.FAINT))
        expected = one.n + 1
    return found


def iteration_lines(
    iteration: Iteration,
    prompts: Sequence[Prompt] = (),
    approvals: Sequence[ApprovalRecord] = (),
    *,
    with_denial: bool = True,
    with_revision: bool = False,
) -> list[Line]:
    """An iteration: number, run, start, outcome, decider, duration; reasoning, unmet conditions, error, prompts, and
    who approved its actions.

    `with_denial`: the error of a denied iteration is included, which repeats the reasons of its actions.
    `with_revision`: the revision is shown also if it is the first.
    """
    if iteration.outcome is None:
        word, role = str(iteration.state), Role.ACCENT
    else:
        word, role = ITERATION_WORDS[iteration.outcome]
    by = f"  by {one_line(iteration.decided_by)}" if iteration.decided_by else ""
    revision = f"revision {iteration.revision}  " if with_revision or iteration.revision > 1 else ""
    took = f"  {duration(seconds_between(iteration.started_at, iteration.ended_at))}" if iteration.ended_at else ""
    lines = [
        line(
            (f"iteration {iteration.n}", Role.STRONG),
            (f"  run {iteration.run}  {revision}{moment(iteration.started_at)}  ", Role.FAINT),
            (word, role),
            (by + took, Role.FAINT),
        )
    ]
    if iteration.reasoning:
        lines.append(line(*with_commands(iteration.reasoning, limit=500), indent=2))
    unmet = (
        [one for one in iteration.decision.unmet if one not in (iteration.reasoning or "")]
        if iteration.decision
        else []
    )
    unknown = iteration.decision.unknown if iteration.decision else []
    lines += [
        line(("unknown: " if item in unknown else "not as desired: ", Role.WARNING), *with_commands(item), indent=2)
        for item in unmet[:SHOWN_UNMET]
    ]
    if len(unmet) > SHOWN_UNMET:
        lines.append(line((f"and {len(unmet) - SHOWN_UNMET} more", Role.FAINT), indent=4))
    has_denial = iteration.outcome in EXPLAINED_BY_ACTIONS and not with_denial
    if iteration.error and iteration.error != iteration.reasoning and not has_denial:
        lines.append(line(*with_commands(iteration.error, Role.BAD), indent=2))
    for prompt in prompts:
        asked = f"prompt {prompt.id}: {one_line(prompt.question)} "
        lines.append(line((asked, Role.WARNING), ("-> ", Role.FAINT), _end(prompt, approvals), indent=2))
    used = next((one for one in approvals if one.used_by == iteration.id), None)
    if used is not None:
        lines.append(line(consent(used.votes), (f", prompt {used.prompt_id}", Role.FAINT), indent=2))
    return lines


def _end(prompt: Prompt, approvals: Sequence[ApprovalRecord]) -> str:
    if prompt.state is PromptState.OPEN:
        return str(prompt.state)
    request = next((one for one in approvals if one.prompt_id == prompt.id), None)
    return ending(prompt, request, request.votes if request is not None else ())
