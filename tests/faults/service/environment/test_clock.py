"""The wall clock jumps under the whole service: what is due still happens, in time and once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import RunLoopNow
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.processes.process_marks import none_left
from tests.support.processes.wall_clock import WallClock, wall_clock
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.service.gated_loop import begin, hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600
SEEN = """\
version: 1
name: {name}
steps:
  - name: observe
    check: {{command: "echo run >> {file}"}}
    action: {{module: shell, params: {{cmd: "true"}}}}
"""


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return wall_clock(tmp_path)


@pytest.fixture
def service(tmp_path: Path, clock: WallClock) -> Iterator[Daemon]:
    # Each loop that rests gives its process back: when it runs again is for the service to know.
    with daemon(tmp_path, supervisor="rest = 0\nhealthy_after = 0.001", more="[loops]\njitter = 0.0\n") as made:
        made.start(env=clock.environment)
        yield made
        assert made.stop() == 0
        assert none_left(made.run, seconds=5)


def observing_loop(service: Daemon, tmp_path: Path, name: str, interval: float) -> Path:
    """A loop that observes again and again and writes a line each time, once it rests."""
    file = tmp_path / f"{name}.runs"
    service.submit(name, SEEN.format(name=name, file=file), mode=Mode.CONTINUOUS, interval=interval)
    until(lambda: rests(service, name))
    return file


def rests(service: Daemon, name: str) -> bool:
    line = service.lines()[name]
    return line.state is LoopState.RESTING and line.pid is None


def runs(file: Path) -> int:
    return len(file.read_text().splitlines())


def later(file: Path, more: int = 2) -> None:
    """Wait until the loop has run that many more times."""
    now = runs(file)
    until(lambda: runs(file) >= now + more)


@pytest.mark.parametrize("seconds", [-HOUR, HOUR, 40 * 365 * 24 * HOUR])
def test_loops_keep_their_interval_and_none_runs_twice(
    service: Daemon, clock: WallClock, tmp_path: Path, seconds: int
) -> None:
    often = observing_loop(service, tmp_path, "often", 1)
    seldom = observing_loop(service, tmp_path, "seldom", 3000)
    later(often, 1)
    until(lambda: rests(service, "often"))
    clock.jump(seconds)
    later(often)
    # An hour later it is due, and once: forty years are no reason to make up for anything.
    assert runs(seldom) == (1 if seconds < 0 else 2)
    until(lambda: rests(service, "often"))
    clock.jump(0)
    later(often)
    assert runs(seldom) == (1 if seconds < 0 else 2)
    # What a person asks for is done whatever the time.
    service.call(RunLoopNow(loop="seldom"))
    until(lambda: runs(seldom) == (2 if seconds < 0 else 3))
    assert whole_event_log(service)
    assert service.call(GetHealth()).ok


def test_loops_start_and_restart_after_the_clock_was_set_back(
    service: Daemon, clock: WallClock, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).touch()
    begin(service, "old", manifest("old", tmp_path / "old", before=hold(tmp_path)), tmp_path)
    clock.jump(-HOUR)
    pid = service.lines()["old"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # It was made in what is the future now, and has the second crash in a row.
    until(lambda: (service.lines()["old"].pid or pid) != pid, seconds=8)
    service.submit("new", manifest("new", tmp_path / "new"))
    assert service.until_state("new", LoopState.COMPLETED, seconds=8).outcome is Outcome.CONVERGED
    (tmp_path / "gate").touch()
    assert service.until_state("old", LoopState.COMPLETED, seconds=8).outcome is Outcome.CONVERGED
    hold_against(service, "old", tmp_path / "old", unknown=1)
    hold_against(service, "new", tmp_path / "new", unknown=0)
    assert nothing_open(service)


def test_a_restart_delay_ends_in_time_although_the_clock_jumps(tmp_path: Path, clock: WallClock) -> None:
    (tmp_path / "web").touch()
    with daemon(tmp_path, supervisor="restart_delay = 1\nrestart_cap = 1") as service:
        service.start(env=clock.environment)
        service.submit("web", manifest("web", tmp_path / "web", before=hold(tmp_path)))
        for _ in range(2):
            pid = until(lambda: service.lines()["web"].pid)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: service.lines()["web"].pid != pid)
        until(lambda: service.lines()["web"].restart_at)
        clock.jump(-HOUR)
        (tmp_path / "gate").touch()
        assert service.until_state("web", LoopState.COMPLETED, seconds=8).outcome is Outcome.CONVERGED
        assert service.stop() == 0


def test_a_service_that_starts_with_an_earlier_clock_continues_every_loop(tmp_path: Path, clock: WallClock) -> None:
    (tmp_path / "old").touch()
    with daemon(tmp_path, supervisor="rest = 0", more="[loops]\njitter = 0.0\n") as service:
        service.start(env=clock.environment)
        often = observing_loop(service, tmp_path, "often", 1)
        begin(service, "old", manifest("old", tmp_path / "old", before=hold(tmp_path)), tmp_path)
        service.kill("root")
        service.wait()
        assert none_left(service.run, seconds=5)
        clock.jump(-HOUR)
        (tmp_path / "gate").touch()
        service.start(env=clock.environment)
        assert service.until_state("old", LoopState.COMPLETED, seconds=8).outcome is Outcome.CONVERGED
        later(often)
        hold_against(service, "old", tmp_path / "old", unknown=1)
        assert service.stop() == 0
