"""A freeze while a loop stalls at a fault point: nothing begins later than a second after the freeze is in force.

An independent witness counts: each module call appends the time to a file that only the calls write.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.freeze import Freeze, FreezeScope, Thaw
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.render.loops.exit_status import LoopExit
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.rules import RULED
from tests.support.processes.command import MODULE, Command
from tests.support.processes.process_marks import rows
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

LATEST = 1.0
"""Seconds after the freeze at which an effect may still begin."""
STEP = """
  - name: {name}
    {requires}
    check: {{command: "date +%s.%N >> {base}/effects; test -e {base}/{name}"}}
    action: {{module: shell, params: {{cmd: "date +%s.%N >> {base}/effects; touch {base}/{name}"}}}}
"""
MODEL = """#!/bin/sh
date +%s.%N >> {base}/effects
cat > /dev/null
if test -e {base}/made; then
  answer='{{"converged": true, "reasoning": "made exists"}}'
else
  params='{{"cmd": "date +%s.%N >> {base}/effects; touch {base}/made"}}'
  answer='{{"reasoning": "make it", "actions": [{{"module": "shell", "params": '"$params"'}}]}}'
fi
usage='"usage": {{"input_tokens": 10, "output_tokens": 5}}, "total_cost_usd": 0.01'
printf '{{"type": "result", "subtype": "success", "is_error": false, "result": "", "structured_output": %s, %s}}' \
  "$answer" "$usage"
"""
EVERYTHING = Freeze(id="f1", scope=FreezeScope.ALL, reason="incident", by="ann", since=0)
WITHOUT_GATE = (
    "from ftl2_enterprise.gate import judge\n"
    "judge.holding = lambda *given: None\n"
    "import runpy, sys\n"
    f"runpy.run_module({MODULE!r}, run_name='__main__')\n"
)
"""A program whose gate does not ask for freezes: only a test can make it."""

MANIFEST_POINTS = [
    f"{point}#{number}"
    for point, numbers in {
        F.LOOP_CREATED: [1],
        F.LOOP_CLAIMED: [1],
        F.ITERATION_STARTED: [1, 2],
        F.OBSERVATION_DONE: [1],
        F.OBSERVATIONS_RECORDED: [1],
        F.DECISION_RECORDED: [1],
        F.ACTION_STARTED: [1, 2],
        F.ACTION_DONE: [1],
        F.ACTION_RECORDED: [1],
        F.STATE_OPS_DONE: [1],
        F.ITERATION_ENDED: [1],
        FaultPoint.BEFORE_COMMIT: [3, 5],
        FaultPoint.AFTER_COMMIT: [3, 4, 6],
    }.items()
    for number in numbers
]
RULE_POINTS = [F.RULE_MATCHED, F.RULE_ACTION_STARTED, F.ACTION_STARTED, F.RULE_FIRED]
MODEL_POINTS = [F.MODEL_CALL_STARTED, F.MODEL_ANSWERED, F.DECISION_RECORDED]
CASES = [
    *(("manifest", point) for point in MANIFEST_POINTS),
    *(("rule", str(point)) for point in RULE_POINTS),
    *(("model", str(point)) for point in MODEL_POINTS),
]
BEFORE_EFFECTS = [("manifest", f"{F.ACTION_STARTED}#1"), ("manifest", f"{F.ITERATION_STARTED}#1")]
"""Points directly before an effect, for the negative test."""


def prepared(base: Path, kind: str) -> tuple[Command, list[str]]:
    """The command, and the arguments of a run of that kind."""
    match kind:
        case "manifest":
            steps = [STEP.format(name="one", requires="", base=base)]
            steps.append(STEP.format(name="two", requires="requires: [one]", base=base))
            (base / "manifest.yaml").write_text("version: 1\nname: held\nsteps:\n" + "".join(steps))
            return Command(base), ["-f", str(base / "manifest.yaml")]
        case "rule":
            (base / "rules").mkdir()
            (base / "rules" / "ruled.py").write_text(RULED.format(base=base))
            return Command(base), ["it is ruled", "--decider", "rules", "--rules-dir", str(base / "rules")]
        case _:
            model = base / "model"
            model.write_text(MODEL.format(base=base))
            model.chmod(0o755)
            return Command(base, config=f'[model]\nprovider = "claude"\ncommand = "{model}"\n'), ["make it"]


def effects(base: Path) -> list[float]:
    """When each effect began, in seconds since the epoch."""
    witness = base / "effects"
    return [float(line) for line in witness.read_text().split()] if witness.exists() else []


def is_held(command: Command) -> bool:
    return rows(command, "SELECT count(*) FROM loops WHERE frozen_by = 'f1'") == [(1,)]


def frozen_at(
    base: Path, kind: str, point: str, program: list[str] | None = None
) -> tuple[subprocess.Popen[str], float]:
    """A run that stalls at the point, is frozen there and continues; and when the freeze was in force."""
    command, arguments = prepared(base, kind)
    argv = command.argv("run", *arguments, "--name", "held")
    if program is not None:
        argv = [*program, *argv[argv.index(MODULE) + 1 :]]
    stalled = base / "stalled"
    running = subprocess.Popen(
        argv, env=command.environment(f"{point}=stall@{stalled}"), cwd=base, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    until(stalled.exists, seconds=60)
    FreezeFiles(command.database).add(EVERYTHING)
    frozen = time.time()
    stalled.unlink()
    return running, frozen


@pytest.mark.parametrize(("kind", "point"), CASES)
def test_nothing_begins_after_the_freeze_wherever_the_loop_is(tmp_path: Path, kind: str, point: str) -> None:
    running, frozen = frozen_at(tmp_path, kind, point)
    command = Command(tmp_path, config=(tmp_path / "config.toml").read_text())
    try:
        until(lambda: is_held(command), seconds=60)
        assert [at for at in effects(tmp_path) if at > frozen + LATEST] == []
        assert rows(command, "SELECT count(*) FROM iterations WHERE state <> 'ended'") == [(0,)]
        assert rows(command, "SELECT count(*) FROM actions WHERE state IN ('running', 'proposed')") == [(0,)]
        FreezeFiles(command.database).remove(Thaw(id="f1", by="ann", at=1))
        out, _ = running.communicate(timeout=60)
        assert running.returncode == 0, out
        assert effects(tmp_path)[-1] > frozen
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize(("kind", "point"), BEFORE_EFFECTS)
def test_without_the_check_in_the_gate_the_same_campaign_finds_effects(tmp_path: Path, kind: str, point: str) -> None:
    running, frozen = frozen_at(tmp_path, kind, point, [sys.executable, "-P", "-c", WITHOUT_GATE])
    try:
        until(lambda: any(at > frozen for at in effects(tmp_path)), seconds=60)
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize(
    ("point", "is_frozen"),
    [(FaultPoint.FREEZE_UNFINISHED, False), (FaultPoint.FREEZE_WRITTEN, True)],
)
def test_a_freeze_that_was_interrupted_is_in_force_or_leaves_nothing(
    tmp_path: Path, point: FaultPoint, *, is_frozen: bool
) -> None:
    command = Command(tmp_path)
    assert command.run("init-db").returncode == 0
    died = command.run("freeze", "--all", "--reason", "incident", fault=f"{point}=kill")
    assert died.returncode == -9
    assert bool(FreezeFiles(command.database).in_force()) is is_frozen
    again = command.run("freeze", "--all", "--reason", "incident")
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize(
    ("point", "is_frozen"),
    [(FaultPoint.THAW_WRITTEN, True), (FaultPoint.FREEZE_REMOVED, False)],
)
def test_a_thaw_that_was_interrupted_leaves_the_freeze_or_none(
    tmp_path: Path, point: FaultPoint, *, is_frozen: bool
) -> None:
    command = Command(tmp_path)
    assert command.run("init-db").returncode == 0
    assert command.run("freeze", "--all", "--reason", "incident").returncode == 0
    died = command.run("thaw", "--all", fault=f"{point}=kill")
    assert died.returncode == -9
    assert bool(FreezeFiles(command.database).in_force()) is is_frozen
    assert command.run("thaw", "--all").returncode == (0 if is_frozen else 2)
    assert "nothing is frozen" in command.run("freezes").stdout


def test_a_freeze_that_asks_for_it_interrupts_what_runs(tmp_path: Path) -> None:
    step = STEP.format(name="one", requires="", base=tmp_path).replace("touch", "exec sleep 300 #")
    (tmp_path / "manifest.yaml").write_text("version: 1\nname: held\nsteps:\n" + step)
    command = Command(tmp_path)
    running = command.start("run", "-f", str(tmp_path / "manifest.yaml"), "--name", "held")
    try:
        until(lambda: len(effects(tmp_path)) == 2, seconds=60)
        done = command.run("freeze", "--all", "--now", "--reason", "incident")
        assert done.returncode == 0, done.stderr
        until(lambda: rows(command, "SELECT count(*) FROM loops WHERE frozen_by IS NOT NULL") == [(1,)], seconds=20)
        ((state, error),) = rows(command, "SELECT state, error FROM actions")
        assert state == "unknown"
        assert "interrupted: frozen by" in error
        left = subprocess.run(["pgrep", "-f", f"sleep 300 # {tmp_path}"], capture_output=True, text=True, check=False)
        assert left.stdout == ""
    finally:
        running.kill()
        running.communicate()


def test_a_run_that_is_not_interactive_ends_when_a_freeze_holds_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(
        "version: 1\nname: held\nsteps:\n" + STEP.format(name="one", requires="", base=tmp_path)
    )
    command = Command(tmp_path)
    assert command.run("init-db").returncode == 0
    assert command.run("freeze", "--all", "--reason", "incident").returncode == 0
    done = command.run("run", "-f", str(tmp_path / "manifest.yaml"), "--name", "held", "--non-interactive")
    assert done.returncode == LoopExit.FROZEN, done.stderr
    assert effects(tmp_path) == []
    assert "run --resume held" in done.stdout
    assert command.run("thaw", "--all").returncode == 0
    assert command.run("run", "--resume", "held", "--non-interactive").returncode == 0
    assert (tmp_path / "one").exists()
