"""kill -9 of the supervisor: no process of it is left, and the next one continues where everything was."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import ListActions, ListPrompts
from tests.support.loops.models import fake_claude
from tests.support.processes import process_marks
from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GRACE = 2.0
"""Seconds after which nothing of a dead service is left."""

# Thinks for as long as there is no `gate`, in a process of its own as well; each call leaves a line.
MODEL = """
import subprocess
base = {base!r}
with open(os.path.join(base, "calls"), "a") as calls:
    calls.write("call\\n")
if not os.path.exists(os.path.join(base, "gate")):
    subprocess.run(["sh", "-c", "sleep 1000 & sleep 1000"])
reply(structured_output={{"converged": True, "reasoning": "done"}})
"""
OBSERVES = """\
version: 1
name: observes
steps:
  - name: observe
    check: {{command: "echo observed >> {base}/observed; test -e {base}/gate || sleep 1000"}}
    action: {{module: shell, params: {{cmd: "true"}}}}
"""
ASKS = """\
version: 1
name: asks
questions:
  - {{key: colour, question: "Which colour?", options: [red, blue]}}
steps:
  - name: paint
    check: {{path: {base}/painted}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} > {base}/painted"}}}}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    more = f'[model]\nprovider = "claude"\ncommand = "{program}"\n[loops]\nobservation_timeout = 900\n'
    with daemon(tmp_path, more=more) as made:
        made.start()
        yield made


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_no_process_is_left_and_everything_continues_from_what_is_committed(service: Daemon, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    # Holds in the third step, with its own children.
    wait = f"case s{{step}} in s2) touch {tmp_path}/begun; test -e {tmp_path}/gate || sleep 999 | sleep 999;; esac"
    service.submit("acts", manifest("acts", witness, before=wait))
    service.submit("thinks", "the world is well", observers=[])
    service.submit("observes", OBSERVES.format(base=tmp_path))
    service.submit("asks", ASKS.format(base=tmp_path))
    service.until_state("asks", LoopState.WAITING)
    until(lambda: (tmp_path / "begun").exists() and lines(tmp_path / "calls") and lines(tmp_path / "observed"))
    assert len(process_marks.processes(service.run)) > 12
    service.kill("root")
    killed = time.monotonic()
    assert service.wait() != 0
    assert none_left(service.run, seconds=GRACE)
    assert time.monotonic() - killed < GRACE
    # No process exists to run anything: everything stays as it was committed.
    (tmp_path / "gate").touch()
    service.start()
    for name in ("acts", "thinks", "observes"):
        assert service.until_state(name, LoopState.COMPLETED, LoopState.FAILED).outcome is Outcome.CONVERGED
    hold_against(service, "acts", witness, unknown=1)
    assert lines(witness) == 6
    states = [action.state for action in reversed(service.call(ListActions(loop="acts")).actions)]
    assert states[:3] == [ActionState.SUCCEEDED, ActionState.SUCCEEDED, ActionState.UNKNOWN]
    assert len(service.call(ListPrompts())) == 1
    # The call whose answer was lost is made again, and no other.
    assert lines(tmp_path / "calls") == 2
    assert whole_event_log(service)


def test_repeated_kills_during_the_start_do_no_harm(service: Daemon, tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"witness{n}").touch()
        service.submit(f"loop{n}", manifest(f"loop{n}", tmp_path / f"witness{n}"), max_iterations=100)
    for milliseconds in (0, 150, 300, 500, 700, 900, 1200):
        process = service.process
        assert process is not None
        process.kill()
        process.wait()
        service.spawn()
        time.sleep(milliseconds / 1000)
    until(service.answers)
    for n in range(4):
        done = service.until_state(f"loop{n}", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.reason) == (Outcome.CONVERGED, None)
        hold_against(service, f"loop{n}", tmp_path / f"witness{n}")
    assert nothing_open(service)
    assert whole_event_log(service)
    assert service.stop() == 0
    assert none_left(service.run, seconds=GRACE)


def test_stopped_processes_do_not_outlive_root(service: Daemon, tmp_path: Path) -> None:
    """A process that is halted cannot hear that its parent is gone; the kernel kills it all the same."""
    service.submit("observes", OBSERVES.format(base=tmp_path))
    until(lambda: lines(tmp_path / "observed"))
    pids = service.pids()
    loop = service.lines()["observes"].pid
    assert loop is not None
    for pid in (pids["writer"], pids["forkserver"], loop, pids["control"]):
        os.kill(pid, signal.SIGSTOP)
    os.kill(pids["root"], signal.SIGKILL)
    service.wait()
    assert none_left(service.run, seconds=GRACE)
