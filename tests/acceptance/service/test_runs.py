"""A loop is submitted to the real service, runs in its own process, and converges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import ActionState, Condition, Desired, LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
    DeleteLoop,
    ListActions,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    RunLoopNow,
    StartLoop,
    StopLoop,
)
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.gated_loop import begin, gated
from tests.support.waiting import until

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


def test_health_has_the_socket_and_the_database(service: Daemon) -> None:
    health = service.call(GetHealth())
    assert (health.socket, health.database) == (service.socket, str(service.run.database))


def test_a_submitted_loop_runs_and_converges(service: Daemon, tmp_path: Path) -> None:
    submitted = service.submit("motd", FILE.format(path=tmp_path / "motd"))
    assert (submitted.state, submitted.desired, submitted.managed) == (LoopState.PENDING, Desired.RUN, True)
    loop = service.until_state("motd", LoopState.COMPLETED, LoopState.FAILED)
    assert (loop.outcome, loop.reason) == (Outcome.CONVERGED, None)
    assert (tmp_path / "motd").read_text() == "hello\n"
    assert loop.changed_count == 1


SECOND = """\
  - name: second
    requires: [first]
    check: {{command: "test -e {base}/two"}}
    action: {{module: shell, params: {{cmd: "touch {base}/two"}}}}
"""


@pytest.fixture
def begun(service: Daemon, tmp_path: Path) -> Daemon:
    """The loop `gated` is in the middle of its first step."""
    begin(service, "gated", gated(tmp_path) + SECOND.format(base=tmp_path), tmp_path)
    return service


def test_pause_waits_for_the_current_step_and_resume_continues(begun: Daemon, tmp_path: Path) -> None:
    asked = begun.call(PauseLoop(loop="gated"))
    assert (asked.state, asked.desired) == (LoopState.RUNNING, Desired.PAUSE)
    (tmp_path / "gate").touch()
    paused = begun.until_state("gated", LoopState.PAUSED)
    assert re.fullmatch("paused by [^( ]+", paused.reason or "")
    # The current step was finished, and no other was begun after it.
    assert (tmp_path / "one").exists()
    assert not (tmp_path / "two").exists()
    until(lambda: begun.lines()["gated"].pid is None)
    assert begun.loop("gated").owner is None
    begun.call(ResumeLoop(loop="gated"))
    assert begun.until_state("gated", LoopState.COMPLETED).outcome is Outcome.CONVERGED
    assert states(begun, "gated") == [ActionState.SUCCEEDED, ActionState.SUCCEEDED]


def test_stop_interrupts_the_step_whose_state_is_unknown(begun: Daemon, tmp_path: Path) -> None:
    begun.call(StopLoop(loop="gated"))
    stopped = begun.until_state("gated", LoopState.PAUSED)
    assert stopped.desired is Desired.STOP
    assert states(begun, "gated") == [ActionState.UNKNOWN]
    assert not (tmp_path / "one").exists()
    (tmp_path / "gate").touch()
    begun.call(StartLoop(loop="gated"))
    assert begun.until_state("gated", LoopState.COMPLETED).outcome is Outcome.CONVERGED


def test_a_pause_that_takes_too_long_can_become_a_stop(begun: Daemon) -> None:
    begun.call(PauseLoop(loop="gated"))
    assert begun.call(StopLoop(loop="gated")).state is LoopState.RUNNING
    assert (begun.until_state("gated", LoopState.PAUSED).reason or "").startswith("stopped by ")


def test_cancel_is_permanent(begun: Daemon, tmp_path: Path) -> None:
    begun.call(CancelLoop(loop="gated"))
    (tmp_path / "gate").touch()
    cancelled = begun.until_state("gated", LoopState.CANCELLED)
    assert cancelled.outcome is Outcome.CANCELLED
    assert (cancelled.reason or "").startswith("cancelled by ")
    assert not (tmp_path / "two").exists()
    with pytest.raises(Problem, match=r"cannot start gated: it has ended \(cancelled\)"):
        begun.call(StartLoop(loop="gated"))
    until(lambda: begun.lines()["gated"].pid is None)
    begun.call(DeleteLoop(loop="gated"))
    assert begun.lines() == {}


def test_a_killed_loop_is_restarted_and_its_crash_is_reported(begun: Daemon, tmp_path: Path) -> None:
    (tmp_path / "begun").unlink()
    begun.kill("loop:gated")
    until((tmp_path / "begun").exists)
    (tmp_path / "gate").touch()
    done = begun.until_state("gated", LoopState.COMPLETED)
    assert (done.crashes, done.restart_at) == (1, None)
    assert ActionState.UNKNOWN in states(begun, "gated")
    (fact,) = begun.crashes()
    assert (fact.data["why"], fact.data["told"]) == ("killed", "its process was killed by SIGKILL")


def test_a_loop_that_always_crashes_fails_with_the_reason(tmp_path: Path) -> None:
    settings = "restart_delay = 0.01\nrestart_cap = 0.02\nrestart_limit = 2"
    with daemon(tmp_path, supervisor=settings) as service:
        service.start(fault="loop-claimed=kill")
        service.submit("gated", gated(tmp_path))
        failed = service.until_state("gated", LoopState.FAILED)
        assert failed.outcome is Outcome.FAILED
        assert failed.reason is not None
        assert failed.reason.startswith("its process crashed 3 times")
        assert failed.reason.endswith("last: its process was killed by SIGKILL")
        again = service.call(RetryLoop(loop="gated"))
        assert (again.state, again.crashes, again.reason) == (LoopState.PENDING, 0, None)
        service.until_state("gated", LoopState.FAILED)


INVENTORY = """#!/bin/sh
test -e {switch} || exit 3
echo '{{"all": {{"hosts": ["here"]}}, "_meta": {{"hostvars": {{"here": {{"ansible_connection": "local"}}}}}}}}'
"""


def test_what_cannot_be_read_for_a_while_does_not_end_a_continuous_loop(service: Daemon, tmp_path: Path) -> None:
    inventory, switch, motd = tmp_path / "hosts", tmp_path / "switch", tmp_path / "motd"
    switch.touch()
    inventory.write_text(INVENTORY.format(switch=switch))
    inventory.chmod(0o755)
    for name, mode in (("motd", Mode.CONTINUOUS), ("once", Mode.SINGLE)):
        service.submit(name, FILE.format(path=motd), inventory=str(inventory), mode=mode, interval=3600)
    service.until_state("motd", LoopState.RESTING)
    service.until_state("once", LoopState.COMPLETED)
    switch.unlink()
    motd.unlink()
    service.call(RunLoopNow(loop="motd"))
    until(lambda: service.loop("motd").failures == 1)
    rested = service.until_state("motd", LoopState.RESTING)
    assert rested.reason is not None
    assert rested.reason.startswith(f"cannot read the inventory {inventory}")
    assert (rested.condition, rested.crashes) == (Condition.UNKNOWN, 0)
    assert (rested.next_run_at or 0) > rested.updated_at
    # When it can be read again, nothing has to be done but to wait.
    switch.touch()
    service.call(RunLoopNow(loop="motd"))
    until(motd.exists)
    until(lambda: service.loop("motd").condition is Condition.IN_SYNC)
    until(lambda: service.loop("motd").failures == 0)


def test_a_resting_loop_ends_its_process_and_runs_on_request(service: Daemon, tmp_path: Path) -> None:
    service.submit("motd", FILE.format(path=tmp_path / "motd"), mode=Mode.CONTINUOUS, interval=3600)
    service.until_state("motd", LoopState.RESTING)
    until(lambda: service.lines()["motd"].pid is None)
    (tmp_path / "motd").unlink()
    service.call(RunLoopNow(loop="motd"))
    until((tmp_path / "motd").exists)
    rested = service.until_state("motd", LoopState.RESTING)
    assert rested.run == 2


def test_a_loop_that_rests_briefly_keeps_its_process_and_is_woken(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="rest = 1000") as service:
        service.start()
        service.submit("motd", FILE.format(path=tmp_path / "motd"), mode=Mode.CONTINUOUS, interval=900)
        service.until_state("motd", LoopState.RESTING)
        pid = service.lines()["motd"].pid
        assert pid is not None
        service.call(RunLoopNow(loop="motd"))
        until(lambda: service.loop("motd").run == 2)
        service.until_state("motd", LoopState.RESTING)
        assert service.lines()["motd"].pid == pid
        service.call(PauseLoop(loop="motd"))
        service.until_state("motd", LoopState.PAUSED)


def test_many_loops_share_few_places(tmp_path: Path) -> None:
    names = [f"loop-{n}" for n in range(5)]
    with daemon(tmp_path, supervisor="max_running = 2\nrest = 1000") as service:
        service.start()
        for name in names:
            path = tmp_path / name
            service.submit(name, FILE.format(path=path), mode=Mode.CONTINUOUS, interval=0.3)
        most = 0

        def all_ran() -> bool:
            nonlocal most
            lines = service.lines().values()
            most = max(most, sum(line.pid is not None for line in lines))
            return all(service.loop(name).run >= 2 for name in names)

        until(all_ran)
        assert most == 2


def states(service: Daemon, name: str) -> list[ActionState]:
    return [action.state for action in reversed(service.call(ListActions(loop=name)).actions)]


def test_programs_in_the_working_directory_are_not_executed(tmp_path: Path) -> None:
    """Neither as one of its modules nor as a rule: the directory may belong to another user."""
    for name in ("msgspec", "sqlalchemy", "site", "basic", "anything"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\n")
    with daemon(tmp_path) as made:
        made.start()
        made.submit("motd", FILE.format(path=tmp_path / "motd"))
        made.until_state("motd", LoopState.COMPLETED)
        assert made.stop() == 0
    assert not (tmp_path / "ran").exists()
