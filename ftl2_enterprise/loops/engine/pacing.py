"""Repetitions within a run: a pause that grows before each one, and the end of the run after some of them.

The pause is before the observations, so that nothing is executed for a difference that was observed before it.

An action that was executed in an earlier iteration of the run is repeated because it has failed, or because what it
has done did not have the desired effect.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.clock import after, seconds_between
from ftl2_enterprise.loops.engine import decide
from ftl2_enterprise.loops.engine.observe import encode
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import actions as action_rows
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, PendingRetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.decide import LoopSnapshot
    from ftl2_enterprise.loops.engine.execute import JudgedAction
    from ftl2_enterprise.loops.rows.actions import Attempts
    from ftl2_enterprise.loops.units.actions import NewAction
    from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
    from ftl2_enterprise.protocol.loops.nouns import Iteration

type Key = tuple[str | int, ...]

LONGEST = 60.0
"""Seconds of the longest pause."""
_CAUSES = 3
"""The final line of a run names so many."""


@dataclass(frozen=True, kw_only=True)
class Paced:
    """A plan, divided by when its actions may begin."""

    due: Sequence[JudgedAction]
    """What is done now; what is refused anyway is included."""
    later: Sequence[JudgedAction] = ()
    """What is left out, because it was tried a moment ago, or often enough."""
    retry: PendingRetry | None = None
    """Why nothing is done now: everything was tried a moment ago."""
    exhausted: str | None = None
    """Why the run ends: everything was tried often enough."""


def pace(engine: LoopContext, now: LoopSnapshot, judged: Sequence[JudgedAction], decision: Decision) -> Paced:
    """Divide a plan. If a step of it is new, what was tried before waits for a later iteration, and else all wait.

    The actions of a step on a host stay together, in their order, except that those which were tried often enough
    are left out. What policy denies is recorded once. Iterations before an answer of a person do not count: the
    answer may be to try again.
    """
    counted = decide.since_answer(now.of_run)
    if not any(_is_tried(one.row) for one in judged) or not any(_has_acted(one) for one in counted):
        return Paced(due=judged)
    found = engine.journal.read(action_rows.attempted, now.loop.id, now.loop.run, since_iteration_n=counted[0].n)
    before = {_key(one, one.params): one for one in found}
    plan = [(one, before.get(_key_of(one.row))) for one in judged]
    tried = [(one, attempts) for one, attempts in plan if _is_tried(one.row)]
    most = max(engine.limits.attempts, engine.spec.max_ask_delay)
    spent = [attempts for _, attempts in tried if attempts is not None and attempts.times >= most]
    rest = [(one, attempts) for one, attempts in tried if attempts not in spent]
    if not rest:
        return Paced(due=[], exhausted=_evidence(spent, decision))
    if engine.decider.is_model:
        # Its actions may depend on each other, so none of them is left out. Nor is it delayed: it has taken its time
        # already, and a decision that was paid for would be given up at a stop.
        return Paced(due=judged)
    repeated = [(_step(one.row), attempts) for one, attempts in rest if attempts is not None]
    early = {step for step, attempts in repeated if _left_of(engine, attempts) > 0}
    has_new = bool({_step(one.row) for one, _ in rest}.difference(step for step, _ in repeated))
    if early and not has_new:
        return Paced(due=[], retry=_retry(engine, [attempts for _, attempts in repeated], of=most))
    due: list[JudgedAction] = []
    later: list[JudgedAction] = []
    for one, attempts in plan:
        if _is_tried(one.row):
            (later if attempts in spent or _step(one.row) in early else due).append(one)
        elif attempts is None or attempts.state is not ActionState.DENIED:
            due.append(one)
    return Paced(due=due, later=later)


def _is_tried(row: NewAction) -> bool:
    """Whether it is executed, or has failed already because nothing can execute it; else policy has decided on it."""
    return row.event in {None, ActionEvent.FAILED}


def _has_acted(iteration: Iteration) -> bool:
    return iteration.outcome in {IterationOutcome.ACTED, IterationOutcome.INTERRUPTED}


def _retry(engine: LoopContext, repeated: Sequence[Attempts], *, of: int) -> PendingRetry:
    return PendingRetry(
        at=after(engine.clock.now(), max(_left_of(engine, one) for one in repeated)),
        calls=list(dict.fromkeys(engine.redactor.text(name_of(one)) for one in repeated)),
        attempts=max(one.times for one in repeated),
        of=of,
        error=next((one.error for one in repeated if one.error), None),
    )


def only_due(actions: Sequence[ActionSpec], paced: Paced) -> list[ActionSpec]:
    """The actions of a decision without those that are left for later, on the hosts where they are due."""
    found: list[ActionSpec] = []
    for n, action in enumerate(actions, start=1):
        if any(one.row.n == n for one in paced.later):
            hosts = [one.row.host for one in paced.due if one.row.n == n]
            found.extend(msgspec.structs.replace(action, host=host) for host in hosts)
        else:
            found.append(action)
    return found


def _step(row: NewAction) -> Key:
    """What stays together: the actions of a step on a host; without a step each action is alone."""
    return (row.step, row.host) if row.step is not None else _key_of(row)


def _key_of(row: NewAction) -> Key:
    return _key(row, "" if row.step is not None else encode(row.params))


def _key(row: NewAction | Attempts, params: str) -> Key:
    """What makes two actions the same: of a step, its part and the host, since an observation may be a parameter."""
    return (row.step, row.host, row.part) if row.step is not None else (row.module, row.host, params, -1)


def _evidence(spent: Sequence[Attempts], decision: Decision) -> str:
    # A plan may have one of them twice. What has failed is named first.
    ordered = sorted(spent, key=lambda one: one.state is ActionState.SUCCEEDED)
    named = list(dict.fromkeys(_sentence(one) for one in ordered))
    more = len(named) - _CAUSES
    text = "; ".join(named[:_CAUSES]) + (f"; and {more} more" if more > 0 else "")
    has_failed = ordered[0].state is not ActionState.SUCCEEDED
    return text if has_failed or not decision.unmet else f"{text}: {decision.unmet[0]}"


def name_of(one: NewAction | Attempts) -> str:
    """The action for people: its step, if it has one, its module and its host."""
    what = f"{one.step} ({one.module})" if one.step is not None else one.module
    return f"{what} on {one.host}"


def _sentence(one: Attempts) -> str:
    name = name_of(one)
    times = "once" if one.times == 1 else f"{one.times} times"
    match one.state:
        case ActionState.FAILED:
            return f"{name} has failed {times} in this run: {one.error}"
        case ActionState.SUCCEEDED:
            return f"{name} was executed {times} in this run without the desired effect"
        case _:
            return f"{name} was tried {times} in this run: {one.error}"


def pause_before(engine: LoopContext, times: int) -> float:
    """Seconds between the end of what was tried so many times and the next attempt."""
    return 0.0 if times == 0 else min(engine.limits.retry_delay * 2.0 ** (times - 1), LONGEST)


def left_until(engine: LoopContext, retry: PendingRetry) -> float:
    """Seconds until the loop may observe again. A clock that was set back does not make the pause longer."""
    return min(seconds_between(engine.clock.now(), retry.at), pause_before(engine, retry.attempts))


def to_observe_again(engine: LoopContext, now: LoopSnapshot) -> PendingRetry | None:
    """The pause before observing again what could not be observed; None if something could be done, or it is over."""
    times = len(unseen(engine, decide.of_budget(now.of_run)))
    if times == 0 or (left := _left(engine, now.of_run[-1].ended_at, times)) <= 0:
        return None
    last = now.of_run[-1].decision
    return PendingRetry(
        at=after(engine.clock.now(), left),
        calls=[],
        attempts=times,
        of=engine.limits.attempts,
        error=last.unmet[0] if last is not None and last.unmet else None,
    )


def unseen(engine: LoopContext, iterations: Sequence[Iteration]) -> list[Iteration]:
    """The last iterations in which nothing could be done, newest first; a model may have asked for observations."""
    if engine.decider.is_model:
        return []
    return list(takewhile(lambda one: one.outcome is IterationOutcome.OBSERVED, reversed(iterations)))


def _left_of(engine: LoopContext, one: Attempts) -> float:
    # What a crash interrupted is repeated at once, before what follows it.
    return 0.0 if (one.state, one.times) == (ActionState.UNKNOWN, 1) else _left(engine, one.at, one.times)


def _left(engine: LoopContext, since: int | None, times: int) -> float:
    if since is None:
        return 0.0
    passed = seconds_between(since, engine.clock.now())
    # After a clock was set back, nothing would be due until it has passed the old time.
    return pause_before(engine, times) - passed if passed >= 0 else 0.0


async def wait(engine: LoopContext, seconds: float) -> bool:
    """Wait for so many seconds. False if the loop is asked to stop."""
    try:
        async with asyncio.timeout(seconds):
            await engine.stop.requested.wait()
    except TimeoutError:
        return True
    return False
