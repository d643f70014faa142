"""`show`: one loop, with what belongs to it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.loop_tables import stopping_lines
from ftl2_enterprise.ctl.loop_text import AT_REST, FINAL, standing, why
from ftl2_enterprise.ctl.registry import LOOP, Command, Example, Group
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ShowLoop
from ftl2_enterprise.render.loops import history
from ftl2_enterprise.render.loops.prompt_text import question
from ftl2_enterprise.render.loops.state_words import CONDITION_WORDS
from ftl2_enterprise.render.text import (
    Line,
    Piece,
    Role,
    ago,
    count,
    dollars,
    duration,
    line,
    moment,
    one_line,
    person,
    symbol,
)

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Iteration, Loop
    from ftl2_enterprise.protocol.loops.replies import LoopDetail

LABEL_COLUMNS = 10
SHOWN_ACTIONS = 10


def run(session: Session, given: Given) -> int:
    """Show the loop."""
    detail = session.call(ShowLoop(loop=given.text("loop")))
    session.reply(detail, lambda: lines(session, detail))
    return 0


def lines(session: Session, detail: LoopDetail) -> list[Line]:
    """The loop for people."""
    loop, now = detail.loop, session.now()
    where = standing(loop, detail.queued)
    condition, role = CONDITION_WORDS[loop.condition]
    seen: list[Piece] = (
        [", ", (condition, role), (f" (seen {ago(loop.observed_at, now)})", Role.FAINT)]
        if loop.observed_at is not None
        else []
    )
    shown = [
        *stopping_lines(None, draining=detail.draining),
        line(
            symbol(where.symbol, where.role),
            (one_line(loop.name), Role.STRONG),
            (f" (id {loop.id})  ", Role.FAINT),
            (where.word, where.role),
            *seen,
        ),
    ]
    if reason := why(loop, now, detail.queued, draining=detail.draining):
        shown.append(_fact("why", reason))
    shown.append(_fact("wants", one_line(loop.spec.source or loop.desired_state, 300)))
    shown.append(_fact("how", _how(loop)))
    if limits := _limits(loop):
        shown.append(_fact("with", limits))
    if detail.process is not None:
        shown.append(_fact("process", _process(detail, now)))
    shown.append(_fact("did", _did(loop)))
    shown.append(_fact("asked", _asked(loop, now)))
    if loop.crashes:
        shown.append(
            _fact(
                "crashes", f"{loop.crashes}{f' since {ago(loop.crashes_since, now)}' if loop.crashes_since else ''}"
            )
        )
    if detail.last is not None:
        shown += [line(), *history.iteration_lines(detail.last), *_actions(session, detail.last, now)]
    for prompt in sorted(detail.open_prompts, key=lambda one: one.asked_at):
        shown += [line(), *question(prompt.id, prompt.question, prompt.options, prompt.default)]
    shown += _next(session, detail)
    return shown


def _actions(session: Session, last: Iteration, now: Instant) -> list[Line]:
    """What an iteration did, or is doing; of many actions the last ones."""
    page = session.call(GetHistory(loop=str(last.loop_id), actions=True, limit=1))
    actions = [one for one in page.actions if one.iteration_id == last.id]
    earlier = len(actions) - SHOWN_ACTIONS
    before = [line((f"after {count(earlier, 'action')} before these", Role.FAINT), indent=2)] if earlier > 0 else []
    return before + [told for action in actions[-SHOWN_ACTIONS:] for told in history.action_lines(action, now)]


def _fact(label: str, *pieces: Piece) -> Line:
    return line((f"{label:<{LABEL_COLUMNS}}", Role.FAINT), *pieces, indent=2, hang=LABEL_COLUMNS)


def _how(loop: Loop) -> str:
    spec = loop.spec
    parts = [str(loop.mode), f"decided by {spec.decider}"]
    if spec.model:
        parts.append(f"model {one_line(spec.model)}")
    if spec.dry_run:
        parts.append("dry run")
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
    )
    return ", ".join(f"{name} {one_line(value)}" for name, value in named if value)


def _process(detail: LoopDetail, now: Instant) -> str:
    process = detail.process
    assert process is not None
    pid = f"pid {process.pid}, " if process.pid is not None else ""
    stopping = ", stopping" if process.stopping else ""
    return f"{pid}started {ago(process.started_at, now)}{stopping}"


def _did(loop: Loop) -> str:
    parts = [f"run {loop.run}", count(loop.iteration_count, "iteration")]
    parts.append(f"{count(loop.action_count, 'action')} ({loop.changed_count} changed, {loop.failed_count} failed)")
    if loop.model_call_count:
        parts.append(f"{count(loop.model_call_count, 'model call')} for {dollars(loop.cost_usd)}")
    return ", ".join(parts)


def _asked(loop: Loop, now: Instant) -> str:
    by = f" by {person(loop.submitted_by)}" if loop.submitted_by else ""
    ended = f"; ended {ago(loop.ended_at, now)}" if loop.ended_at is not None else ""
    return f"{moment(loop.created_at)}{by}{ended}"


def _next(session: Session, detail: LoopDetail) -> list[Line]:
    """What can be done now."""
    loop = detail.loop
    name = word(loop.name)
    commands: list[tuple[str, str]] = [("answer", f"answer {prompt.id}") for prompt in detail.open_prompts[:3]]
    if loop.state in {"paused"}:
        commands.append(("go on", f"resume {name}"))
    elif loop.state in {"blocked", "failed"}:
        commands.append(("try again", f"retry {name}"))
    elif loop.state == "resting":
        commands.append(("look now", f"run-now {name}"))
    elif loop.state not in {*FINAL, *AT_REST}:
        commands.append(("follow", f"watch {name}"))
    commands.append(("history", f"history {name} --actions"))
    widest = max(len(label) for label, _ in commands) + 2
    return [
        line(),
        *(
            line((f"{label + ':':<{widest}}", Role.FAINT), (session.command(words), Role.COMMAND), indent=2)
            for label, words in commands
        ),
    ]


COMMANDS = (
    Command(
        name="show",
        summary="Show one loop: where it stands and why, what it did last, what it asks.",
        group=Group.LOOPS,
        run=run,
        is_view=True,
        verbs=(ShowLoop, GetHistory),
        arguments=(LOOP,),
        examples=(Example("show web"), Example("show 17 --json")),
    ),
)
