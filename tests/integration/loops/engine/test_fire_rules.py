"""Rules in the engine: recorded, at most once in a row, and never hiding one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.loops.rows import actions as action_rows, loops as loop_rows, rules as rule_rows
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    IterationOutcome,
    LoopState,
    Outcome,
)
from tests.support.engine import ScriptedDecider, ScriptedModules, bench, failed, ok

if TYPE_CHECKING:
    from pathlib import Path

DONE = Decision(converged=True)


def rule(directory: Path, name: str, condition: str, action: str = "await ftl.mend(what='it')", observe: str = "[]"):
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.py").write_text(
        f'"""Mends {name}."""\nobserve = {observe}\n\n'
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
    assert len(modules.ran("mend")) == 3
    assert [one.outcome for one in iterations] == [IterationOutcome.RULE_FIRED, IterationOutcome.OBSERVED] * 3
    assert [row.fired for row in rows] == [True, False] * 3


async def test_a_firing_is_history_with_its_actions(tmp_path):
    rule(tmp_path / "rules", "mender", "not state['page']['world']", observe="[{'name': 'page', 'module': 'stat'}]")
    modules = ScriptedModules()

    def mend(call):
        modules.world["page"] = "there"
        return ok(changed=True)

    modules.handlers["mend"] = mend
    loop, iterations, rows, actions = await run(tmp_path, ScriptedDecider(DONE), modules)
    assert loop.outcome is Outcome.CONVERGED
    assert iterations[0].decided_by == "rule:mender"
    assert [(row.rule_name, row.matched, row.fired, row.success) for row in rows] == [("mender", True, True, True)]
    assert [(one.module, one.origin, one.state) for one in actions] == [
        ("mend", "rule:mender", ActionState.SUCCEEDED)
    ]


async def test_a_denied_rule_does_not_hide_the_next(tmp_path):
    directory = rule(tmp_path / "rules", "a_first", "True", "await ftl.shell(cmd='x')")
    rule(directory, "b_second", "True")
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no\n")
    modules = ScriptedModules()
    _, iterations, rows, _ = await run(tmp_path, ScriptedDecider(DONE), modules, policy=str(policy))
    assert modules.ran("shell") == []
    assert len(modules.ran("mend")) == 1
    assert [(row.rule_name, row.success) for row in rows if row.fired] == [("a_first", False), ("b_second", True)]
    assert iterations[0].outcome is IterationOutcome.RULE_FIRED


async def test_a_failing_rule_gives_way_to_the_next_after_another_look(tmp_path):
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
    assert "KeyError" in rows[0].detail


async def test_dry_run_previews_what_a_rule_would_do(tmp_path):
    rule(tmp_path / "rules", "always", "True")
    modules = ScriptedModules()
    loop, _, _, actions = await run(tmp_path, ScriptedDecider(DONE), modules, dry_run=True)
    assert modules.ran("mend") == []
    assert [one.state for one in actions] == [ActionState.PREVIEWED]
    assert loop.outcome is Outcome.PREVIEWED


async def test_the_decider_is_told_which_conditions_hold(tmp_path):
    rule(tmp_path / "rules", "always", "True")
    decider = ScriptedDecider(DONE)
    await run(tmp_path, decider)
    assert decider.situations[0].matched_rules == ["always"]


# --- rules that decide alone ---------------------------------------------------------------------------------------


async def test_a_loop_of_rules_ends_at_once_when_one_cannot_be_judged_and_none_is_left_to_fire(tmp_path):
    directory = rule(tmp_path / "rules", "a_broken", "state['nothing']['here']")
    rule(directory, "b_fine", "not state['page']['world']", observe="[{'name': 'page', 'module': 'stat'}]")
    modules = ScriptedModules()
    modules.handlers["mend"] = lambda call: modules.world.update(page="there") or ok(changed=True)
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), modules)
    assert [one.outcome for one in iterations] == [IterationOutcome.RULE_FIRED, IterationOutcome.OBSERVED]
    assert (loop.outcome, loop.reason) == (Outcome.NOT_CONVERGED, "cannot judge rule a_broken: KeyError: 'nothing'")
    assert loop.condition is not Condition.IN_SYNC


async def test_a_continuous_loop_of_rules_tries_again_later_when_one_cannot_be_judged(tmp_path):
    rule(tmp_path / "rules", "broken", "state['nothing']['here']")
    with bench(tmp_path, RulesDecider(), rules_dir=str(tmp_path / "rules"), mode="continuous", interval=60.0) as b:
        b.database.listen(lambda event: b.stop.ask() if event.kind == "loop.rested" else None)
        await b.run()
        (rested,) = b.data("loop.rested")
        assert (rested["outcome"], rested["reason"]) == (
            Outcome.NOT_CONVERGED,
            "cannot judge rule broken: KeyError: 'nothing'",
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
async def test_a_rule_whose_condition_goes_on_to_hold_is_named_in_the_end(tmp_path, budget, reason):
    rule(tmp_path / "rules", "always", "True")
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), max_iterations=budget)
    assert len(iterations) == budget
    assert (loop.outcome, loop.reason) == (Outcome.NOT_CONVERGED, reason)


async def test_a_loop_of_rules_ends_at_once_when_policy_forbids_all_that_they_would_do(tmp_path):
    rule(tmp_path / "rules", "forbidden", "True", "await ftl.shell(cmd='x')")
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n- decision: deny\n  match: {module: shell}\n  reason: no\n")
    loop, iterations, _, _ = await run(tmp_path, RulesDecider(), policy=str(policy))
    assert [one.outcome for one in iterations] == [IterationOutcome.DENIED, IterationOutcome.OBSERVED]
    assert loop.outcome is Outcome.DENIED
    assert "rule forbidden" in loop.reason
