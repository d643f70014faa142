"""What had no effect is repeated after a growing pause, some times, and then the run ends with the evidence."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.loops.engine import pacing
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import ModuleResult
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import RetryLoop
from tests.support.loops.approving import do
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.runs import actions, iterations, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.loops.engine import Bench

QUICK = RunLimits(retry_delay=0.05)
START = ActionSpec(module="service", host="web", params={"name": "web", "state": "started"})
AGAIN = Decision(actions=[START], unmet=["web on web: it does not listen"])


def hosts(result: Any) -> ScriptedModules:
    modules = ScriptedModules({"web": []})
    modules.handlers["service"] = lambda call: result
    return modules


def repeating(decision: Decision, **values: Any) -> ScriptedDecider:
    return ScriptedDecider(lambda _: decision, **values)


def by_count(modules: ScriptedModules, decision: Decision, times: int) -> Callable[[Any], Decision]:
    """Decide the same until a service was called so often, whether or not there is a pause before."""
    return lambda _: Decision(converged=True) if len(modules.ran("service")) >= times else decision


def pauses(b: Bench) -> list[float]:
    """Seconds between the end of an action and the beginning of the next one."""
    rows = sorted(actions(b), key=lambda row: row.id)
    return [seconds_between(one.ended_at or 0, other.started_at or 0) for one, other in pairwise(rows)]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (failed("it has a syntax error"), "service on web has failed 3 times in this run: it has a syntax error"),
        (
            ok(changed=True),
            "service on web was executed 3 times in this run without the desired effect: "
            "web on web: it does not listen",
        ),
    ],
)
async def test_an_action_without_the_desired_effect_is_tried_three_times(
    tmp_path: Path, result: Any, reason: str
) -> None:
    with bench(tmp_path, repeating(AGAIN), modules=hosts(result), limits=QUICK) as b:
        ended = await b.run()
        found = pauses(b)
        assert (ended.outcome, ended.reason) == (Outcome.NOT_CONVERGED, reason)
        assert [one for one in outcomes(b) if one is not IterationOutcome.DELAYED] == [
            *[IterationOutcome.ACTED] * 3,
            IterationOutcome.OBSERVED,
        ]
    assert len(found) == 2
    assert found[0] >= 0.05
    assert found[1] >= 0.1


async def test_what_is_acted_on_was_observed_after_the_pause(tmp_path: Path) -> None:
    """Iterations that only lead to a pause do not count."""
    modules = hosts(failed("no"))
    seen: list[float] = []
    decider = repeating(AGAIN, observe=[ObservationSpec(name="state", module="stat", host="web")])

    def observe(_: Any) -> ModuleResult:
        seen.append(time.monotonic())
        return ok()

    def act(_: Any) -> ModuleResult:
        seen.append(-time.monotonic())
        return failed("no")

    modules.handlers |= {"stat": observe, "service": act}
    limits = RunLimits(retry_delay=1.0)
    with bench(tmp_path, decider, modules=modules, limits=limits, max_iterations=2) as b:
        ended = await b.run()
        acted = IterationOutcome.ACTED
        assert outcomes(b) == [acted, IterationOutcome.DELAYED, acted]
        assert b.loop().retry is None
    assert (ended.reason or "").startswith("2 iterations were not enough")
    assert [at > 0 for at in seen] == [True, False, True, True, False]
    assert seen[3] + seen[1] >= 1.0


async def test_what_is_waited_for_is_stored_with_the_loop(tmp_path: Path) -> None:
    with bench(tmp_path, repeating(AGAIN), modules=hosts(failed("no")), limits=RunLimits(retry_delay=60.0)) as b:
        running = asyncio.ensure_future(b.run())
        async with asyncio.timeout(20):
            while b.loop().retry is None:
                await asyncio.sleep(0)
        retry, ended_at = b.loop().retry, actions(b)[0].ended_at
        b.stop.ask()
        await running
    assert retry is not None
    assert (retry.calls, retry.attempts, retry.of, retry.error) == (["service on web"], 1, 3, "no")
    assert seconds_between(ended_at or 0, retry.at) == pytest.approx(60, abs=0.1)


async def test_a_change_during_the_pause_is_noticed(tmp_path: Path) -> None:
    """After the pause the loop may be in its desired state: then nothing is repeated."""
    decider = ScriptedDecider(AGAIN, AGAIN, Decision(converged=True))
    with bench(tmp_path, decider, modules=hosts(failed("no")), limits=RunLimits(retry_delay=1.0)) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert len(actions(b)) == 1


async def test_what_a_plan_has_twice_is_one_attempt(tmp_path: Path) -> None:
    twice = Decision(actions=[START, START])
    with bench(tmp_path, repeating(twice), modules=hosts(failed("no")), limits=QUICK) as b:
        ended = await b.run()
        assert len(actions(b)) == 6
    assert ended.reason == "service on web has failed 3 times in this run: no"


async def test_a_step_is_the_same_whatever_its_parameters_are(tmp_path: Path) -> None:
    """What was observed may be one of them, and is another one each time."""

    def another(_: Any) -> Decision:
        return Decision(actions=[step("limit", params={"value": len(decider.situations)})])

    decider = ScriptedDecider(another)
    with bench(tmp_path, decider, modules=hosts(failed("no")), limits=QUICK) as b:
        ended = await b.run()
        assert len({str(row.params) for row in actions(b)}) == len(actions(b)) == 3
        assert {row.step for row in actions(b)} == {"limit"}
        assert pauses(b)[1] >= 0.1
    assert ended.reason == "limit (service) on web has failed 3 times in this run: no"


async def test_parts_of_a_step_are_different_and_stay_together(tmp_path: Path) -> None:
    """The second one does not begin before the first one is repeated, and another step does not wait for them."""
    modules = hosts(failed("no"))
    plans = [
        Decision(actions=[step("a")]),
        Decision(actions=[step("a"), step("a", part=1), step("b")]),
        *[Decision(actions=[step("a"), step("a", part=1)])] * 2,
    ]
    decider = ScriptedDecider(*plans, *[Decision(converged=True)])
    with bench(tmp_path, decider, modules=modules, limits=RunLimits(retry_delay=1.0)) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
        found = [(row.step, row.part) for row in sorted(actions(b), key=lambda row: row.id)]
    assert found == [("a", 0), ("b", 0), ("a", 0), ("a", 1)]


async def test_the_end_names_every_cause(tmp_path: Path) -> None:
    modules = hosts(failed("no"))
    modules.handlers["copy"] = lambda call: failed("full")
    plan = Decision(actions=[step("a"), ActionSpec(module="copy", host="web", params={}, step="b")])
    with bench(tmp_path, repeating(plan), modules=modules, limits=replace(QUICK, attempts=2)) as b:
        ended = await b.run()
    assert ended.reason == (
        "a (service) on web has failed 2 times in this run: no; b (copy) on web has failed 2 times in this run: full"
    )


async def test_the_end_also_names_what_had_no_effect(tmp_path: Path) -> None:
    modules = hosts(ok(changed=True))
    modules.handlers["copy"] = lambda call: failed("full")
    plan = Decision(actions=[step("a"), copying("b")], unmet=["a on web: stopped"])
    with bench(tmp_path, repeating(plan), modules=modules, limits=replace(QUICK, attempts=1)) as b:
        ended = await b.run()
    assert ended.reason == (
        "b (copy) on web has failed once in this run: full; "
        "a (service) on web was executed once in this run without the desired effect"
    )


async def test_what_is_denied_on_its_host_does_not_end_the_run_before_the_others(tmp_path: Path) -> None:
    """It is tried again with them, and not as something new."""
    results = iter([failed("not yet"), ok(changed=True)])
    modules = ScriptedModules({"web": []})
    modules.handlers["service"] = lambda call: next(results)
    modules.handlers["copy"] = lambda call: ModuleResult(
        success=False, held=True, denied=True, error="denied: strict"
    )
    plan = Decision(actions=[ActionSpec(module="copy", host="web", params={}, step="a"), step("b")])
    decider = ScriptedDecider(by_count(modules, plan, 2))
    with bench(tmp_path, decider, modules=modules, limits=QUICK) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert [row.state for row in actions(b) if row.step == "b"].count(ActionState.SUCCEEDED) == 1


async def test_a_step_that_is_left_out_still_counts_as_failing(tmp_path: Path) -> None:
    """So a person is asked about it, although other steps make progress."""
    modules = hosts(failed("no"))
    others = iter("bcdefgh")
    plans = (Decision(actions=[step("a"), copying(next(others, "z"))]) for _ in range(20))
    decider = ScriptedDecider(lambda now: Decision(actions=[step("a")]) if now.must_ask else next(plans))
    with bench(tmp_path, decider, modules=modules, limits=RunLimits(retry_delay=0.3), max_ask_delay=2) as b:
        assert (await b.run()).state is LoopState.WAITING
        assert b.data("prompt.asked") != []


def copying(name: str) -> ActionSpec:
    return ActionSpec(module="copy", host="web", params={}, step=name)


def step(name: str, *, part: int = 0, params: dict[str, Any] | None = None) -> ActionSpec:
    return ActionSpec(module="service", host="web", params=params or {"name": name}, step=name, part=part)


async def test_an_attempt_that_succeeds_ends_the_repetition(tmp_path: Path) -> None:
    modules = hosts(failed("not yet"))
    with bench(tmp_path, ScriptedDecider(by_count(modules, AGAIN, 2)), modules=modules, limits=QUICK) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert len(actions(b)) == 2


async def test_the_next_run_tries_again(tmp_path: Path) -> None:
    with bench(tmp_path, repeating(AGAIN), modules=hosts(failed("no")), limits=replace(QUICK, attempts=1)) as b:
        assert (await b.run()).outcome is Outcome.NOT_CONVERGED
        do(b, RetryLoop(loop="web"))
        assert (await b.run()).outcome is Outcome.NOT_CONVERGED
        assert len(actions(b)) == 2


async def test_what_is_new_in_a_plan_does_not_wait(tmp_path: Path) -> None:
    modules = hosts(failed("no"))
    names = iter(["a", "b", "c", "d"])

    def another(_: Any) -> Decision:
        name = next(names, None)
        return replace_actions(ActionSpec(module="copy", host="web", params={"dest": f"/{name}"})) if name else AGAIN

    with bench(tmp_path, ScriptedDecider(another), modules=modules, limits=RunLimits(retry_delay=1.0)) as b:
        ended = await b.run()
        found = actions(b)
        made = [row for row in actions(b) if row.module == "copy" and row.state is ActionState.SUCCEEDED]
        assert "Left for later: service on web." in (iterations(b)[1].reasoning or "")
    assert len(made) == 4
    # The first attempt is next to the first of them; the second one waits until it is the only thing left.
    assert [row.module for row in found] == ["service", *["copy"] * 4, *["service"] * 2]
    assert ended.outcome is Outcome.NOT_CONVERGED
    assert "service on web has failed 3 times in this run: no" in (ended.reason or "")


def replace_actions(more: ActionSpec) -> Decision:
    return Decision(actions=[START, more])


async def test_an_answer_begins_the_count_again(tmp_path: Path) -> None:
    ask = Decision(ask=Ask(key="how", question="How to continue?", options=["retry", "stop"]))
    modules = hosts(failed("no"))

    def decide(situation: Any) -> Decision:
        done = len(modules.ran("service"))
        return ask if done == 2 and not situation.answers else by_count(modules, AGAIN, 4)(situation)

    with bench(tmp_path, ScriptedDecider(decide), modules=modules, limits=replace(QUICK, attempts=2)) as b:
        b.people.replies = ["retry"]
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert len(actions(b)) == 4


async def test_what_cannot_be_observed_is_observed_again_three_times(tmp_path: Path) -> None:
    unseen = Decision(
        reasoning="Not every step could be observed.", unmet=["web1 cannot be observed: no route to it"]
    )
    with bench(tmp_path, repeating(unseen), limits=QUICK) as b:
        ended = await b.run()
        assert outcomes(b) == [IterationOutcome.OBSERVED] * 3
    assert ended.outcome is Outcome.NOT_CONVERGED
    assert ended.reason == "Not every step could be observed. web1 cannot be observed: no route to it"


async def test_without_a_pause_nothing_is_recorded_between_iterations(tmp_path: Path) -> None:
    unseen = Decision(reasoning="Not every step could be observed.", unmet=["web1 cannot be observed"])
    with bench(tmp_path, repeating(unseen), limits=RunLimits(retry_delay=0.0)) as b:
        with b.database.write() as tx:
            tx.connection.execute(text("CREATE TABLE noted (retry TEXT)"))
            tx.connection.execute(
                text(
                    "CREATE TRIGGER note AFTER UPDATE OF retry ON loops WHEN new.retry IS NOT NULL"
                    " BEGIN INSERT INTO noted VALUES (new.retry); END"
                )
            )
        await b.run()
        with b.database.read() as tx:
            assert tx.connection.execute(text("SELECT count(*) FROM noted")).scalar_one() == 0
        assert outcomes(b) == [IterationOutcome.OBSERVED] * 3


async def test_a_stop_ends_the_pause(tmp_path: Path) -> None:
    limits = RunLimits(retry_delay=600.0)
    with bench(tmp_path, repeating(AGAIN), modules=hosts(failed("no")), limits=limits) as b:
        running = asyncio.ensure_future(b.run())
        while len(b.decider.situations) < 2:
            await asyncio.sleep(0)
        b.stop.ask()
        assert (await asyncio.wait_for(running, 20)).state is LoopState.PAUSED
        assert len(actions(b)) == 1


def test_a_pause_has_a_limit() -> None:
    class Engine:
        limits = RunLimits()

    found = [pacing.pause_before(Engine(), n) for n in (0, 1, 2, 3, 50)]  # type: ignore[arg-type]
    assert found == [0.0, 1.0, 2.0, 4.0, pacing.LONGEST]


async def test_nothing_is_left_out_of_what_a_model_decided(tmp_path: Path) -> None:
    more = ActionSpec(module="copy", host="web", params={"dest": "/a"})
    decider = ScriptedDecider(AGAIN, Decision(actions=[START, more]), Decision(converged=True), is_model=True)
    with bench(tmp_path, decider, modules=hosts(failed("no")), limits=RunLimits(retry_delay=60.0)) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert [row.module for row in actions(b)] == ["service", "service", "copy"]


@pytest.mark.parametrize("first", [ok(changed=True), failed("no")])
async def test_a_new_part_of_a_step_is_tried_when_another_part_was_tried_often_enough(
    tmp_path: Path, first: ModuleResult
) -> None:
    parts = [step("a"), ActionSpec(module="copy", host="web", params={}, step="a", part=1)]

    def plan(_: Any) -> Decision:
        return Decision(actions=parts[: 1 if len(modules.ran("service")) < 2 else 2])

    modules = hosts(first)
    with bench(tmp_path, ScriptedDecider(plan), modules=modules, limits=replace(QUICK, attempts=2)) as b:
        assert (await b.run()).outcome is Outcome.NOT_CONVERGED
    assert (len(modules.ran("service")), len(modules.ran("copy"))) == (2, 2)


async def test_what_policy_denies_is_recorded_once_while_other_steps_are_repeated(tmp_path: Path) -> None:
    plan = Decision(actions=[copying("a"), step("b")])
    with bench(tmp_path, repeating(plan), modules=hosts(failed("no")), limits=QUICK, policy=denying(tmp_path)) as b:
        ended = await b.run()
        found = [(row.step, row.state) for row in sorted(actions(b), key=lambda row: row.id)]
    assert found == [("a", ActionState.DENIED), *[("b", ActionState.FAILED)] * 3]
    assert ended.reason == "b (service) on web has failed 3 times in this run: no"


async def test_what_policy_denies_is_not_planned_again(tmp_path: Path) -> None:
    policy = denying(tmp_path)
    with bench(tmp_path, repeating(Decision(actions=[copying("a")])), modules=hosts(ok()), policy=policy) as b:
        assert (await b.run()).outcome is Outcome.DENIED
        assert outcomes(b) == [IterationOutcome.DENIED]


def denying(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text("rules:\n  - {decision: deny, match: {module: copy}, reason: no copies}\n")
    return str(path)


async def test_an_action_for_which_no_host_is_known_is_tried_as_often_as_others(tmp_path: Path) -> None:
    plan = Decision(actions=[ActionSpec(module="copy", host="nowhere", params={})])
    with bench(tmp_path, repeating(plan), modules=hosts(ok()), limits=QUICK) as b:
        ended = await b.run()
        assert len(actions(b)) == 3
    assert (ended.reason or "").startswith("copy on nowhere has failed 3 times in this run: cannot find the host")
