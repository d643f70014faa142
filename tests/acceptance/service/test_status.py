"""What `ftl2ctl` shows of the real service in special situations: waiting, ending and expedited loops."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import ActionState, Desired, LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import ListActions, ListLoops
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.gated_loop import begin, gated
from tests.support.terminal.screen import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def run(service: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ctl("--socket", service.socket, *words), capture_output=True, text=True, timeout=60, check=False, input=""
    )


def printed_by(service: Daemon, *words: str) -> str:
    """What a command writes to both streams, with single spaces."""
    done = run(service, *words)
    return " ".join(f"{done.stdout} {done.stderr}".split())


def test_status_shows_loops_that_wait_for_a_place(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="max_running = 1") as service:
        service.start()
        begin(service, "gated", gated(tmp_path), tmp_path)
        service.submit("second", gated(tmp_path))
        until(lambda: service.lines()["second"].queued is not None)
        assert service.lines()["gated"].queued is None
        shown = "position 1 in the queue: 1 of 1 places taken (supervisor.max_running)"
        assert printed_by(service, "status").startswith("2 loops: 1 queued, 1 running")
        for words in (["status"], ["show", "second"]):
            assert "queued" in printed_by(service, *words)
            assert shown in printed_by(service, *words)
        health = service.call(GetHealth())
        assert (health.counts["running"], health.counts["queued"], health.counts.get("pending")) == (1, 1, None)
        (tmp_path / "gate").touch()
        service.until_state("second", LoopState.COMPLETED)


@pytest.mark.parametrize("words", [["cancel", "--now", "gated"], ["stop", "gated"]])
def test_a_cancel_can_be_expedited(tmp_path: Path, words: list[str]) -> None:
    with daemon(tmp_path) as service:
        service.start()
        begin(service, "gated", gated(tmp_path), tmp_path)
        assert printed_by(service, "cancel", "gated") == "gated: cancelling (after its current step)"
        refused = printed_by(service, "delete", "gated", "--yes")
        assert "cannot delete gated: it is being cancelled" in refused
        assert re.search(r"`ftl2ctl --socket \S+ cancel --now gated` interrupts the step", refused)
        assert printed_by(service, *words) == "gated: cancelling (interrupting its current step)"
        loop = service.until_state("gated", LoopState.CANCELLED, seconds=15)
        assert (loop.outcome, loop.crashes) == (Outcome.CANCELLED, 0)
        (action,) = service.call(ListActions(loop="gated")).actions
        assert action.state is ActionState.UNKNOWN
        until(lambda: service.lines()["gated"].pid is None)
        (tmp_path / "gate").touch()
        assert run(service, "delete", "gated", "--yes").returncode == 0
        # Begun once, and not ended without a trace.
        assert len((tmp_path / "begun").read_text().splitlines()) == 1
        assert not (tmp_path / "one").exists()


def test_status_shows_that_the_service_is_stopping(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        begin(service, "gated", gated(tmp_path), tmp_path)
        (tmp_path / "kept").touch()
        rests = gated(tmp_path, effect="kept")
        service.submit("rests", rests, mode=Mode.CONTINUOUS, interval=3600)
        service.until_state("rests", LoopState.RESTING)
        until(lambda: service.lines()["rests"].pid is None)
        assert "stopping" not in printed_by(service, "status")
        service.signal(signal.SIGTERM)
        until(lambda: service.call(ListLoops()).draining)
        shown = printed_by(service, "status")
        assert shown.startswith("the service is stopping: waiting for 1 loop to finish its current step")
        assert "continues after the next start of the service" in shown
        assert "next check" not in shown
        assert json.loads(run(service, "status", "--json").stdout)["draining"] is True
        shown = printed_by(service, "show", "rests")
        assert "the service is stopping" in shown
        assert "next check" not in shown
        (tmp_path / "gate").touch()
        assert service.wait() == 0


def test_all_loops_are_paused_and_resumed_at_once(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        begin(service, "gated", gated(tmp_path), tmp_path)
        for name in ("second", "third"):
            service.submit(name, gated(tmp_path))
        assert run(service, "pause", "--all").returncode == 0
        assert {line.desired for line in service.lines().values()} == {Desired.PAUSE}
        # A step that a pause waits for is interrupted by a stop.
        assert run(service, "stop", "--all").returncode == 0
        for name in service.lines():
            service.until_state(name, LoopState.PAUSED)
        (tmp_path / "gate").touch()
        shown = run(service, "resume", "--all", "--json").stdout.splitlines()
        assert sorted(json.loads(one)["name"] for one in shown) == ["gated", "second", "third"]
        for name in service.lines():
            service.until_state(name, LoopState.COMPLETED)
