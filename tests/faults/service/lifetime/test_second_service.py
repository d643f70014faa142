"""A second service on the same database is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState
from tests.support.service.effects_oracle import hold_against, manifest
from tests.support.service.gated_loop import hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon


def test_a_second_service_on_the_database_is_refused_wherever_it_would_listen(
    service: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "web").touch()
    service.submit("web", manifest("web", tmp_path / "web", before=hold(tmp_path)))
    until(lambda: service.lines()["web"].pid)
    pids = service.pids()
    refused = {
        (): f"process {pids['root']} of another service listens there",
        ("--socket", str(tmp_path / "other.sock")): f"the service of process {pids['root']} has it",
    }
    for words, message in refused.items():
        second = service.run.run("supervise", *words)
        assert second.returncode == 75, second.stdout + second.stderr
        assert message in second.stderr
        assert "Traceback" not in second.stderr
    assert service.pids() == pids
    (tmp_path / "gate").touch()
    service.until_state("web", LoopState.COMPLETED)
    hold_against(service, "web", tmp_path / "web", unknown=0)
