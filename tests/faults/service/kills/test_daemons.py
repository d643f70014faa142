"""What an action starts on purpose outlives the loop's process; what is in flight does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import PauseLoop
from tests.support.service.daemon import daemon
from tests.support.service.root_service import is_alive
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version: 1
name: keeper
steps:
  - name: daemon
    check: {{command: "kill -0 $(cat {pidfile})"}}
    action:
      module: shell
      params: {{cmd: "setsid sh -c 'echo $$ > {pidfile}; exec sleep 3000' </dev/null >/dev/null 2>&1 & sleep 0.1"}}
"""
HANGING = """
version: 1
name: hanging
steps:
  - name: never
    check: {{path: {never}}}
    action: {{module: shell, params: {{cmd: "echo $$ > {pidfile}; sleep 3000 & sleep 3000"}}}}
"""


@pytest.fixture
def pidfile(tmp_path: Path) -> Path:
    """Its process ends with the service of the test; a kill after that might end another one with that id."""
    return tmp_path / "pid"


def test_a_daemon_that_an_action_started_outlives_pause_kill_and_stop(tmp_path: Path, pidfile: Path) -> None:
    with daemon(tmp_path, supervisor="rest = 1000") as service:
        service.start()
        service.submit("keeper", MANIFEST.format(pidfile=pidfile), mode=Mode.CONTINUOUS, interval=0.5)
        first = service.until_state("keeper", LoopState.RESTING)
        pid = int(pidfile.read_text())
        old = service.kill("loop:keeper")
        until(lambda: service.lines()["keeper"].pid not in {None, old})
        until(lambda: service.loop("keeper").run > first.run + 1)
        service.call(PauseLoop(loop="keeper"))
        service.until_state("keeper", LoopState.PAUSED)
        until(lambda: service.lines()["keeper"].pid is None)
        assert service.loop("keeper").changed_count == 1, "it was started once, so it was never ended"
        assert service.stop() == 0
        assert is_alive(pid)


@pytest.mark.parametrize("mark", [{}, {"FTL2_MODULE_CALL": "1"}], ids=["by hand", "by an action"])
def test_an_action_in_flight_ends_with_the_process_of_its_loop(
    tmp_path: Path, pidfile: Path, mark: dict[str, str]
) -> None:
    with daemon(tmp_path) as service:
        # The service itself may have been started by an action.
        service.start(env=mark)
        service.submit("hanging", HANGING.format(pidfile=pidfile, never=tmp_path / "never"))
        pid = int(until(lambda: pidfile.exists() and pidfile.read_text()))
        old = service.kill("loop:hanging")
        until(lambda: not is_alive(pid), seconds=5)
        until(lambda: service.lines()["hanging"].pid != old)
