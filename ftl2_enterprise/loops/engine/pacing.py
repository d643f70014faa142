"""Repetitions within a run: a pause that grows before each one, and the end of the run after some of them.

An action that was executed in an earlier iteration of the run is repeated because it has failed, or because what it
has done did not have the desired effect.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.loops.engine import decide
from ftl2_enterprise.loops.engine.observe import encode
from ftl2_enterprise.loops.rows import actions as action_rows
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.decide import LoopSnapshot
    from ftl2_enterprise.loops.engine.execute import JudgedAction
    from ftl2_enterprise.loops.units.actions import NewAction
    from ftl2_enterprise.protocol.loops.decision import Decision
    from ftl2_enterprise.protocol.loops.nouns import Action, Iteration

LONGEST = 60.0
"""Seconds of the longest pause."""
_NEVER_BEGAN = frozenset({ActionState.DENIED, ActionState.SKIPPED, ActionState.PREVIEWED})


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """An action that was executed earlier in the run."""

    times: int
    """In how many iterations of the run it was executed: a plan may have it twice."""
    last: Action


@dataclass(frozen=True, kw_only=True)
class Paced:
    """A plan, divided by when its actions may begin."""

    due: Sequence[JudgedAction]
    """What is done now, or after `until_due`; what is refused anyway is included."""
    later: Sequence[JudgedAction] = ()
    """What is left out, because it was tried a moment ago, or often enough."""
    repeated: Sequence[Repetition] = ()
    """Of `due`, what was executed before."""
    exhausted: str | None = None
    """Why the run ends: everything was tried often enough."""


def pace(engine: LoopContext, now: LoopSnapshot, judged: Sequence[JudgedAction], decision: Decision) -> Paced:
    """Divide a plan. If something in it is new, what was tried before waits for a later iteration.

    Iterations before an answer of a person do not count: the answer may be to try again.
    """
    acted = [one.id for one in decide.since_answer(now.of_run) if one.outcome is IterationOutcome.ACTED]
    todo = [one for one in judged if one.row.event is None]
    if not acted or not todo:
        return Paced(due=judged)
    tried = _tried(engine.journal.read(action_rows.get_actions_for_iterations, acted).values())
    known = [(one, found) for one in todo if (found := tried.get(_key(one.row)))]
    if not known:
        return Paced(due=judged)
    most = max(engine.limits.attempts, engine.spec.max_ask_delay)
    if engine.decider.is_model and (len(known) < len(todo) or any(found.times < most for _, found in known)):
        # Its actions may depend on each other, so none of them is left out. Nor is it delayed: it has taken its time
        # already, and a decision that was paid for would be given up at a stop.
        return Paced(due=judged)
    if len(known) < len(todo):
        late = [one for one, found in known if found.times >= most or _left_of(engine, found) > 0]
    else:
        late = [one for one, found in known if found.times >= most]
        if len(late) == len(known):
            return Paced(due=[], exhausted=_evidence([found for _, found in known], decision))
    return Paced(
        due=[one for one in judged if one not in late],
        later=late,
        repeated=[found for one, found in known if one not in late],
    )


def _tried(iterations: Iterable[Sequence[Action]]) -> dict[tuple[str, ...], Repetition]:
    found: dict[tuple[str, ...], Repetition] = {}
    for row in chain.from_iterable(iterations):
        if row.origin == "decision" and row.state not in _NEVER_BEGAN:
            key = _key(row)
            before = found.get(key)
            times = before.times + (before.last.iteration_id != row.iteration_id) if before is not None else 1
            found[key] = Repetition(times=times, last=row)
    return found


def _key(row: Action | NewAction) -> tuple[str, ...]:
    return row.module, row.host, encode(row.params)


def _evidence(repeated: Sequence[Repetition], decision: Decision) -> str:
    one = next((one for one in repeated if one.last.state is ActionState.FAILED), repeated[0])
    times = "once" if one.times == 1 else f"{one.times} times"
    if one.last.state is ActionState.FAILED:
        return f"{one.last.module} on {one.last.host} has failed {times} in this run: {one.last.error}"
    seen = f": {decision.unmet[0]}" if decision.unmet else ""
    return f"{one.last.module} on {one.last.host} was executed {times} in this run without the desired effect{seen}"


async def until_due(engine: LoopContext, repeated: Sequence[Repetition]) -> bool:
    """Wait until every repetition may begin. False if the loop is asked to stop."""
    return await _wait(engine, max((_left_of(engine, one) for one in repeated), default=0.0))


def pause_before(engine: LoopContext, times: int) -> float:
    """Seconds between the end of what was tried so many times and the next attempt."""
    return 0.0 if times == 0 else min(engine.limits.retry_delay * 2.0 ** (times - 1), LONGEST)


async def until_observable(engine: LoopContext, now: LoopSnapshot) -> bool:
    """Wait before observing again what could not be observed. False if the loop is asked to stop."""
    times = len(unseen(engine, now.of_run))
    return times == 0 or await _wait(engine, _left(engine, now.of_run[-1].ended_at, times))


def unseen(engine: LoopContext, iterations: Sequence[Iteration]) -> list[Iteration]:
    """The last iterations in which nothing could be done, newest first; a model may have asked for observations."""
    if engine.decider.is_model:
        return []
    return list(takewhile(lambda one: one.outcome is IterationOutcome.OBSERVED, reversed(iterations)))


def _left_of(engine: LoopContext, one: Repetition) -> float:
    return _left(engine, one.last.ended_at or one.last.started_at, one.times)


def _left(engine: LoopContext, since: int | None, times: int) -> float:
    if since is None:
        return 0.0
    # A clock that was set back does not make the pause longer.
    passed = max(seconds_between(since, engine.clock.now()), 0.0)
    return pause_before(engine, times) - passed


async def _wait(engine: LoopContext, seconds: float) -> bool:
    if seconds <= 0:
        return True
    try:
        async with asyncio.timeout(seconds):
            await engine.stop.requested.wait()
    except TimeoutError:
        return True
    return False
