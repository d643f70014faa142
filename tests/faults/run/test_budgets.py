"""kill -9 around the reservation, the call and the settlement of a model call: never over the budget, never free."""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from tests.support.loops.models import fake_claude
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
with open({base!r} + "/charged", "a") as file:
    file.write("charged\\n")
made = os.path.exists({base!r} + "/made")
action = {{"module": "command", "params": {{"cmd": "touch " + {base!r} + "/made"}}}}
act = {{"reasoning": "make it", "actions": [action]}}
value = {{"converged": True, "reasoning": "made exists"}} if made else act
reply(result="", structured_output=value, usage={{"input_tokens": 10, "output_tokens": 5}}, total_cost_usd=0.01)
"""
"""Each run costs a cent, which it records itself before it answers."""
CENT = 10_000
BOUND = 10 * CENT
"""What a call reserves."""
EXIT_BLOCKED = 3


def command(tmp_path: Path, more: str = "") -> Command:
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    config = f'[model]\nprovider = "claude"\ncommand = "{program}"\nmax_call_cost = 0.10\n{more}'
    return Command(tmp_path, config=config)


def one(found: Command, query: str) -> int:
    connection = sqlite3.connect(found.database)
    try:
        return connection.execute(query).fetchone()[0]
    finally:
        connection.close()


def counted(found: Command) -> int:
    return one(found, "SELECT cost FROM model_spending WHERE scope LIKE 'loop:%'")


def charged(tmp_path: Path) -> int:
    path = tmp_path / "charged"
    return CENT * len(path.read_text().split()) if path.exists() else 0


def killed(found: Command, fault: str, max_cost: str) -> None:
    died = found.run(
        "run", "make it", "--name", "spender", "--non-interactive", "--max-cost", max_cost, fault=f"{fault}=kill"
    )
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr


POINTS = [f"{F.MODEL_CALL_STARTED}#1", f"{F.MODEL_ANSWERED}#1", f"{F.MODEL_CALL_STARTED}#2", f"{F.MODEL_ANSWERED}#2"]
COMMITS = [f"{point}#{n}" for point in (FaultPoint.BEFORE_COMMIT, FaultPoint.AFTER_COMMIT) for n in range(5, 9)]


@pytest.mark.parametrize("fault", POINTS)
def test_a_call_whose_process_was_killed_counts_as_reserved(tmp_path: Path, fault: str) -> None:
    found = command(tmp_path)
    killed(found, fault, "0.30")
    before = counted(found)
    assert before >= BOUND
    assert charged(tmp_path) <= before
    again = found.run("run", "--resume", "spender", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    # The lost call stays reserved; each other call costs what it reported.
    calls, lost = (
        one(found, f"SELECT count(*) FROM model_calls WHERE outcome {word}") for word in (">''", "= 'unknown'")
    )
    assert lost == 1
    assert counted(found) == BOUND + (calls - 1) * CENT
    assert charged(tmp_path) <= counted(found) <= 3 * BOUND


@pytest.mark.parametrize("fault", [*POINTS[:2], *COMMITS])
def test_a_budget_that_is_reserved_by_a_lost_call_allows_no_other_call(tmp_path: Path, fault: str) -> None:
    found = command(tmp_path)
    killed(found, fault, "0.10")
    again = found.run("run", "--resume", "spender", "--non-interactive")
    assert charged(tmp_path) <= counted(found) <= BOUND
    if one(found, "SELECT count(*) FROM model_calls WHERE outcome = 'unknown'"):
        assert again.returncode == EXIT_BLOCKED, again.stdout + again.stderr
        assert "0.10 USD of the 0.10 USD of this loop are used or reserved" in again.stdout + again.stderr


def test_a_loop_that_is_killed_while_it_waits_for_its_turn_continues(tmp_path: Path) -> None:
    found = command(tmp_path, "rate = 1\n")
    killed(found, f"{F.MODEL_CALL_QUEUED}#1", "1.00")
    assert one(found, "SELECT count(*) FROM model_waits") == 1
    found.config = found.config.replace("rate = 1\n", "")
    again = found.run("run", "--resume", "spender", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert one(found, "SELECT count(*) FROM model_waits") == 0
    assert counted(found) == charged(tmp_path) == 2 * CENT
