"""Rules in the engine: recorded, at most once in a row, and never hiding one another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows, rules as rule_rows
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, Condition, IterationOutcome, LoopState, Mode, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, ok
from tests.support.loops.rules import write_rule
from tests.support.loops.runs import actions, continuous, iterations, write_a_rule

if TYPE_CHECKING:
    from pathlib import Path

DONE = Decision(converged=True)


def rule(
    directory: Path, name: str, condition: str, action: str = "await ftl.repair(what='it')", observe: str = "[]"
):
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.py").write_text(
        f'"""Repairs {name}."""\napplies_to = "everything"\nobserve = {observe}\n\n'
        f"async def condition(state):\n    return {condition}\n\n"
        f"async def action(ftl):\n    {action}\n"
    )
    return directory


async def run(tmp_path, decider, modules=None, **spec):
    with bench(tmp_path, decider, modules=modules, rules_dir=str(tmp_path / "rules"), **spec) as b:
        loop = await b.run()
        with b.database.read() as tx:
            iterations = loop_rows.get_iterations(tx, b.loop_id)
            rows = [row for one in iterations for row in rule_rows.get_rule_results(tx, one.id)]
            actions = sorted(action_rows.get_actions_for_loop(tx, b.loop_id), key=lambda a: a.id)
    return loop, iterations, rows, actions


async def test_an_always_true_rule_fires_every_second_iteration_at_most(tmp_path):
    """The limit keeps the action from running, not only from counting."""
    rule(tmp_path / "rules", "always", "True")
    modules = ScriptedModules()
    decider = ScriptedDecider(Decision(reasoning="not yet"))
    _, iterations, rows, _ = await run(tmp_path, decider, modules, max_iterations=6)
    assert len(modules.ran("repair")) == 3
    assert [one.outcome for one in iterations] == [IterationOutcome.RULE_FIRED, IterationOutcome.OBSERVED] * 3
    assert [row.fired for row in rows] == [True, False] * 3


async def test_a_fired_rule_is_in_the_history_with_its_actions(tmp_path):
    rule(tmp_path / "rules", "repairer", "not state['page']['world']", observe="[{'name': 'page', 'module': 'stat'}]")
    modules = ScriptedModules()

    def repair(call):
        modules.world["page"] = "there"
        return ok(changed=True)

    modules.handlers["repair"] = repair
    loop, iterations, rows, actions = await run(tmp_path, ScriptedDecider(DONE), modules)
    assert loop.outcome is Outcome.CONVERGED
    assert iterations[0].decided_by == "rule:repairer"
    assert [(row.rule_name, row.matched, row.fired, row.success) for row in rows] == [("repairer", True, True, True)]
    assert [(one.module, one.origin, one.state) for one in actions] == [
        ("repair", "rule:repairer", ActionState.SUCCEEDED)
    ]


async def test_a_denied_rule_does_not_hide_the_next(tmp_path):
    directory = rule(tmp_path / "rules", "a_first", "True", "await ftl.shell(cmd='x')")
    rule(directory, "b_second", "True")
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no\n")
    modules = ScriptedModules()
    _, iterations, rows, _ = await run(tmp_path, ScriptedDecider(DONE), modules, policy=str(policy))
    assert modules.ran("shell") == []
    assert len(modules.ran("repair")) == 1
    assert [(row.rule_name, row.success) for row in rows if row.fired] == [("a_first", False), ("b_second", True)]
    assert iterations[0].outcome is IterationOutcome.RULE_FIRED


async def test_after_a_failing_rule_and_an_observation_the_next_rule_fires(tmp_path):
    directory = rule(tmp_path / "rules", "a_first", "True", "await ftl.bad()")
    rule(directory, "b_second", "True")
    modules = ScriptedModules()
    modules.handlers["bad"] = lambda call: failed("exit 1", rc=1)
    _, _, rows, _ = await run(tmp_path, ScriptedDecider(DONE), modules)
    assert [(row.rule_name, row.success) for row in rows if row.fired] == [("a_first", False), ("b_second", True)]


async def test_a_condition_that_raises_is_recorded_and_later_rules_are_tried(tmp_path):
    directory = rule(tmp_path / "rules", "a_broken", "state['nothing']['here']")
    rule(directory, "b_fine", "True")
    modules = ScriptedModules()
    _, _, rows, _ = await run(tmp_path, ScriptedDecider(DONE), modules, max_iterations=1)
    assert [(row.rule_name, row.matched, row.fired) for row in rows] == [
        ("a_broken", False, False),
        ("b_fine", True, True),
    ]
    assert "KeyError" in (rows[0].detail or "")


async def test_dry_run_previews_what_a_rule_would_do(tmp_path):
    rule(tmp_path / "rules", "always", "True")
    modules = ScriptedModules()
    loop, _, _, actions = await run(tmp_path, ScriptedDecider(DONE), modules, dry_run=True)
    assert modules.ran("repair") == []
    assert [one.state for one in actions] == [ActionState.PREVIEWED]
    assert loop.outcome is Outcome.PREVIEWED


async def test_the_decider_gets_the_rules_whose_conditions_hold(tmp_path):
    rule(tmp_path / "rules", "always", "True")
    decider = ScriptedDecider(DONE)
    await run(tmp_path, decider)
    assert decider.situations[0].matched_rules == ["always"]


# --- rules that decide alone ---------------------------------------------------------------------------------------


async def test_a_loop_of_rules_ends_when_one_cannot_be_evaluated_and_no_other_may_fire(tmp_path):
    directory = rule(tmp_path / "rules", "a_broken", "state['nothing']['here']")
    rule(directory, "b_fine", "not state['page']['world']", observe="[{'name': 'page', 'module': 'stat'}]")
    modules = ScriptedModules()
    modules.handlers["repair"] = lambda call: modules.world.update(page="there") or ok(changed=True)
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), modules)
    assert [one.outcome for one in iterations] == [IterationOutcome.RULE_FIRED, IterationOutcome.OBSERVED]
    assert (loop.outcome, loop.reason) == (
        Outcome.NOT_CONVERGED,
        "cannot evaluate rule a_broken: KeyError: 'nothing'",
    )
    assert loop.condition is not Condition.IN_SYNC


async def test_a_continuous_loop_of_rules_retries_when_one_cannot_be_evaluated(tmp_path):
    rule(tmp_path / "rules", "broken", "state['nothing']['here']")
    with bench(tmp_path, RulesDecider(), rules_dir=str(tmp_path / "rules"), mode="continuous", interval=60.0) as b:
        b.database.listen(lambda event: b.stop.ask() if event.kind == "loop.rested" else None)
        await b.run()
        (rested,) = b.data("loop.rested")
        assert (rested["outcome"], rested["reason"]) == (
            Outcome.NOT_CONVERGED,
            "cannot evaluate rule broken: KeyError: 'nothing'",
        )
        assert b.loop().state is LoopState.PAUSED
        assert b.loop().iteration_count == 1


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (2, "2 iterations were not enough; last: rule always: its condition still holds although it has fired"),
        (3, "3 iterations were not enough; last: rule always: its condition holds although it has fired before"),
    ],
)
async def test_a_rule_whose_condition_still_holds_is_named_in_the_reason(tmp_path, budget, reason):
    rule(tmp_path / "rules", "always", "True")
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), max_iterations=budget)
    assert len(iterations) == budget
    assert (loop.outcome, loop.reason) == (Outcome.NOT_CONVERGED, reason)


async def test_a_loop_of_rules_ends_when_the_policy_denies_all_their_actions(tmp_path):
    rule(tmp_path / "rules", "forbidden", "True", "await ftl.shell(cmd='x')")
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no\n")
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), policy=str(policy))
    assert [one.outcome for one in iterations] == [IterationOutcome.DENIED, IterationOutcome.OBSERVED]
    assert loop.outcome is Outcome.DENIED
    assert "rule forbidden" in (loop.reason or "")


async def test_a_rule_that_would_end_the_process_is_a_rule_that_failed(tmp_path):
    rules = write_a_rule(tmp_path, "a_exits", "raise SystemExit(3)")
    write_a_rule(tmp_path, "b_cancels", "raise asyncio.CancelledError")
    write_a_rule(tmp_path, "c_talks", "raise ValueError('x' * 100_000)")
    with bench(tmp_path, ScriptedDecider(DONE), rules_dir=rules) as b:
        loop = await asyncio.wait_for(b.run(), 10)
        fired = b.data("rule.fired")
        (error, _) = [one.error for one in iterations(b)]
    assert loop.outcome is Outcome.CONVERGED
    assert [one["success"] for one in fired] == [False] * 3
    assert "exit(3)" in fired[0]["detail"]
    assert error is not None
    assert len(error) < 3_000


async def test_rules_alone_do_not_converge_when_one_cannot_be_evaluated(tmp_path):
    from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider

    rules = write_a_rule(tmp_path, "fine", "pass", condition="False")
    with bench(tmp_path, RulesDecider(), rules_dir=rules, max_iterations=1) as b:
        assert (await b.run()).outcome is Outcome.CONVERGED
    for n, text in enumerate(("state['nothing']", "(")):
        directory = tmp_path / str(n)
        directory.mkdir()
        write_a_rule(tmp_path, "broken", "pass", condition=text)
        with bench(directory, RulesDecider(), rules_dir=rules, max_iterations=1) as b:
            loop = await b.run()
        assert loop.outcome is Outcome.NOT_CONVERGED, text
        assert "broken" in (loop.reason or "")


async def test_a_rule_does_not_fire_twice_in_a_row_across_runs(tmp_path):
    rules = write_a_rule(tmp_path, "always", "await ftl.repair()")
    modules = ScriptedModules()
    decider = ScriptedDecider(Decision(reasoning="not yet"))
    with bench(
        tmp_path, decider, modules=modules, rules_dir=rules, mode=Mode.CONTINUOUS, interval=0.01, max_iterations=1
    ) as b:
        await continuous(b, 4)
    assert len(modules.ran("repair")) == 2


async def test_a_rule_respects_the_limit_of_parallel_hosts(tmp_path):
    rules = write_a_rule(tmp_path, "wide", "await ftl['web'].touch()")
    modules = ScriptedModules({f"h{n}": ["web"] for n in range(6)})
    now, most = [0], [0]

    async def touch():
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1
        return ok(changed=True)

    modules.handlers["touch"] = lambda call: touch()
    with bench(
        tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules, limits=RunLimits(parallel_hosts=2)
    ) as b:
        await b.run()
    assert (len(modules.ran("touch")), most[0]) == (6, 2)


async def test_a_rule_may_pass_params_that_json_cannot_hold(tmp_path):
    write_rule(
        tmp_path / "rules",
        "odd",
        head="import pathlib",
        action="await ftl.odd(path=pathlib.Path('/srv'), tags={'a'}, raw=b'x')",
    )
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=str(tmp_path / "rules")) as b:
        loop = await b.run()
        (row,) = actions(b)
        with b.database.read() as tx:
            (fired,) = rule_rows.get_rule_results(tx, iterations(b)[0].id)
    assert loop.outcome is Outcome.CONVERGED
    assert (row.module, row.state, row.params["path"]) == ("odd", ActionState.SUCCEEDED, "/srv")
    assert fired.success is True
