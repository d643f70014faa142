"""Calls of every kind in the read-only sandbox, through the helper of this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.gate.effects import Fence
from tests.support.loops.permitted import call_of
from tests.support.processes import fenced_calls

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
    from ftl2_enterprise.loops.ports import ModuleResult

NOT_HERE = fenced_calls.missing(os.geteuid())
pytestmark = pytest.mark.skipif(NOT_HERE is not None, reason=NOT_HERE or "")


async def fenced(modules: Ftl2Modules, module: str, **params: Any) -> ModuleResult:
    return await modules.run(call_of(modules, module, params, fence=Fence.SANDBOX))


async def test_a_command_reads_and_does_not_claim_a_change(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    result = await fenced(modules, "shell", cmd=f"cat {tmp_path}/file; exit 3")
    assert (result.fenced, result.cannot_fence, result.changed) == (True, None, False)
    assert (result.rc, result.stdout, result.error) == (3, "content", "exit status 3")


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("shell", {"cmd": "echo x > {}/new"}),
        ("command", {"argv": ["touch", "{}/new"]}),
        ("file", {"path": "{}/new", "state": "touch"}),
        ("copy", {"dest": "{}/new", "content": "x"}),
        ("template", {"dest": "{}/new", "content": "x"}),
        ("lineinfile", {"path": "{}/new", "line": "x", "create": True}),
        ("tempfile", {"path": "{}"}),
    ],
)
async def test_what_writes_without_the_sandbox_writes_nothing_in_it(
    modules: Ftl2Modules, tmp_path: Path, module: str, params: dict[str, Any]
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(one) for one in value]
        return value.format(tmp_path / "place") if isinstance(value, str) else value

    (tmp_path / "place").mkdir()
    given = {name: filled(value) for name, value in params.items()}
    kept = await fenced(modules, module, **given)
    assert (kept.success, kept.changed, kept.fenced) == (False, False, True)
    assert "Read-only file system" in f"{kept.error}{kept.stderr}"
    assert list((tmp_path / "place").iterdir()) == []
    assert (await modules.run(call_of(modules, module, given))).success
    assert len(list((tmp_path / "place").iterdir())) == 1


@pytest.mark.parametrize(
    ("module", "params"),
    [("stat", {"path": "/etc/passwd"}), ("slurp", {"src": "/etc/passwd"}), ("find", {"paths": "/etc"})],
)
async def test_modules_that_read_return_the_same_in_it(
    modules: Ftl2Modules, module: str, params: dict[str, Any]
) -> None:
    plain = await modules.run(call_of(modules, module, params))
    result = await fenced(modules, module, **params)
    assert (plain.success, result.success, result.fenced) == (True, True, True)
    assert result.output.keys() == plain.output.keys()


async def test_a_time_limit_in_it_is_reported(modules: Ftl2Modules) -> None:
    result = await modules.run(call_of(modules, "shell", {"cmd": "sleep 3000"}, fence=Fence.SANDBOX, timeout=0.7))
    assert (result.timed_out, result.fenced, result.changed) == (True, True, False)
