"""Which process is hung: one of which no thread runs any more, and not one that is blocked by its work."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Outcome
from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

HUNG_AFTER = 1.5
BLOCKED = 5
MANIFEST = """\
version: 1
name: web
steps:
  - name: make it
    check: {path: %(made)s}
    action: {module: shell, params: {cmd: touch %(made)s}}
"""


def run(service: Daemon, fault: str) -> None:
    """Submit a loop whose process blocks at the beginning of its first action, and wait until it has begun that."""
    service.start(fault=f"action-started={fault}@{service.directory / 'begun'}")
    service.submit("web", MANIFEST % {"made": service.directory / "made"}, decider="manifest")
    until((service.directory / "begun").exists)
    assert service.loop("web").state is LoopState.RUNNING


def over(service: Daemon) -> Loop:
    return service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)


def test_a_loop_whose_event_loop_is_blocked_is_not_hung(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor=f"heartbeat = 0.2\nhung_after = {HUNG_AFTER}") as service:
        run(service, f"stall:{BLOCKED}")
        begun = time.monotonic()
        pid = service.lines()["web"].pid
        assert pid is not None
        done = over(service)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 0)
        assert time.monotonic() - begun >= 2 * HUNG_AFTER
        assert service.crashes() == []
        assert "sent no heartbeat" not in service.output.read_text()
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def test_a_stopped_loop_process_is_hung_and_replaced(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor=f"heartbeat = 0.2\nhung_after = {HUNG_AFTER}") as service:
        run(service, "stall")
        pid = service.lines()["web"].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        done = over(service)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
        assert [each.data["why"] for each in service.crashes()] == ["hung"]
        assert "sent no heartbeat" in service.output.read_text()
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
