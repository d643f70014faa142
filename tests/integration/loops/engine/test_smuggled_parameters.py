"""A call with a parameter by which its module would do something else is not executed, whatever the policy is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench
from tests.support.loops.runs import actions

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_has_failed_before_it_began(tmp_path: Path) -> None:
    modules = ScriptedModules()
    act = ActionSpec(module="ansible.builtin.dnf", params={"name": f"x; touch {tmp_path}/y"})
    decider = ScriptedDecider(Decision(actions=[act]), Decision(converged=True))
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        [row] = actions(b)
    assert (row.state, modules.ran("ansible.builtin.dnf"), modules.ran("dnf")) == (ActionState.FAILED, [], [])
    assert (row.error or "").startswith("cannot use the parameter name of ansible.builtin.dnf: ")
