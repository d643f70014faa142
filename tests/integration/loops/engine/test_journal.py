"""Each iteration is recorded whole or not at all, whichever write fails."""

from __future__ import annotations

import contextlib
from typing import Any

from ftl2_enterprise.loops.rows import actions as action_rows, observations as observation_rows
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import actions, iterations

DONE = Decision(converged=True)


class Interrupted(BaseException):
    """The process ends here, as the engine sees it."""


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


def commits_of(b: Any) -> list[list[str]]:
    """The facts of each transaction of the bench's loop from now on, filled in while it runs."""
    found: list[list[str]] = []
    write = b.database.write

    def recording() -> Any:
        @contextlib.contextmanager
        def watched() -> Any:
            with write() as tx:
                yield tx
                found.append([kind_of(type(one.fact)) for one in tx.emitted])

        return watched()

    b.database.write = recording
    return found


DISK = ObservationSpec(name="disk", module="stat")
NOTHING = Decision(reasoning="rules may act")


def handlers() -> ScriptedModules:
    modules = ScriptedModules()
    modules.handlers["touch"] = lambda call: ok(rc=0)
    return modules


async def test_results_and_a_decision_without_a_model_and_without_actions_are_one_commit(tmp_path):
    with bench(tmp_path, ScriptedDecider(NOTHING, DONE, observe=[DISK]), modules=handlers()) as b:
        commits = commits_of(b)
        await b.run()
    of_iterations = [kinds for kinds in commits if any(kind.startswith("iteration.") for kind in kinds)]
    assert of_iterations == [
        ["iteration.started"],
        ["iteration.observed", "iteration.decided", "iteration.ended"],
        ["iteration.started"],
        ["iteration.observed", "iteration.decided", "iteration.ended", "loop.converged"],
    ]


async def test_a_decision_with_actions_is_committed_before_them(tmp_path):
    act = Decision(actions=[ActionSpec(module="touch")])
    with bench(tmp_path, ScriptedDecider(act, DONE, observe=[DISK]), modules=handlers()) as b:
        commits = commits_of(b)
        await b.run()
    begun = next(n for n, kinds in enumerate(commits) if "action.started" in kinds)
    assert "iteration.decided" in [kind for kinds in commits[:begun] for kind in kinds]
    assert "iteration.decided" not in commits[begun]


async def test_results_are_committed_before_a_model_is_asked(tmp_path):
    seen: list[str] = []

    def decide(situation: Any) -> Decision:
        with b.database.read() as tx:
            seen.extend(row.state for row in observation_rows.get_observations(tx, iterations(b)[-1].id))
        return DONE

    with bench(tmp_path, ScriptedDecider(decide, observe=[DISK], is_model=True), modules=handlers()) as b:
        await b.run()
    assert seen == ["succeeded"]


async def test_results_that_wait_for_the_decision_are_written_when_the_run_ends_without_one(tmp_path):
    def interrupted(situation: Any) -> Decision:
        raise Interrupted

    modules = handlers()
    with bench(tmp_path, ScriptedDecider(interrupted, observe=[DISK]), modules=modules) as b:
        with contextlib.suppress(Interrupted):
            await b.run()
        b.decider = ScriptedDecider(DONE, observe=[DISK])
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert len(modules.calls) == 1
