"""Each iteration is recorded whole or not at all, whichever write fails."""

from __future__ import annotations

import contextlib
from typing import Any

from ftl2_enterprise.loops.rows import actions as action_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, Outcome
from tests.support.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.runs import actions, iterations

DONE = Decision(converged=True)


class Interrupted(BaseException):
    """The process ends here, as far as the engine can tell."""


class FailingWrites:
    """Lets the nth writing transaction of a database, and all after it, fail at its end."""

    def __init__(self, database: Any, nth: int) -> None:
        self._database, self._nth, self._count = database, nth, 0
        self._write = database.write
        self.struck = False
        database.write = self.write

    def heal(self) -> None:
        self._database.write = self._write

    def write(self) -> Any:
        @contextlib.contextmanager
        def failing() -> Any:
            with self._write() as tx:
                yield tx
                self._count += 1
                if self._count >= self._nth:
                    self.struck = True
                    raise Interrupted

        return failing()


def check_whole(b: Any, iteration: Any) -> Any:
    """An iteration that has ended has a decision, all of its actions, and an end of each of them."""
    if iteration.ended_at is None or iteration.outcome is IterationOutcome.INTERRUPTED:
        return None
    with b.database.read() as tx:
        rows = action_rows.get_actions_for_iteration(tx, iteration.id)
    assert iteration.decision is not None
    if iteration.outcome is IterationOutcome.ACTED:
        assert [(row.n, row.host) for row in rows] == [(1, "a"), (1, "b"), (2, "localhost")]
        assert all(row.state is ActionState.SUCCEEDED and row.stdout.shown == "touched" for row in rows)
    return iteration.outcome


async def test_an_iteration_is_never_half_recorded_whichever_write_fails(tmp_path):
    """Every write of a run fails once; what was ended before it is whole, and going on gets there."""
    modules = ScriptedModules({"a": ["web"], "b": ["web"]})
    modules.handlers["touch"] = lambda call: ok(changed=True, rc=0, stdout="touched")
    act = Decision(reasoning="touch", actions=[ActionSpec(module="touch", host="web"), ActionSpec(module="touch")])
    for number in range(1, 40):
        place = tmp_path / str(number)
        place.mkdir()
        with bench(place, ScriptedDecider(act, DONE), modules=modules) as b:
            failing = FailingWrites(b.database, number)
            with contextlib.suppress(Interrupted):
                await b.run()
            failing.heal()
            whole = [check_whole(b, iteration) for iteration in iterations(b)]
            if not failing.struck:
                assert whole == [IterationOutcome.ACTED, IterationOutcome.CONVERGED]
                assert number > 8
                return
            b.decider = ScriptedDecider(*([act] if not actions(b) else []), DONE)
            loop = b.loop() if b.loop().state is LoopState.COMPLETED else await b.run()
            assert loop.outcome is Outcome.CONVERGED
            for iteration in iterations(b):
                check_whole(b, iteration)
    raise AssertionError("a run does not take that many writes")


async def test_a_blocked_decision_is_recorded_with_its_end_or_not_at_all(tmp_path):
    for number in range(1, 20):
        place = tmp_path / str(number)
        place.mkdir()
        decider = ScriptedDecider(Decision(blocked="no such disk"))
        with bench(place, decider) as b:
            failing = FailingWrites(b.database, number)
            with contextlib.suppress(Interrupted):
                await b.run()
            failing.heal()
            stored = [iteration for iteration in iterations(b) if iteration.decision is not None]
            assert all(iteration.outcome is IterationOutcome.BLOCKED for iteration in stored)
            if not failing.struck:
                assert len(stored) == 1
                return
    raise AssertionError("a run does not take that many writes")
