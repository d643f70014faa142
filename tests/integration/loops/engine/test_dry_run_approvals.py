"""A dry run shows which actions people would have to approve, and records why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.cli.loops import run_totals
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopRemediation, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench
from tests.support.loops.rules import write_rule
from tests.support.loops.runs import actions

if TYPE_CHECKING:
    from pathlib import Path

TOUCH, RESTART = ActionSpec(module="touch"), ActionSpec(module="service", params={"name": "nginx"})
BOTH = Decision(actions=[TOUCH, RESTART], reasoning="both are out of place")


def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yml"
    needs = "people: 2, group: dba, not_requester: true"
    path.write_text(f"rules:\n  - {{decision: ask, match: {{module: service}}, reason: by day, {needs}}}\n")
    return str(path)


async def test_the_action_that_would_ask_has_the_rule(tmp_path: Path) -> None:
    modules = ScriptedModules()
    with bench(tmp_path, ScriptedDecider(BOTH), modules=modules, dry_run=True, policy=policy(tmp_path)) as b:
        loop = await b.run()
        touch, restart = actions(b)
        with b.database.read() as tx:
            tally = run_totals.of_run(tx, loop)
    assert (loop.outcome, loop.reason, modules.calls) == (Outcome.PREVIEWED, BOTH.reasoning, [])
    assert (touch.state, touch.error, restart.state) == (ActionState.PREVIEWED, None, ActionState.PREVIEWED)
    assert restart.error is not None
    assert restart.error.startswith("approval is required by policy rule 1 (")
    who = "2 persons with access to operate, of the group dba, not the requester"
    assert restart.error.endswith(f"): by day; needs {who}")
    assert [one["asks"] for one in b.data("action.previewed")] == [None, restart.error]
    assert (tally.previewed, tally.would_ask, b.data("prompt.asked")) == (2, 1, [])


async def test_so_have_all_actions_if_the_remediation_asks(tmp_path: Path) -> None:
    with bench(tmp_path, ScriptedDecider(BOTH), dry_run=True, remediation=LoopRemediation.ASK) as b:
        await b.run()
        expected = "remediation is `ask`; needs 1 person with access to operate"
        assert [one.error for one in actions(b)] == [expected] * 2


async def test_none_has_if_the_loop_may_change_nothing_anyway(tmp_path: Path) -> None:
    with bench(tmp_path, ScriptedDecider(BOTH), dry_run=True, remediation=LoopRemediation.NEVER) as b:
        await b.run()
        assert [(one.state, one.error) for one in actions(b)] == [(ActionState.PREVIEWED, None)] * 2


async def test_a_call_of_a_rule_that_would_ask_is_denied_as_in_a_run(tmp_path: Path) -> None:
    directory = write_rule(tmp_path / "rules", "restart", action="await ftl.service(name='nginx')")
    values = {"rules_dir": str(directory.parent), "policy": policy(tmp_path), "max_iterations": 1}
    found = []
    for dry_run in (True, False):
        (tmp_path / str(dry_run)).mkdir()
        with bench(tmp_path / str(dry_run), ScriptedDecider(Decision()), dry_run=dry_run, **values) as b:
            loop = await b.run()
            found.append((loop.outcome, [(one.state, one.error) for one in actions(b)]))
    assert found[0] == found[1]
    ((state, error),) = found[0][1]
    assert state is ActionState.DENIED
    assert error is not None
    assert "approval is required by policy rule 1" in error


async def test_rules_alone_end_as_denied_as_in_a_run(tmp_path: Path) -> None:
    directory = write_rule(tmp_path / "rules", "restart", action="await ftl.service(name='nginx')")
    values: dict[str, Any] = {"rules_dir": str(directory.parent), "policy": policy(tmp_path)}
    found = []
    for dry_run in (True, False):
        (tmp_path / str(dry_run)).mkdir()
        with bench(tmp_path / str(dry_run), RulesDecider(), dry_run=dry_run, **values) as b:
            loop = await b.run()
            found.append((loop.outcome, loop.reason))
    assert found[0] == found[1]
    assert found[0][0] is Outcome.DENIED


async def test_the_end_has_what_would_change_although_a_part_is_denied(tmp_path: Path) -> None:
    path = tmp_path / "deny.yml"
    path.write_text("rules:\n  - {decision: deny, match: {module: service}, reason: by day}\n")
    with bench(tmp_path, ScriptedDecider(BOTH), dry_run=True, policy=str(path)) as b:
        loop = await b.run()
    assert loop.outcome is Outcome.PREVIEWED
    assert (loop.reason or "").startswith("both are out of place. Not all of it would be executed: service on ")
