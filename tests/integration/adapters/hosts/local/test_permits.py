"""What runs modules refuses every call that differs from its permit, and a call that is no longer allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.permits import NotPermitted
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules


@pytest.mark.parametrize(
    "other",
    [
        {"module": "command"},
        {"params": {"cmd": "touch other"}},
        {"params": {}},
        {"host": "here"},
        {"fence": Fence.SANDBOX},
    ],
    ids=str,
)
async def test_another_call_is_refused(modules: Ftl2Modules, tmp_path: Path, other: dict[str, Any]) -> None:
    modules.add_host(HostEntry(name="here", vars={"ansible_connection": "local"}))
    witness = tmp_path / "witness"
    call = call_of(modules, "shell", {"cmd": f"touch {witness}"})
    with pytest.raises(NotPermitted):
        await modules.run(replace(call, **other))
    assert not witness.exists()
    assert (await modules.run(call)).success
    assert witness.exists()


async def test_a_host_with_another_address_is_refused(modules: Ftl2Modules, tmp_path: Path) -> None:
    modules.add_host(HostEntry(name="web", ansible_host="192.0.2.1"))
    call = call_of(modules, "ping", {}, host="web")
    modules.add_host(HostEntry(name="web", vars={"ansible_connection": "local"}))
    with pytest.raises(NotPermitted):
        await modules.run(call)


@pytest.mark.parametrize(
    ("module", "name"),
    [("shell", "cmd"), ("file", "path"), ("copy", "dest"), ("template", "dest"), ("lineinfile", "path")],
)
async def test_a_call_that_is_no_longer_allowed_is_not_sent(
    modules: Ftl2Modules, tmp_path: Path, module: str, name: str
) -> None:
    witness = tmp_path / "witness"
    more: dict[str, dict[str, Any]] = {
        "shell": {"cmd": f"touch {witness}"},
        "file": {"state": "touch"},
        "copy": {"content": "x"},
        "template": {"content": "x"},
        "lineinfile": {"line": "x", "create": True},
    }
    params = {name: str(witness), **more[module]}
    held = await modules.run(call_of(modules, module, params, is_still_allowed=lambda: False))
    assert (held.success, held.held, witness.exists()) == (False, True, False)
    assert (await modules.run(call_of(modules, module, params))).success
    assert witness.exists()
