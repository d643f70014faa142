"""A freeze while a command runs on a host that is reached over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import FreezeEffects, ThawEffects
from tests.support.processes import sshd
from tests.support.processes.process_marks import rows
from tests.support.processes.survivors import alive, end, mark
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.ssh, pytest.mark.timeout(240)]
# The first time it runs until it is ended, and the second time it succeeds.
MANIFEST = """
version: 1
name: remote
steps:
  - name: one
    host: web
    check: {{path: {base}/one}}
    action:
      module: shell
      params: {{cmd: "if test -e {base}/begun; then touch {base}/one; else touch {base}/begun; sleep {mark}; fi"}}
"""
ACTIONS = "SELECT state, error FROM actions ORDER BY id"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    yield from sshd.running_or_skipped(tmp_path_factory)


def test_now_ends_the_process_on_the_host_and_the_action_is_unknown(tmp_path: Path, server: sshd.Sshd) -> None:
    sleeper = mark()
    inventory = tmp_path / "hosts.yaml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web": server.host_vars()}}}))
    with daemon(tmp_path) as service:
        service.start()
        service.submit("remote", MANIFEST.format(base=tmp_path, mark=sleeper), inventory=str(inventory))
        try:
            until(lambda: alive(f"sleep {sleeper}") or service.loop("remote").state is LoopState.FAILED, seconds=120)
            # Without --now, what has begun continues.
            freeze = service.call(FreezeEffects(scope=FreezeScope.TARGET, of="web", reason="incident")).freeze
            assert alive(f"sleep {sleeper}")
            assert rows(service.run, ACTIONS) == [("running", None)]
            service.call(FreezeEffects(scope=FreezeScope.TARGET, of="web", reason="at once", now=True))
            until(lambda: not alive(f"sleep {sleeper}"))
        finally:
            end(alive(f"sleep {sleeper}"))
        until(lambda: service.loop("remote").frozen_by is not None)
        ((state, error),) = rows(service.run, ACTIONS)
        assert (state, "interrupted: frozen by" in error) == ("unknown", True)
        assert not (tmp_path / "one").exists()
        service.call(ThawEffects(id=freeze.id))
        service.call(ThawEffects(scope=FreezeScope.TARGET, of="web"))
        assert service.until_state("remote", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        assert [state for state, _ in rows(service.run, ACTIONS)] == ["unknown", "succeeded"]
        assert service.stop() == 0
