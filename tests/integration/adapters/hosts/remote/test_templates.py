"""The module `template` renders in the sandbox, in a process with limits, and includes files of its directory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.hostile_templates import ESCAPES, aimed
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleResult


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text)
    yield made
    await made.close()


async def run(modules: Ftl2Modules, module: str, **params: Any) -> ModuleResult:
    return await modules.run(call_of(modules, module, params))


@pytest.mark.parametrize("escape", ESCAPES[:12])
async def test_a_template_runs_no_code(modules: Ftl2Modules, tmp_path: Path, escape: str) -> None:
    witness = tmp_path / "witness"
    result = await run(modules, "template", content=aimed(escape, witness), dest=str(tmp_path / "f"))
    assert (result.success, (result.error or "").startswith("cannot render the template: ")) == (False, True)
    assert not witness.exists()
    assert not (tmp_path / "f").exists()


async def test_a_template_given_as_content_finds_no_files(
    modules: Ftl2Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part").write_text("part")
    monkeypatch.chdir(tmp_path)
    result = await run(modules, "template", content="{% include 'part' %}", dest=str(tmp_path / "f"))
    assert result.error == (
        "cannot render the template: it includes part, and a template that is given as content cannot include files"
    )


async def test_a_template_with_an_endless_result_is_refused(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "template", content="{{ 'x' * 10**10 }}", dest=str(tmp_path / "f"))
    assert result.error == "cannot render the template: it produces more than 32 Mi characters"


async def test_a_process_that_renders_has_little_memory(tmp_path: Path) -> None:
    code = (
        "from ftl2_enterprise.adapters.templates import parameters as p\n"
        "p.limit_process()\ntry: bytearray(p.MAX_MEMORY)\nexcept MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


async def test_a_source_that_is_a_pipe_is_refused(modules: Ftl2Modules, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for module in ("copy", "template"):
        result = await run(modules, module, src=str(tmp_path / "pipe"), dest=str(tmp_path / "f"))
        assert result.error == f"cannot {module} {tmp_path / 'pipe'}: it is not a regular file"
