"""A control socket that is removed is created again, and connections stay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.service.effects_oracle import manifest
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.service.daemon import Daemon


def test_a_removed_control_socket_is_bound_again_and_connections_survive(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    pids = service.pids()
    with service.connect() as before:
        Path(service.socket).unlink()
        until(lambda: Path(service.socket).exists())
        service.submit("web", manifest("web", tmp_path / "web"))
        service.until_state("web", LoopState.COMPLETED)
        assert before.call(GetHealth()).ok
    assert service.pids() == pids
    assert f"{service.socket} was removed or replaced, and is bound again" in service.output.read_text()
