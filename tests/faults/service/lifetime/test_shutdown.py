"""TERM drains the whole service within its limit, QUIT ends it now, and a second TERM changes nothing."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.loops.models import fake_claude
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SLACK = 4.0
"""Seconds beyond a limit that a busy machine may need."""
LOOPS = 3


def begin(service: Daemon, tmp_path: Path) -> list[Path]:
    """Loops that are in the middle of their first action until there is a gate."""
    witnesses = [tmp_path / f"witness{n}" for n in range(LOOPS)]
    service.start()
    for n, witness in enumerate(witnesses):
        witness.touch()
        wait = f"touch {witness}.begun; until test -e {tmp_path}/gate; do sleep 0.02; done"
        service.submit(f"loop{n}", manifest(f"loop{n}", witness, steps=3, before=wait))
    until(lambda: all(witness.with_name(f"{witness.name}.begun").exists() for witness in witnesses))
    return witnesses


def ended(service: Daemon, number: int, *, within: float) -> float:
    """Send the signal; the seconds until the service has ended with 0 and left nothing."""
    began = time.monotonic()
    service.signal(number)
    assert service.wait(within + SLACK) == 0
    assert none_left(service.run, seconds=0.5)
    return time.monotonic() - began


def all_continue(service: Daemon, tmp_path: Path, witnesses: list[Path], *, unknown: int) -> None:
    """Started again, every loop gets there, and each action that was cut is known as unknown."""
    states = rows(service.run, "SELECT name, state, desired FROM loops ORDER BY name")
    assert states == [(f"loop{n}", states[n][1], Desired.RUN) for n in range(LOOPS)]
    (tmp_path / "gate").touch()
    service.start()
    for n, witness in enumerate(witnesses):
        done = service.until_state(f"loop{n}", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.reason) == (Outcome.CONVERGED, None)
        hold_against(service, f"loop{n}", witness, steps=3, unknown=unknown)
        assert len(witness.read_text().splitlines()) == 3
    assert nothing_open(service)
    assert whole_event_log(service)
    assert service.stop() == 0


def test_term_finishes_the_current_steps_and_begins_no_other(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        witnesses = begin(service, tmp_path)
        service.signal(signal.SIGTERM)
        until(lambda: service.call(GetHealth()).draining)
        # A second one, and one more: none of them is more urgent.
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)
        health = service.call(GetHealth())
        assert health.status.startswith("stopping: 3 running")
        # Requests are answered in the meantime: what would begin work is refused, so that no client waits for it.
        with pytest.raises(Problem, match="the service is stopping"):
            service.submit("late", manifest("late", tmp_path / "late"))
        assert all(witness.read_text() == "" for witness in witnesses)
        (tmp_path / "gate").touch()
        assert service.wait(SLACK) == 0
        assert none_left(service.run, seconds=0.5)
        # The current step is done and known, and no other was begun.
        assert [witness.read_text()[:3] for witness in witnesses] == ["s0 "] * LOOPS
        assert all(len(witness.read_text().splitlines()) == 1 for witness in witnesses)
        assert rows(service.run, "SELECT state, count(*) FROM actions GROUP BY state") == [("succeeded", LOOPS)]
        assert rows(service.run, "SELECT count(*) FROM loops") == [(LOOPS,)]
        service.start()
        for n, witness in enumerate(witnesses):
            assert service.until_state(f"loop{n}", LoopState.COMPLETED).outcome is Outcome.CONVERGED
            hold_against(service, f"loop{n}", witness, steps=3, unknown=0)
        assert service.stop() == 0


def test_sigterm_interrupts_steps_that_exceed_the_limit(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="drain_timeout = 1.0") as service:
        witnesses = begin(service, tmp_path)
        service.signal(signal.SIGTERM)
        took = ended(service, signal.SIGTERM, within=1.0)
        assert took > 0.9, "the second one was more urgent"
        all_continue(service, tmp_path, witnesses, unknown=1)


@pytest.mark.parametrize("drains", [False, True], ids=["at once", "while it drains"])
def test_sigquit_waits_for_no_step(tmp_path: Path, *, drains: bool) -> None:
    with daemon(tmp_path, supervisor="drain_timeout = 300") as service:
        witnesses = begin(service, tmp_path)
        if drains:
            service.signal(signal.SIGTERM)
            until(lambda: service.call(GetHealth()).draining)
        took = ended(service, signal.SIGQUIT, within=0.0)
        print(f"took {took:.2f} s")
        # Interrupted and recorded as such by the loops themselves, which had a moment for it.
        assert rows(service.run, "SELECT DISTINCT state FROM actions") == [("unknown",)]
        all_continue(service, tmp_path, witnesses, unknown=1)


def test_a_model_call_does_not_delay_the_shutdown(tmp_path: Path) -> None:
    base = str(tmp_path)
    body = f"""
open(os.path.join({base!r}, "called"), "a").write("call\\n")
while not os.path.exists(os.path.join({base!r}, "gate")):
    time.sleep(0.02)
reply(structured_output={{"converged": True, "reasoning": "done"}})
"""
    program = fake_claude(tmp_path, body)
    more = f'[model]\nprovider = "claude"\ncommand = "{program}"\n'
    with daemon(tmp_path, supervisor="drain_timeout = 1.0", more=more) as service:
        service.start()
        service.submit("thinks", "the world is well", observers=[])
        until((tmp_path / "called").exists)
        ended(service, signal.SIGTERM, within=1.0)
        (tmp_path / "gate").touch()
        service.start()
        assert service.until_state("thinks", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        assert (tmp_path / "called").read_text().count("call") == 2
        assert nothing_open(service)
        assert service.stop() == 0
