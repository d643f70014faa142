"""A loop's process that is killed: another one continues its work, after growing delays, and not indefinitely."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.clock import seconds_between
from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ListPrompts, ShowLoop
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import daemon
from tests.support.service.effects_oracle import hold_against, manifest, nothing_open, whole_event_log
from tests.support.service.gated_loop import begin, hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = """\
questions:
  - {key: colour, question: "Which colour?", options: [red, blue], default: blue}
steps:"""

LOOP_POINTS = [
    f"{point}#{count}"
    for point, counts in {
        F.LOOP_CLAIMED: [1],
        F.ITERATION_STARTED: [1, 2],
        F.OBSERVATION_DONE: [1, 3],
        # The first time they are recorded with the only question: who dies there does not get to `PROMPT_ASKED`.
        F.OBSERVATIONS_RECORDED: [2, 3],
        F.DECISION_RECORDED: [1, 2],
        F.PROMPT_ASKED: [1],
        F.PROMPT_ANSWERED: [1],
        F.ACTION_STARTED: [1, 2],
        F.ACTION_DONE: [1, 2],
        F.ACTION_RECORDED: [1, 2],
        F.STATE_OPS_DONE: [1],
        F.ITERATION_ENDED: [1, 2],
    }.items()
    for count in counts
]
WRITER_POINTS = [
    f"{FaultPoint.WRITER_TOOK}#5",
    f"{FaultPoint.WRITER_UNIT_DONE}#6",
    f"{FaultPoint.WRITER_COMMITTED}#7",
    f"{FaultPoint.WRITER_ACKNOWLEDGED}#8",
    f"{FaultPoint.BEFORE_COMMIT}#5",
    f"{FaultPoint.AFTER_COMMIT}#6",
]
BY_KIND: dict[str, list[str]] = {
    "the first time in a loop": [point for point in LOOP_POINTS if point.endswith("#1")],
    "later in a loop": [point for point in LOOP_POINTS if not point.endswith("#1")],
    "in the writer": WRITER_POINTS,
}
ONE_BY_ONE = {point: [point] for point in [*LOOP_POINTS, *WRITER_POINTS]}
SETS = ONE_BY_ONE if os.environ.get("FAULT_POINTS") == "each" else BY_KIND
STEPS = 16
"""So many that each process gets to its point."""
IN_FLIGHT = (F.ACTION_STARTED, F.ACTION_DONE)


def test_killed_when_it_begins_to_rest_it_keeps_the_time_of_its_next_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    with daemon(tmp_path, supervisor="restart_delay = 0.01") as service:
        service.start(fault=f"{F.LOOP_RESTING}#1=kill@{tmp_path}/struck")
        service.submit("web", manifest("web", witness, steps=1), mode=Mode.CONTINUOUS, interval=3600.0)
        until((tmp_path / "struck").exists)
        due = service.until_state("web", LoopState.RESTING).next_run_at
        until(lambda: service.call(ShowLoop(loop="web")).process is None)
        loop = service.loop("web")
        assert (loop.state, loop.run, loop.next_run_at, loop.outcome) == (LoopState.RESTING, 1, due, None)
        hold_against(service, "web", witness, steps=1)
        assert service.stop() == 0
        assert nothing_open(service)


@pytest.mark.parametrize("points", SETS.values(), ids=SETS.keys())
def test_killed_at_each_fault_point_it_continues_and_repeats_nothing(tmp_path: Path, points: Sequence[str]) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    fault = ";".join(f"{point}=kill@{tmp_path}/struck-{point}" for point in points)
    with daemon(tmp_path, supervisor="restart_delay = 0.01\nrestart_cap = 0.05\nrestart_limit = 100") as service:
        service.start(fault=fault)
        text = manifest("web", witness, steps=STEPS, before="test {{{{ answers.colour }}}} = red")
        service.submit("web", text.replace("steps:", QUESTION), max_iterations=100)
        (line,) = until(lambda: service.call(ListPrompts()))
        service.call(AnswerPrompt(prompt=line.prompt.id, answer="red"))
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.reason) == (Outcome.CONVERGED, None)
        struck = {each.name.removeprefix("struck-") for each in tmp_path.glob("struck-*")}
        assert struck == set(points), "a point was never reached"
        # What was in flight is not known; everything else is, and is not done again.
        lost = sum(1 for point in points if point.startswith(IN_FLIGHT))
        hold_against(service, "web", witness, steps=STEPS, unknown=lost)
        # An effect whose result is unknown is observed before it would be repeated: it exists once.
        assert len(witness.read_text().splitlines()) == STEPS
        assert nothing_open(service)
        assert whole_event_log(service)
        assert rows(service.run, "SELECT count(*), min(answer) FROM prompts") == [(1, "red")]
        assert done.crashes == len(set(points) & set(LOOP_POINTS))
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def test_each_restart_comes_later_up_to_a_limit_and_at_once_after_a_healthy_run(tmp_path: Path) -> None:
    settings = "restart_delay = 0.05\nrestart_cap = 0.4\nhealthy_after = 1.0\nrestart_limit = 8"
    # Each kill interrupts the action, which counts as an attempt.
    loops = "[loops]\nattempts = 20\nretry_delay = 0.001\n"
    with daemon(tmp_path, supervisor=settings, more=loops) as service:
        service.start()
        gate = tmp_path / "gate"
        witness = tmp_path / "witness"
        witness.touch()
        begun = tmp_path / "begun"
        service.submit("web", manifest("web", witness, steps=1, before=hold(tmp_path)), max_iterations=100)

        def kill(*, after: float) -> None:
            """Once its action has run for so long."""
            shell = until(lambda: begun.exists() and begun.read_text())
            begun.unlink()
            until(lambda: age(int(shell)) > after)
            count = len(service.crashes())
            service.kill("loop:web")
            until(lambda: len(service.crashes()) > count)

        for _ in range(6):
            kill(after=0.0)
        kill(after=1.1)
        found = service.crashes()
        delays = [
            None if each.data["restart_at"] is None else seconds_between(each.at, each.data["restart_at"])
            for each in found
        ]
        # At once, then twice as late each time, and never later than the cap and its jitter.
        assert delays[0] is None
        assert delays[-1] is None, "a healthy run does not count"
        grown = [delay for delay in delays[1:-1] if delay is not None]
        assert len(grown) == 5
        for expected, delay in zip([0.05, 0.1, 0.2, 0.4, 0.4], grown, strict=True):
            assert expected * 0.8 - 0.001 <= delay <= expected * 1.2 + 0.001, delays
        # And it really did not exist before: the next one ended after its time limit.
        for before, after in itertools.pairwise(found):
            assert before.data["restart_at"] is None or after.at >= before.data["restart_at"]
        gate.touch()
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 7)
        hold_against(service, "web", witness, steps=1, unknown=7)
        assert service.stop() == 0


def age(pid: int) -> float:
    """Seconds since the process began."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - ticks / os.sysconf("SC_CLK_TCK")


def test_more_crashes_than_the_limit_fail_the_loop_with_the_reason_and_leave_the_others_alone(tmp_path: Path) -> None:
    settings = "restart_delay = 0.01\nrestart_cap = 0.02\nrestart_limit = 2"
    with daemon(tmp_path, supervisor=settings) as service:
        service.start()
        for name in ("bad", "good"):
            (tmp_path / name).touch()
        service.submit("bad", manifest("bad", tmp_path / "bad", before=hold(tmp_path)))
        service.submit("good", manifest("good", tmp_path / "good"))
        for _ in range(3):
            shot = until(lambda: service.lines()["bad"].pid)
            assert shot is not None
            os.kill(shot, signal.SIGKILL)
            until(lambda shot=shot: service.lines()["bad"].pid != shot)
        failed = service.until_state("bad", LoopState.FAILED)
        assert failed.reason is not None
        assert failed.reason.startswith("its process crashed 3 times")
        assert service.until_state("good", LoopState.COMPLETED).outcome is Outcome.CONVERGED
        hold_against(service, "good", tmp_path / "good", unknown=0)
        assert nothing_open(service)
        assert service.stop() == 0


@pytest.mark.parametrize("stopped", ["control", "writer"])
def test_a_crash_is_counted_once_although_control_dies_before_recording_it(tmp_path: Path, stopped: str) -> None:
    witness, begun, gate = tmp_path / "witness", tmp_path / "begun", tmp_path / "gate"
    witness.touch()
    with daemon(tmp_path) as service:
        service.start()
        begin(service, "web", manifest("web", witness, steps=1, before=hold(tmp_path)), tmp_path)
        pids, loop = service.pids(), service.lines()["web"].pid
        assert loop is not None
        # Control has been notified, and has not read it; or it has submitted it to a writer that does not answer.
        os.kill(pids[stopped], signal.SIGSTOP)
        os.kill(loop, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{loop}").exists())
        os.kill(pids["control"], signal.SIGKILL)
        if stopped == "writer":
            os.kill(pids["writer"], signal.SIGCONT)
        until(lambda: len(begun.read_text().split()) == 2)
        gate.touch()
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
        assert [each.data["pid"] for each in service.crashes()] == [loop]
        hold_against(service, "web", witness, steps=1, unknown=1)
        assert service.stop() == 0


def test_a_hung_loop_is_replaced_and_its_processes_are_killed(tmp_path: Path) -> None:
    witness, begun, gate = tmp_path / "witness", tmp_path / "begun", tmp_path / "gate"
    witness.touch()
    with daemon(tmp_path, supervisor="heartbeat = 0.2\nhung_after = 1.5") as service:
        service.start()
        begin(service, "web", manifest("web", witness, steps=2, before=hold(tmp_path)), tmp_path)
        hung = service.lines()["web"].pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        until(lambda: service.lines()["web"].pid not in {hung, None})
        until(lambda: len(begun.read_text().split()) == 2)
        # Its step did not continue concurrently with that of the next process.
        assert not Path(f"/proc/{begun.read_text().split()[0]}").exists()
        assert [each.data["why"] for each in service.crashes()] == ["hung"]
        gate.touch()
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
        hold_against(service, "web", witness, steps=2, unknown=1)
        assert service.stop() == 0
