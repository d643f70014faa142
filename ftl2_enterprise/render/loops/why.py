"""Why a loop is where it is: everything that holds it, with the command that ends it, and what is out of place."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.core.freeze import NOT_THAWED
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    Desired,
    LoopState,
    Outcome,
    PromptKind,
)
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListPrompts, ShowLoop
from ftl2_enterprise.render.freezes import held_by
from ftl2_enterprise.render.loops.loop_detail import holding
from ftl2_enterprise.render.loops.standing import (
    ENDED,
    NEXT_START,
    ONLY_REPORTS,
    condition_pieces,
    expiry,
    is_stale,
    only_reports,
    retrying,
    standing,
    until,
    waiting,
)
from ftl2_enterprise.render.text import Line, Role, count, line, one_line, quoted, symbol
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.protocol.loops.nouns import Action, Loop
    from ftl2_enterprise.protocol.loops.replies import LoopDetail
    from ftl2_enterprise.render.view import ViewReader

SHOWN = 5
"""Lines about what is out of place, and as many about what failed."""
WHILE_DENIED = "it is denied again until the policy or the desired state changes"
_RESUMED = {Desired.PAUSE, Desired.STOP}


class CauseKind(StrEnum):
    """What a cause is about, for programs. The sentence next to it is for people."""

    FROZEN = "frozen"
    SERVICE_STOPPING = "service_stopping"
    PAUSED = "paused"
    ENDING = "ending"
    """It was asked to stop or to be cancelled."""
    SUPERSEDED = "superseded"
    """It takes up another revision of its desired state after its current step."""
    QUEUED = "queued"
    MODEL = "model"
    """It waits before it calls its model."""
    RETRY = "retry"
    """It pauses before it tries something again, or rests after a run without success."""
    QUESTION = "question"
    APPROVAL = "approval"
    CRASHED = "crashed"
    """Its process died; the service restarts it, unless it ran in the foreground."""
    BLOCKED = "blocked"
    FAILED = "failed"
    FOREGROUND = "foreground"
    """It runs, but not in the service."""
    REMEDIATION = "remediation"
    """It may only report."""
    LEFT_OUT = "left_out"
    NOT_OBSERVED = "not_observed"
    ACTION = "action"
    """An action failed, was denied, or has an unknown effect."""
    OUT_OF_PLACE = "out_of_place"


class Cause(Wire, frozen=True):
    """One thing that holds the loop, or that is not as desired."""

    kind: CauseKind
    text: str
    command: str | None = None
    """What to type after `ftl2ctl` to end it, or to see more of it."""


class Explanation(Wire, frozen=True):
    """Where a loop is, and why."""

    id: int
    name: str
    standing: str
    """The word for its state that people are shown."""
    condition: Condition
    observed_at: Instant | None
    stale: bool
    """Whether what was observed is older than two intervals of the loop."""
    causes: list[Cause]
    """First what holds the loop, then what is out of place; empty if nothing is."""


def why_view(reader: ViewReader, *, loop: str) -> ViewContent:
    """Why a loop, by name, prefix of a name, or id, is where it is; the document is an `Explanation`."""
    detail = reader.call(ShowLoop(loop=loop))
    found, now = detail.loop, reader.now()
    where = standing(found, detail.queued)
    causes = list({one.text: one for one in _causes(reader, detail, now)}.values())
    explanation = Explanation(
        id=found.id, name=found.name, standing=where.word, condition=found.condition, observed_at=found.observed_at,
        stale=is_stale(found, now), causes=causes,
    )  # fmt: skip

    def lines() -> list[Line]:
        shown = [
            line(
                symbol(where.symbol, where.role),
                (one_line(found.name), Role.STRONG),
                ": ",
                (where.word, where.role),
                *condition_pieces(found, now),
            )
        ]
        for one in causes:
            shown.append(line(one_line(one.text, 600), indent=2))
            if one.command is not None:
                shown.append(line(("-> ", Role.FAINT), (reader.command(one.command), Role.COMMAND), indent=4))
        return shown if causes else [*shown, line(_nothing(found, now), indent=2)]

    return ViewContent(explanation, lines)


def _nothing(loop: Loop, now: Instant) -> str:
    if loop.state in ENDED:
        return "it has ended; nothing holds it"
    if loop.state is LoopState.RUNNING:
        return "nothing holds it; it runs now"
    return "nothing holds it" + (f"; next check {until(loop.next_run_at, now)}" if loop.next_run_at else "")


def _causes(reader: ViewReader, detail: LoopDetail, now: Instant) -> Iterator[Cause]:
    yield from _holds(reader, detail, now)
    yield from _state(detail, now)
    yield from _standing_orders(detail.loop)
    if detail.loop.condition is not Condition.IN_SYNC or detail.loop.state not in {LoopState.RESTING, *ENDED}:
        yield from _last(reader, detail)


def _holds(reader: ViewReader, detail: LoopDetail, now: Instant) -> Iterator[Cause]:
    """What keeps the loop from running, whatever it would do."""
    loop, name = detail.loop, quoted(detail.loop.name)
    for record in holding(reader, loop):
        ends = "health" if record.freeze.id in NOT_THAWED else f"thaw {record.freeze.id}"
        yield Cause(kind=CauseKind.FROZEN, text=held_by(record, now), command=ends)
    if detail.draining and loop.state not in ENDED:
        yield Cause(kind=CauseKind.SERVICE_STOPPING, text=f"the service is stopping; the loop {NEXT_START}")
    if loop.state is LoopState.PAUSED and loop.desired in _RESUMED:
        yield Cause(kind=CauseKind.PAUSED, text=loop.reason or "paused on request", command=f"resume {name}")
    elif loop.state not in ENDED and loop.desired is not Desired.RUN:
        yield Cause(
            kind=CauseKind.ENDING,
            text="it was asked to end, which it does after its current step",
            command=f"watch {name}",
        )
    if loop.is_superseded and loop.state not in ENDED:
        yield Cause(
            kind=CauseKind.SUPERSEDED,
            text=f"it has revision {loop.taken_revision}; it takes up {loop.revision} after its current step",
            command=f"diff {name} {loop.taken_revision} {loop.revision}",
        )
    if (found := detail.queued) is not None and loop.state not in ENDED:
        yield Cause(
            kind=CauseKind.QUEUED,
            text=f"it is at position {found.place} in the queue for a process: {found.taken} of {found.places} "
            "places are taken (supervisor.max_running)",
            command="status",
        )
    if detail.model_wait is not None and loop.state is LoopState.RUNNING:
        yield Cause(kind=CauseKind.MODEL, text=waiting(detail.model_wait))
    if loop.retry is not None and loop.state is LoopState.RUNNING:
        yield Cause(kind=CauseKind.RETRY, text=retrying(loop.retry))
    lines = {one.prompt.id: one for one in reader.call(ListPrompts(loop=str(loop.id)))}
    for prompt in sorted(detail.open_prompts, key=lambda one: one.id):
        found = lines.get(prompt.id)
        approval, model = (None, None) if found is None else (found.approval, found.model)
        missing = f" ({approval.missing})" if approval is not None and approval.missing else ""
        is_approval = prompt.kind is PromptKind.APPROVAL
        ends = f"; expires {expiry(prompt.deadline_at, now)}" if prompt.deadline_at is not None else ""
        asks = "for an approval" if is_approval else "a person"
        if model is not None:
            asks = f"a person, in the words of a model ({model})"
        yield Cause(
            kind=CauseKind.APPROVAL if is_approval else CauseKind.QUESTION,
            text=f"prompt {prompt.id} asks {asks}: {prompt.question}{missing}{ends}",
            command=f"answer {prompt.id}",
        )


def _state(detail: LoopDetail, now: Instant) -> Iterator[Cause]:
    """The reason of its state, and when it continues."""
    loop, name = detail.loop, quoted(detail.loop.name)
    if loop.restart_at is not None and loop.state not in ENDED:
        died = loop.reason or "its process died"
        yield Cause(
            kind=CauseKind.CRASHED, text=f"{died}; it restarts {until(loop.restart_at, now)}", command=f"logs {name}"
        )
    elif loop.state in {LoopState.BLOCKED, LoopState.FAILED}:
        kind = CauseKind.BLOCKED if loop.state is LoopState.BLOCKED else CauseKind.FAILED
        text, command = loop.reason or f"it is {loop.state}", f"retry {name}"
        if loop.outcome is Outcome.DENIED:
            text, command = f"{text.removesuffix('.')}; {WHILE_DENIED}", "policy show"
        yield Cause(kind=kind, text=text, command=command)
    elif loop.state is LoopState.RESTING and loop.reason and loop.frozen_by is None:
        reason = loop.reason.removesuffix(".")
        then = f"it observes again {until(loop.next_run_at, now)}"
        if loop.failures:
            tried = count(loop.failures, "run")
            then = f"it tries again {until(loop.next_run_at, now)} after {tried} without success"
        yield Cause(kind=CauseKind.RETRY, text=f"{reason}; {then}", command=f"run-now {name}")
    elif not loop.managed and loop.state is LoopState.RUNNING:
        if detail.process is None:
            yield Cause(kind=CauseKind.CRASHED, text="its process ended unexpectedly")
        else:
            yield Cause(kind=CauseKind.FOREGROUND, text="it runs in the foreground, and not in the service")
    elif loop.state in {LoopState.PENDING, LoopState.RUNNING} and loop.failures:
        tried = count(loop.failures, "run")
        yield Cause(
            kind=CauseKind.RETRY, text=f"it tries again now after {tried} without success", command=f"history {name}"
        )


def _standing_orders(loop: Loop) -> Iterator[Cause]:
    """What the loop does not do, because a person has decided so before or during its run."""
    if only_reports(loop):
        yield Cause(kind=CauseKind.REMEDIATION, text=ONLY_REPORTS)
    if loop.left_out:
        names = ", ".join(loop.left_out)
        yield Cause(
            kind=CauseKind.LEFT_OUT,
            text=f"left out by a person after failures: {names}",
            command=f"history {quoted(loop.name)}",
        )


def _last(reader: ViewReader, detail: LoopDetail) -> Iterator[Cause]:
    """What the last iteration with a decision could not observe, could not do, and found out of place."""
    page, name = reader.call(GetHistory(loop=str(detail.loop.id), actions=True, limit=2)), quoted(detail.loop.name)
    last = next((one for one in reversed(page.iterations) if one.decision is not None), None)
    if last is None or last.decision is None:
        return
    unmet, unknown = last.decision.unmet, last.decision.unknown
    yield from _few(CauseKind.NOT_OBSERVED, unknown, f"history {name} --actions")
    bad = [_failed(one) for one in page.actions if one.iteration_id == last.id and one.state in _BAD]
    yield from _few(CauseKind.ACTION, bad, f"actions {name}")
    yield from _few(CauseKind.OUT_OF_PLACE, [one for one in unmet if one not in unknown], f"show {name}")


_BAD = frozenset({ActionState.FAILED, ActionState.DENIED, ActionState.UNKNOWN})


def _failed(action: Action) -> str:
    named = f"{action.step} ({action.module})" if action.step is not None else action.module
    return f"{named} on {action.host}: {action.error or action.state}"


def _few(kind: CauseKind, texts: list[str], command: str) -> Iterator[Cause]:
    for text in texts[:SHOWN]:
        yield Cause(kind=kind, text=text)
    if (more := len(texts) - SHOWN) > 0:
        yield Cause(kind=kind, text=f"and {more} more", command=command)
