"""Observations on this machine do not read the secrets of the service, and not its database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.gate.modules import fence_for
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.permitted import call_of
from tests.support.processes.fenced_calls import missing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from ftl2_enterprise.gate.effects import Fence

SECRET = "hunter2hunter2"


def fence_of(module: str, params: dict[str, Any]) -> Fence:
    found = fence_for(module, params)
    assert found is not None
    return found


@pytest.fixture
async def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Ftl2Modules]:
    monkeypatch.setenv("A_DIRECTORY", str(tmp_path))
    place = tmp_path / "secrets"
    place.mkdir()
    (place / "one").write_text(SECRET)
    (tmp_path / "link").symlink_to(place)
    (tmp_path / "file-link").symlink_to(place / "one")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "loops.db").write_text(SECRET)
    hidden = [str(tmp_path / "link"), str(tmp_path / "state" / "loops.db")]
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=str, hidden=hidden)
    made.add_host(HostEntry(name="other", vars={"ansible_connection": "local"}))
    yield made
    await made.close()


@pytest.mark.parametrize("host", ["localhost", "other"])
@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("slurp", {"src": "BASE/secrets/one"}),
        ("slurp", {"src": "BASE/link/one"}),
        ("slurp", {"src": "BASE/file-link"}),
        ("slurp", {"src": "BASE/x/../secrets/./one"}),
        ("slurp", {"src": "/proc/self/root/BASE/secrets/one"}),
        ("slurp", {"src": "$A_DIRECTORY/secrets/one"}),
        ("slurp", {"src": "${A_DIRECTORY}/x/../link/one"}),
        ("wait_for", {"path": "$A_DIRECTORY/file-link", "search_regex": "hunter.*"}),
        ("lineinfile", {"path": "$A_DIRECTORY/state/loops.db", "line": "x", "regexp": "hunter"}),
        ("find", {"paths": "/nothing,$A_DIRECTORY", "contains": "hunter.*"}),
        ("stat", {"path": "BASE/secrets/one"}),
        ("find", {"paths": "BASE", "recurse": True, "contains": "hunter.*"}),
        ("find", {"paths": ["/nothing", "BASE"], "recurse": True}),
        ("find", {"paths": "/nothing,BASE"}),
        ("copy", {"src": "BASE/secrets/one", "dest": "BASE/copy"}),
        ("copy", {"src": "BASE/secrets/one", "dest": "BASE/copy", "remote_src": True}),
        ("template", {"src": "BASE/file-link", "dest": "BASE/copy"}),
        ("slurp", {"src": "BASE/state/loops.db"}),
        ("find", {"paths": "BASE/state", "contains": "hunter.*"}),
        ("find", {"paths": "BASE/state", "get_checksum": True}),
    ],
    ids=str,
)
async def test_a_reading_module_is_refused(
    modules: Ftl2Modules, tmp_path: Path, module: str, params: dict[str, Any], host: str
) -> None:
    filled = {
        key: [one.replace("BASE", str(tmp_path)) for one in value]
        if isinstance(value, list)
        else value.replace("BASE", str(tmp_path))
        if isinstance(value, str)
        else value
        for key, value in params.items()
    }
    result = await modules.run(call_of(modules, module, filled, host=host, fence=fence_of(module, filled)))
    assert not result.success
    assert "it leads to secrets or the database of the service" in (result.error or "")
    assert SECRET not in repr(result)


async def test_a_variable_that_only_the_service_has_is_refused(modules: Ftl2Modules) -> None:
    for name in ("$CREDENTIALS_DIRECTORY/one", "${STATE_DIRECTORY}/loops.db"):
        params = {"src": name}
        result = await modules.run(call_of(modules, "slurp", params, fence=fence_of("slurp", params)))
        assert result.error == f"cannot read {name}: it names a variable of the service's unit"


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/PID/environ", "/proc/1/mem"])
async def test_the_environment_of_a_process_is_refused(modules: Ftl2Modules, path: str) -> None:
    path = path.replace("PID", str(os.getpid()))
    result = await modules.run(call_of(modules, "slurp", {"src": path}, fence=fence_of("slurp", {"src": path})))
    assert result.error == f"cannot read {path}: it is the environment or the memory of a process"


async def test_the_names_next_to_a_file_can_be_listed(modules: Ftl2Modules, tmp_path: Path) -> None:
    params = {"paths": str(tmp_path / "state")}
    result = await modules.run(call_of(modules, "find", params, fence=fence_of("find", params)))
    assert [one["path"] for one in result.output["files"]] == [str(tmp_path / "state" / "loops.db")]


async def test_other_files_are_read(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    params = {"src": str(tmp_path / "plain")}
    assert (await modules.run(call_of(modules, "slurp", params, fence=fence_of("slurp", params)))).success


@pytest.mark.skipif(missing(os.geteuid()) is not None, reason=f"{missing(os.geteuid())}")
async def test_a_command_in_the_sandbox_does_not_find_them(modules: Ftl2Modules, tmp_path: Path) -> None:
    params = {"cmd": f"ls {tmp_path}/secrets | wc -l; cat {tmp_path}/file-link {tmp_path}/state/loops.db"}
    result = await modules.run(call_of(modules, "shell", params, fence=fence_of("shell", params)))
    assert result.stdout.strip() == "0"
    assert SECRET not in repr(result)
