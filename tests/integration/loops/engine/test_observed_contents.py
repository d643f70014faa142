"""What a model learns from a module in check mode: whether it would change something, and no content of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench
from tests.support.loops.runs import iterations

if TYPE_CHECKING:
    from pathlib import Path


SECRET = "root:$6$marvellous:1::"
HEADERS = {"before_header": "/etc/shadow (content)", "after_header": "/etc/shadow (content)"}
DIFFS: dict[str, Any] = {
    "lineinfile": [{"before": SECRET, "after": f"{SECRET}\nx", **HEADERS}, HEADERS],
    "blockinfile": [{"before": SECRET, "after": f"{SECRET}\nx", **HEADERS}, HEADERS],
    "replace": {"before": SECRET, "after": "x", **HEADERS},
    "assemble": {"before": SECRET, "after": "x"},
    "known_hosts": {"before": SECRET, "after": "x", "before_header": "/root/.ssh/known_hosts"},
    "cron": {"before": SECRET, "after": "x", "before_header": "crontab"},
    "apt": {"prepared": SECRET},
    "copy": {"path": "/x", "before": {"size": 3, "mode": "0644", "content": SECRET}, "after": {"content": SECRET}},
    "template": {"path": "/x", "before": {"size": 3, "content": SECRET}, "after": {"size": 3, "content": SECRET}},
    "file": {
        "before": {"mode": "0644", "path": "/x", "path_content": {"files": [SECRET]}},
        "after": {"mode": "0600"},
    },
}


@pytest.mark.parametrize("module", DIFFS)
async def test_a_model_observes_no_contents(tmp_path: Path, module: str) -> None:
    def checked(call: ModuleCall) -> ModuleResult:
        return ModuleResult(success=True, changed=True, output={"diff": DIFFS[call.module], "msg": "line added"})

    first = Decision(observe=[ObservationSpec(name="seen", module=module, params={"path": "/x"})])
    decider = ScriptedDecider(first, Decision(converged=True), is_model=True)
    modules = ScriptedModules()
    modules.handlers[module] = checked
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        with b.database.read() as tx:
            rows = [row for one in iterations(b) for row in observation_rows.get_observations(tx, one.id)]
    stored = rows[0].result
    assert stored is not None
    assert "marvellous" not in stored.shown
    assert '"changed":true' in stored.shown
    assert "line added" in stored.shown
    assert len(decider.situations) == 2
    assert "line added" in repr(decider.situations[1])
    assert "marvellous" not in repr(decider.situations)
