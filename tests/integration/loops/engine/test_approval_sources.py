"""An approval is for the content of the file that was to be written, also where the difference does not show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.decision import ActionSpec
from tests.support.loops.approving import ALICE, approve, asking, decider, latest, ran, world
from tests.support.loops.engine import ok

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("is_swapped", [True, False])
async def test_another_content_of_the_same_size_is_not_written(tmp_path: Path, mode: int, is_swapped: bool) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\0 one")
    source.chmod(mode)
    actions = [ActionSpec(module="copy", params={"dest": "/etc/a", "src": str(source)})]
    modules = world()

    def write(call: ModuleCall) -> ModuleResult:
        modules.world["done"] = True
        return ok(changed=True)

    modules.handlers["copy"] = write
    with asking(tmp_path, decider(actions), modules=modules) as b:
        await b.run()
        if is_swapped:
            source.write_bytes(b"\0 two")
        approve(b, ALICE)
        first = latest(b).id
        await b.run()
        assert ran(b) == ([] if is_swapped else ["copy"])
        if is_swapped:
            assert latest(b).id != first
