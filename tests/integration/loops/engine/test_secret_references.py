"""A reference to a secret becomes its value in the actions of a manifest alone, and where no other user can read it.

References are decided by templates, and the text of a manifest can spell one out: what counts is the call itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.secret_references import reference
from ftl2_enterprise.loops.rows import actions as action_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench

if TYPE_CHECKING:
    from pathlib import Path

VALUE = "correct horse battery"
PW = reference("pw")
DONE = Decision(converged=True)


@pytest.fixture(autouse=True)
def variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", VALUE)


async def test_an_action_gets_the_value(tmp_path: Path) -> None:
    modules = ScriptedModules()
    act = Decision(actions=[ActionSpec(module="copy", params={"dest": "/srv/x", "content": f"pw={PW}"})])
    with bench(tmp_path, ScriptedDecider(act, DONE), modules=modules, secrets=["pw=PW"]) as b:
        await b.run()
    assert [call.params["content"] for call in modules.ran("copy")] == [f"pw={VALUE}"]


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("shell", {"cmd": f"echo {PW}"}),
        ("command", {"argv": ["echo", PW]}),
        ("file", {"path": f"/srv/{PW}", "state": "touch"}),
        ("copy", {"dest": f"/srv/{PW}", "content": "x"}),
        ("cron", {"name": "x", "job": f"echo {PW}"}),
    ],
    ids=str,
)
async def test_it_is_refused_where_other_users_can_read_it(
    tmp_path: Path, module: str, params: dict[str, Any]
) -> None:
    modules = ScriptedModules()
    act = Decision(actions=[ActionSpec(module=module, params=params)])
    with bench(tmp_path, ScriptedDecider(act, DONE), modules=modules, secrets=["pw=PW"]) as b:
        await b.run()
        with b.database.read() as tx:
            (row,) = action_rows.get_actions_for_loop(tx, b.loop_id)
    assert modules.ran(module) == []
    assert (row.error or "").startswith("cannot use a secret there: it cannot be part of ")


@pytest.mark.parametrize("is_model", [True, False])
async def test_an_observation_does_not_get_it(tmp_path: Path, *, is_model: bool) -> None:
    modules = ScriptedModules()
    see = Decision(observe=[ObservationSpec(name="x", module="find", params={"paths": "/srv", "contains": PW})])
    with bench(tmp_path, ScriptedDecider(see, DONE, is_model=is_model), modules=modules, secrets=["pw=PW"]) as b:
        await b.run()
    assert VALUE not in repr([call.params for call in modules.calls])


async def test_a_model_does_not_get_it(tmp_path: Path) -> None:
    modules = ScriptedModules()
    act = Decision(actions=[ActionSpec(module="copy", params={"dest": "/srv/x", "content": PW})])
    with bench(tmp_path, ScriptedDecider(act, DONE, is_model=True), modules=modules, secrets=["pw=PW"]) as b:
        await b.run()
    assert VALUE not in repr([call.params for call in modules.calls])
