"""The view of one loop: its state and why, its specification, its last iteration, its open prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant, moment, seconds_between
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopState, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListPrompts, ShowLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.loops.actions import action_lines
from ftl2_enterprise.render.loops.approvals import short_action_lines
from ftl2_enterprise.render.loops.history import iteration_lines
from ftl2_enterprise.render.loops.loop_table import stopping_lines
from ftl2_enterprise.render.loops.prompts import expires, numbered, question
from ftl2_enterprise.render.loops.standing import AT_REST, ENDED, condition_pieces, standing, why
from ftl2_enterprise.render.text import (
    Line,
    Piece,
    Role,
    ago,
    count,
    dollars,
    duration,
    line,
    one_line,
    person,
    quoted,
    symbol,
)
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.protocol.loops.nouns import Iteration, Loop
    from ftl2_enterprise.protocol.loops.replies import LoopDetail, PromptLine, RevisionLine
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord
    from ftl2_enterprise.render.view import ViewReader

LABEL_COLUMNS = 10
SHOWN_ACTIONS = 10


def loop_view(reader: ViewReader, *, loop: str) -> ViewContent:
    """One loop, by name, prefix of a name, or id; the document is the reply `LoopDetail`."""
    detail = reader.call(ShowLoop(loop=loop))
    return ViewContent(detail, lambda: _lines(reader, detail))


def _lines(reader: ViewReader, detail: LoopDetail) -> list[Line]:
    loop, now = detail.loop, reader.now()
    where = standing(loop, detail.queued)
    shown = [
        *freeze_lines(holding(reader, loop), now),
        *stopping_lines(None, draining=detail.draining),
        line(
            symbol(where.symbol, where.role),
            (one_line(loop.name), Role.STRONG),
            (f" (id {loop.id})  ", Role.FAINT),
            (where.word, where.role),
            *condition_pieces(loop, now),
        ),
    ]
    if reason := why(loop, now, detail.queued, draining=detail.draining, model_wait=detail.model_wait):
        shown.append(_fact("why", reason))
    if loop.left_out:
        shown.append(_fact("left out", one_line(", ".join(loop.left_out), 300)))
    shown.append(_fact("desired", one_line(loop.spec.source or loop.desired_state, 300)))
    shown.append(_fact("mode", _mode(loop)))
    if limits := _limits(loop):
        shown.append(_fact("with", limits))
    if labels := loop.spec.labels:
        shown.append(_fact("labels", ", ".join(f"{key}={one_line(value)}" for key, value in sorted(labels.items()))))
    if detail.process is not None:
        shown.append(_fact("process", _process(detail, now)))
    shown.append(_fact("done", _done(loop)))
    shown.append(_fact("submitted", _submitted(loop, now)))
    if detail.revision is not None and detail.revision.n > 1:
        shown.append(_fact("revision", _revision(detail.revision, now)))
    if loop.crashes:
        within = f" in the last {duration(seconds_between(loop.crashes_since, now))}" if loop.crashes_since else ""
        shown.append(_fact("crashes", f"{loop.crashes}{within}"))
    if detail.last is not None:
        shown += [line(), *_last(reader, detail.last, now)]
    prompts = _prompts(reader, detail)
    for prompt in sorted(detail.open_prompts, key=lambda one: one.asked_at):
        found = prompts.get(prompt.id)
        approval, model = (None, None) if found is None else (found.approval, found.model)
        asked = question(prompt.id, prompt.question, numbered(prompt), prompt.default, model=model)
        actions, ends = short_action_lines(approval), expires(prompt, now, indent=4)
        shown += [line(), asked[0], *actions, *asked[1:], *ends]
    shown += _next(reader, detail)
    return shown


WITHOUT_MODEL = {"manifest", "rules"}
"""The deciders that call no model: a freeze of calls of models, the only one of a kind, does not hold them."""


def holding(reader: ViewReader, loop: Loop, *, hosts: Iterable[str] = ()) -> list[FreezeRecord]:
    """The freezes that hold the loop, or parts of what it does, or calls on these hosts."""
    names = {host.casefold() for host in hosts}
    return [
        one
        for one in reader.call(ListFreezes())
        if one.freeze.id == loop.frozen_by
        or one.freeze.scope is FreezeScope.ALL
        or (one.freeze.scope is FreezeScope.SUBJECT and one.freeze.of == loop_subject(loop.id))
        or (one.freeze.scope is FreezeScope.TARGET and one.freeze.of.casefold() in names)
        or (one.freeze.scope is FreezeScope.KIND and loop.spec.decider not in WITHOUT_MODEL)
    ]


def _last(reader: ViewReader, last: Iteration, now: Instant) -> list[Line]:
    """The last iteration with its settled prompt, who approved its actions, and at most the last SHOWN_ACTIONS."""
    page = reader.call(GetHistory(loop=str(last.loop_id), actions=True, limit=1))
    actions = [one for one in page.actions if one.iteration_id == last.id]
    settled = [one for one in page.prompts if one.iteration_id == last.id and one.state is not PromptState.OPEN]
    shown = iteration_lines(
        last, settled, page.approvals, with_denial=not actions, with_revision=page.loop.revision > 1
    )
    if (earlier := len(actions) - SHOWN_ACTIONS) > 0:
        shown.append(line((f"{count(earlier, 'earlier action')} not shown", Role.FAINT), indent=2))
    return shown + [one for action in actions[-SHOWN_ACTIONS:] for one in action_lines(action, now)]


def _prompts(reader: ViewReader, detail: LoopDetail) -> dict[int, PromptLine]:
    """The open prompts with who asks, and what people are to approve, by their ids."""
    if not detail.open_prompts:
        return {}
    return {one.prompt.id: one for one in reader.call(ListPrompts(loop=str(detail.loop.id)))}


def _fact(label: str, *pieces: Piece) -> Line:
    return line((f"{label:<{LABEL_COLUMNS}}", Role.FAINT), *pieces, indent=2, hang=LABEL_COLUMNS)


def _mode(loop: Loop) -> str:
    spec = loop.spec
    parts = [str(loop.mode), f"decided by {spec.decider}"]
    if spec.model:
        parts.append(f"model {one_line(spec.model)}")
    if spec.dry_run:
        parts.append("dry run")
    if spec.remediation is not LoopRemediation.AUTO:
        parts.append(f"remediation {spec.remediation}")
    if loop.mode == "continuous":
        parts.append(f"every {duration(spec.interval)}")
    if loop.priority:
        parts.append(f"priority {loop.priority}")
    return ", ".join(parts)


def _limits(loop: Loop) -> str:
    spec = loop.spec
    named = (
        ("inventory", spec.inventory),
        ("policy", spec.policy),
        ("environment", spec.environment),
        ("rules", spec.rules_dir),
        ("at most", dollars(spec.max_cost) if spec.max_cost is not None else None),
        ("at most", count(spec.max_tokens, "token") if spec.max_tokens is not None else None),
        ("without", "its model" if spec.without_model else None),
    )
    return ", ".join(f"{name} {one_line(value)}" for name, value in named if value)


def _process(detail: LoopDetail, now: Instant) -> str:
    process = detail.process
    assert process is not None
    pid = f"pid {process.pid}, " if process.pid is not None else ""
    stopping = ", stopping" if process.stopping else ""
    return f"{pid}started {ago(process.started_at, now)}{stopping}"


def _done(loop: Loop) -> str:
    parts = [f"run {loop.run}", count(loop.iteration_count, "iteration")]
    parts.append(f"{count(loop.action_count, 'action')} ({loop.changed_count} changed, {loop.failed_count} failed)")
    if loop.model_call_count:
        parts.append(f"{count(loop.model_call_count, 'model call')} for {dollars(loop.cost_usd)}")
    return ", ".join(parts)


def _submitted(loop: Loop, now: Instant) -> str:
    by = f" by {person(loop.submitted_by)}" if loop.submitted_by else ""
    ended = f"; ended {ago(loop.ended_at, now)}" if loop.ended_at is not None else ""
    return f"{moment(loop.created_at)}{by}{ended}"


def _revision(revision: RevisionLine, now: Instant) -> str:
    by = f" by {person(revision.created_by)}" if revision.created_by else ""
    restores = f", as revision {revision.restores}" if revision.restores is not None else ""
    reason = f": {one_line(revision.reason)}" if revision.reason else ""
    return f"{revision.n}{restores}, {ago(revision.created_at, now)}{by}{reason}"


def _next(reader: ViewReader, detail: LoopDetail) -> list[Line]:
    """The commands that are useful in this state."""
    loop = detail.loop
    name = quoted(loop.name)
    commands: list[tuple[str, str]] = []
    for prompt in detail.open_prompts[:3]:
        words = (APPROVE, REJECT) if prompt.kind is PromptKind.APPROVAL else ()
        commands += [(word, f"{word} {prompt.id}") for word in ("answer", *words)]
    match loop.state:
        case LoopState.PAUSED:
            commands.append(("resume", f"resume {name}"))
        case LoopState.BLOCKED | LoopState.FAILED:
            commands.append(("try again", f"retry {name}"))
        case LoopState.RESTING if loop.frozen_by is not None:
            commands.append(("what holds it", "freezes"))
        case LoopState.RESTING:
            commands.append(("check now", f"run-now {name}"))
        case state if state not in {*ENDED, *AT_REST}:
            commands.append(("follow", f"watch {name}"))
        case _:
            pass
    if loop.state not in {LoopState.COMPLETED, LoopState.CANCELLED}:
        commands.append(("why", f"why {name}"))
    commands.append(("history", f"history {name} --actions"))
    widest = max(len(label) for label, _ in commands) + 2
    return [
        line(),
        *(
            line((f"{label + ':':<{widest}}", Role.FAINT), (reader.command(words), Role.COMMAND), indent=2)
            for label, words in commands
        ),
    ]
