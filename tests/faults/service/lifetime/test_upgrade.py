"""`ftl2ctl upgrade` under loops at work: every loop is kept, nothing is repeated, and nothing is lost."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome
from ftl2_enterprise.protocol.service.verbs import GetHealth, Upgrade
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.terminal.screen import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

LOOPS = 5
STEPS = 4
UPGRADES = 2


def upgraded(service: Daemon) -> None:
    """Ask for it as a person does, and wait until each process of the supervisor is another one."""
    before = service.pids()
    asked = subprocess.run(ctl("--socket", service.socket, "upgrade"), capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr

    def anew() -> bool:
        now = service.pids()
        assert now["root"] == before["root"], "it is the same process, executed anew"
        names = ("control", "writer", "forkserver")
        return all(now.get(name, before[name]) != before[name] for name in names)

    until(anew, seconds=60)
    until(service.answers)


def test_every_loop_is_kept_and_nothing_is_repeated(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="rest = 1000") as service:
        service.start()
        witnesses = {f"loop{n}": tmp_path / f"witness{n}" for n in range(LOOPS)}
        for name, witness in witnesses.items():
            witness.touch()
            # Each step is held until there is a gate for it, so that every upgrade finds loops in a step.
            gate = f"touch {witness}.s{{step}}; until test -e {tmp_path}/gate{{step}}; do sleep 0.02; done"
            service.submit(name, manifest(name, witness, steps=STEPS, before=gate))
        rests = "version: 1\nname: rests\nsteps:\n  - {name: observe, check: {path: /}, action: {module: ping}}\n"
        service.submit("rests", rests, mode=Mode.CONTINUOUS, interval=900)
        service.until_state("rests", LoopState.RESTING)
        for step in range(STEPS):
            until(lambda step=step: all(w.with_name(f"{w.name}.s{step}").exists() for w in witnesses.values()))
            if step in range(1, 1 + UPGRADES):
                at_work = {name: service.lines()[name].pid for name in witnesses}
                upgraded(service)
                # A step takes as long as it takes: the same processes are at it.
                assert {name: service.lines()[name].pid for name in witnesses} == at_work
            (tmp_path / f"gate{step}").touch()
        for name, witness in witnesses.items():
            done = service.until_state(name, LoopState.COMPLETED, LoopState.FAILED)
            assert (done.outcome, done.reason, done.crashes) == (Outcome.CONVERGED, None, 0)
            hold_against(service, name, witness, steps=STEPS, unknown=0)
            assert len(witness.read_text().splitlines()) == STEPS
        assert service.loop("rests").run == 1
        assert rows(service.run, "SELECT count(*) FROM events WHERE kind = 'loop.crashed'") == [(0,)]
        assert nothing_open(service)
        assert whole_event_log(service)
        assert service.call(GetHealth()).ok
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def test_kills_during_an_upgrade_do_no_harm(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        witness = tmp_path / "witness"
        witness.touch()
        service.submit("web", manifest("web", witness, before="sleep 0.2"), max_iterations=100)
        for name in ("forkserver", "control", "writer"):
            service.call(Upgrade())
            service.kill(name)
            until(service.answers)
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.reason) == (Outcome.CONVERGED, None)
        hold_against(service, "web", witness)
        assert len(witness.read_text().splitlines()) == 6
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
