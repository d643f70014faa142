"""Observing modules read regular files of a limited size, with a limited amount of memory."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.modules import fence_for
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOSTS = ["localhost", "program"]
"""In the second one, modules are executed by an interpreter that the inventory names."""


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=str)
    interpreter = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    made.add_host(HostEntry(name="program", vars=interpreter))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(20 << 30)
    (tmp_path / "file").write_text("one\n")
    yield made
    await made.close()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("module", "params", "why"),
    [
        ("slurp", {"src": "/dev/zero"}, "it is not a regular file"),
        ("slurp", {"path": "BASE/zero"}, "it is not a regular file"),
        ("slurp", {"src": "BASE/fifo"}, "it is not a regular file"),
        ("slurp", {"src": "BASE/huge"}, "it is larger than 16 MiB"),
        ("wait_for", {"path": "BASE/fifo", "search_regex": "x"}, "it is not a regular file"),
        ("lineinfile", {"path": "/dev/zero", "line": "x"}, "it is not a regular file"),
        ("replace", {"path": "BASE/huge", "regexp": "x"}, "it is larger than 16 MiB"),
        ("copy", {"src": "BASE/huge", "remote_src": True, "dest": "BASE/new"}, "it is larger than 64 MiB"),
    ],
)
async def test_what_has_no_end_is_not_read(
    modules: Ftl2Modules, tmp_path: Path, host: str, module: str, params: dict[str, Any], why: str
) -> None:
    params = {key: str(value).replace("BASE", str(tmp_path)) for key, value in params.items()}
    fence = fence_for(module, params)
    assert fence is not None
    result = await modules.run(call_of(modules, module, params, host=host, fence=fence, timeout=20))
    assert not result.success
    assert why in (result.error or "")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("slurp", {"src": "BASE/file"}),
        ("wait_for", {"path": "BASE/fifo"}),
        ("find", {"paths": "BASE,/dev", "contains": "one", "get_checksum": True}),
        ("stat", {"path": "/dev/zero"}),
        ("lineinfile", {"path": "BASE/file", "line": "two"}),
    ],
)
async def test_other_observations_work(
    modules: Ftl2Modules, tmp_path: Path, host: str, module: str, params: dict[str, Any]
) -> None:
    (tmp_path / "huge").unlink()
    params = {key: value.replace("BASE", str(tmp_path)) if isinstance(value, str) else value
              for key, value in params.items()}  # fmt: skip
    fence = fence_for(module, params)
    assert fence is not None
    result = await modules.run(call_of(modules, module, params, host=host, fence=fence, timeout=20))
    assert result.success, result.error


@pytest.mark.parametrize("host", HOSTS)
async def test_the_memory_of_an_observing_module_is_limited(modules: Ftl2Modules, tmp_path: Path, host: str) -> None:
    # It reads 2 GiB, with the match at their end.
    with (tmp_path / "huge").open("r+b") as file:
        file.truncate(2 << 30)
        file.seek(-6, os.SEEK_END)
        file.write(b"needle")
    params = {"paths": str(tmp_path), "contains": "needle", "read_whole_file": True}
    result = await modules.run(call_of(modules, "find", params, host=host, fence=Fence.READING, timeout=60))
    assert (result.timed_out, result.output.get("files") or []) == (False, [])
