"""Modules that are performed on this machine: those that FTL2 refuses or names differently, and their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loops.local_calls import run

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("service_facts", {}),
        ("group", {"name": "root"}),
        ("ansible.builtin.find", {"paths": "/etc"}),
        ("getent", {"database": "passwd", "key": "root"}),
        ("ansible.builtin.command", {"cmd": "true"}),
    ],
)
async def test_modules_that_ftl2_refuses_or_misnames_work(
    modules: Ftl2Modules, module: str, params: dict[str, Any]
) -> None:
    result = await run(modules, module, **params)
    assert result.error is None
    assert result.success


async def test_git_reports_why_it_fails(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "git", repo=str(tmp_path / "nowhere"), dest=str(tmp_path / "here"))
    assert not result.success
    assert result.error is not None
    assert "nowhere" in result.error
    assert "JSON" not in result.error


async def test_a_failing_module_reports_its_error(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "lineinfile", path=str(tmp_path / "none"), line="x")
    assert (result.success, result.changed) == (False, False)
    assert "does not exist" in (result.error or "")


async def test_results_do_not_repeat_the_parameters(modules: Ftl2Modules) -> None:
    result = await run(modules, "stat", path="/")
    assert "invocation" not in result.output


async def test_parameters_that_json_cannot_hold_are_text(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "stat", path=tmp_path)
    assert result.success
    assert result.output["stat"]["isdir"] is True


async def test_modules_with_two_implementations_accept_the_parameters_of_both(
    modules: Ftl2Modules, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("ready")
    result = await run(modules, "wait_for", path=str(tmp_path / "f"), search_regex="ready", timeout=5)
    assert result.success, result.error
