"""A loop is submitted to the real service, runs in a process of its own, and gets where it was to get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loop_verbs import CancelLoop, PauseLoop, ResumeLoop
from ftl2_enterprise.protocol.loops import Desired, LoopState, Mode, Outcome
from tests.support.daemon import Daemon, daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = """\
version: 1
name: motd
steps:
  - name: message
    copy: {{content: "hello\\n", dest: "{path}"}}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with daemon(tmp_path) as made:
        made.start()
        yield made
        assert made.stop() == 0


def test_a_submitted_loop_runs_and_converges(service: Daemon, tmp_path: Path) -> None:
    submitted = service.submit("motd", FILE.format(path=tmp_path / "motd"))
    assert (submitted.state, submitted.desired, submitted.managed) == (LoopState.PENDING, Desired.RUN, True)
    loop = service.until_state("motd", LoopState.COMPLETED, LoopState.FAILED)
    assert (loop.outcome, loop.reason) == (Outcome.CONVERGED, None)
    assert (tmp_path / "motd").read_text() == "hello\n"
    assert loop.changed_count == 1
