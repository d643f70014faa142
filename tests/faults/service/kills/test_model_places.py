"""Loops of the service that call a model at the same time: places, order, a killed loop, a provider that is down."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop
from tests.support.loops.models import fake_claude
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

LOOPS = int(os.environ.get("FAULT_MODEL_LOOPS", "12"))
PARALLEL = 3
MODEL = """
import fcntl
base = {base!r}
def note(change):
    with open(base + "/calls", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(change + "\\n")
note("+")
while not os.path.exists(base + "/answer"):
    time.sleep(0.02)
time.sleep(0.05)
note("-")
if os.path.exists(base + "/down"):
    print(json.dumps({{"type": "result", "subtype": "success", "is_error": True, "api_error_status": 529,
                      "result": "overloaded", "total_cost_usd": 0}}))
    sys.exit(1)
reply(result="", structured_output={{"converged": True, "reasoning": "all well"}},
      usage={{"input_tokens": 10, "output_tokens": 5}}, total_cost_usd=0.01)
"""
"""Records when it begins and ends. It answers when the file `answer` exists, and fails while `down` does."""


def settings(tmp_path: Path, more: str) -> str:
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    return f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n{more}'


def in_flight(tmp_path: Path) -> list[int]:
    """The number of calls in flight after each beginning and end."""
    path = tmp_path / "calls"
    found, now = list[int](), 0
    for line in path.read_text().split() if path.exists() else ():
        now += 1 if line == "+" else -1
        found.append(now)
    return found


def reasons(service: Daemon) -> list[str]:
    return [str(line.model_wait.reason) for line in service.call(ListLoops()).loops if line.model_wait is not None]


@pytest.mark.timeout(180)
def test_loops_that_drift_together_call_the_model_in_turn(tmp_path: Path) -> None:
    with daemon(tmp_path, more=settings(tmp_path, f"parallel = {PARALLEL}\n")) as service:
        service.start()
        for n in range(LOOPS):
            service.submit(f"loop-{n}", "all is well", mode=Mode.SINGLE, observers=[])
        until(lambda: len(in_flight(tmp_path)) == PARALLEL)
        until(lambda: reasons(service) == ["places"] * (LOOPS - PARALLEL))
        (tmp_path / "answer").touch()
        until(lambda: {line.state for line in service.call(ListLoops(finished=True)).loops} == {LoopState.COMPLETED})
        seen = in_flight(tmp_path)
        assert (max(seen), seen[-1], len(seen)) == (PARALLEL, 0, 2 * LOOPS)
        # The loops begin in the order in which they asked.
        order = rows(service.run, "SELECT loop_id FROM model_calls ORDER BY id")
        waited = rows(
            service.run,
            "SELECT substr(subject, 6) + 0 FROM events WHERE kind = 'model.queued' ORDER BY id",
        )
        assert order[PARALLEL:] == waited
        assert rows(service.run, "SELECT count(*) FROM model_waits") == [(0,)]
        assert service.stop() == 0


@pytest.mark.timeout(180)
def test_the_place_of_a_killed_loop_goes_to_the_next_one(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor="restart_delay = 60", more=settings(tmp_path, "parallel = 1\n")) as service:
        service.start()
        service.submit("first", "all is well", mode=Mode.SINGLE, observers=[])
        until(lambda: in_flight(tmp_path) == [1])
        service.submit("second", "all is well", mode=Mode.SINGLE, observers=[])
        until(lambda: reasons(service) == ["places"])
        shown = service.call(ShowLoop(loop="first")).process
        assert shown is not None
        assert shown.pid is not None
        os.kill(shown.pid, signal.SIGKILL)
        # It is restarted at once the first time, and asks behind the other one.
        until(lambda: len(in_flight(tmp_path)) >= 2)
        (tmp_path / "answer").touch()
        service.until_state("second", LoopState.COMPLETED)
        service.until_state("first", LoopState.COMPLETED)
        calls = rows(service.run, "SELECT outcome FROM model_calls ORDER BY id")
        assert calls == [("unknown",), ("ok",), ("ok",)]
        assert service.stop() == 0


@pytest.mark.timeout(180)
def test_a_loop_that_is_killed_in_the_queue_blocks_no_other_one(tmp_path: Path) -> None:
    fault = f"{F.MODEL_CALL_QUEUED}#1=kill@{tmp_path}/struck"
    with daemon(tmp_path, supervisor="restart_delay = 60", more=settings(tmp_path, "parallel = 1\n")) as service:
        service.start(fault=fault)
        service.submit("first", "all is well", mode=Mode.SINGLE, observers=[])
        until(lambda: in_flight(tmp_path) == [1])
        service.submit("second", "all is well", mode=Mode.SINGLE, observers=[])
        until((tmp_path / "struck").exists)
        service.submit("third", "all is well", mode=Mode.SINGLE, observers=[])
        (tmp_path / "answer").touch()
        for name in ("first", "third", "second"):
            service.until_state(name, LoopState.COMPLETED)
        assert max(in_flight(tmp_path)) == 1
        assert service.stop() == 0


@pytest.mark.timeout(180)
def test_a_provider_that_is_down_is_tried_by_one_call_and_loops_wait_for_it(tmp_path: Path) -> None:
    (tmp_path / "answer").touch()
    (tmp_path / "down").touch()
    more = settings(tmp_path, "breaker_failures = 2\nbreaker_pause = 2\nbreaker_cap = 2\n")
    with daemon(tmp_path, more=more) as service:
        service.start()
        for name in ("one", "two"):
            service.submit(name, "all is well", mode=Mode.SINGLE, observers=[])
            service.until_state(name, LoopState.FAILED)
        for n in range(4):
            service.submit(f"late-{n}", "all is well", mode=Mode.SINGLE, observers=[])
        until(lambda: "unavailable" in reasons(service))
        assert rows(service.run, "SELECT state FROM model_providers") in ([("open",)], [("half_open",)])
        (tmp_path / "down").unlink()
        until(lambda: rows(service.run, "SELECT state FROM model_providers") == [("closed",)])
        until(lambda: not reasons(service))
        states = {line.name: line.state for line in service.call(ListLoops(finished=True)).loops}
        # At most the loops whose calls were probes of the provider that was down have failed.
        assert sum(states[f"late-{n}"] is LoopState.COMPLETED for n in range(4)) >= 1
        failed = rows(service.run, "SELECT count(*) FROM model_calls WHERE outcome = 'failed'")[0][0]
        assert failed == 2 + sum(states[f"late-{n}"] is LoopState.FAILED for n in range(4))
        assert service.stop() == 0
