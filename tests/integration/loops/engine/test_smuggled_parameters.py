"""A call with a parameter by which its module would do something else is not executed, whatever the policy is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench
from tests.support.loops.runs import actions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("ansible.builtin.dnf", {"name": "x; touch /t"}),
        ("cron", {"minute": "* rm -r /data #", "name": "x", "job": "/usr/bin/backup"}),
        ("yum_repository", {"name": "x]\nbaseurl=http://evil/\n[y", "description": "x"}),
        ("iptables", {"fragment": "--modprobe=/t", "chain": "INPUT"}),
    ],
)
async def test_it_has_failed_before_it_began(tmp_path: Path, module: str, params: dict[str, Any]) -> None:
    modules = ScriptedModules()
    act = ActionSpec(module=module, params=params)
    decider = ScriptedDecider(Decision(actions=[act]), Decision(converged=True))
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        [row] = actions(b)
    assert (row.state, modules.ran(module), modules.ran("dnf")) == (ActionState.FAILED, [], [])
    assert (row.error or "").startswith(f"cannot use the parameter {next(iter(params))} of {module}: ")
