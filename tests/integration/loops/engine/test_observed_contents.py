"""What a model learns from a module in check mode: whether it would change something, and no content of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
from ftl2_enterprise.loops.rows import observations as observation_rows
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench
from tests.support.loops.runs import iterations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_enterprise.loops.ports import Situation


SECRET = "root:$6$marvellous:1::"
HEADERS = {"before_header": "/etc/shadow (content)", "after_header": "/etc/shadow (content)"}
DIFFS: dict[str, Any] = {
    "lineinfile": [{"before": SECRET, "after": f"{SECRET}\nx", **HEADERS}, HEADERS],
    "blockinfile": [{"before": SECRET, "after": f"{SECRET}\nx", **HEADERS}, HEADERS],
    "replace": {"before": SECRET, "after": "x", **HEADERS},
    "assemble": {"before": SECRET, "after": "x"},
    "known_hosts": {"before": SECRET, "after": "x", "before_header": "~/.ssh/known_hosts"},
    "cron": {"before": SECRET, "after": "x", "before_header": "crontab"},
    "apt": {"prepared": SECRET},
    "debconf": {"before": {"question": SECRET}, "after": {"question": SECRET}},
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
        output = {"diff": DIFFS[call.module], "current": {"question": SECRET}, "msg": "line added"}
        return ModuleResult(success=True, changed=True, output=output)

    modules = ScriptedModules()
    modules.handlers[module] = checked
    shown, situations = await observed(tmp_path, modules, module, {"path": "/x"})
    assert "marvellous" not in shown
    assert '"changed":true' in shown
    assert "line added" in shown
    assert len(situations) == 2
    assert "line added" in repr(situations[1])
    assert "marvellous" not in repr(situations)


async def observed(
    tmp_path: Path, modules: Any, module: str, params: dict[str, Any]
) -> tuple[str, Sequence[Situation]]:
    """The stored result of an observation that a model requests, and what the model was given."""
    first = Decision(observe=[ObservationSpec(name="seen", module=module, params=params)])
    decider = ScriptedDecider(first, Decision(converged=True), is_model=True)
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        with b.database.read() as tx:
            rows = [row for one in iterations(b) for row in observation_rows.get_observations(tx, one.id)]
    stored = rows[0].result
    assert stored is not None, rows[0].error
    return stored.shown, decider.situations


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("lineinfile", {"path": "FILE", "line": "x"}),
        ("blockinfile", {"path": "FILE", "block": "x"}),
        ("replace", {"path": "FILE", "regexp": "root", "replace": "x"}),
        ("copy", {"dest": "FILE", "content": "x"}),
        ("template", {"dest": "FILE", "content": "x"}),
        ("file", {"path": "FOLDER", "state": "absent"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_model_observes_no_contents_by_real_modules(
    tmp_path: Path, module: str, params: dict[str, str]
) -> None:
    file = tmp_path / "folder" / "marvellous"
    file.parent.mkdir()
    file.write_text(f"{SECRET}\n")
    given = {
        name: value.replace("FILE", str(tmp_path / "shadow")).replace("FOLDER", str(file.parent))
        for name, value in params.items()
    }
    (tmp_path / "shadow").write_text(f"{SECRET}\n")
    modules = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    try:
        shown, situations = await observed(tmp_path, modules, module, given)
    finally:
        await modules.close()
    assert '"changed":true' in shown
    assert "marvellous" not in shown
    assert "marvellous" not in repr(situations)
    assert (tmp_path / "shadow").read_text() == f"{SECRET}\n"
