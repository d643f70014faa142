"""Signals to `ftl2-enterprise run`, and a second process for the same loop."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal.cli_runs import MAKE, ended, lines_until, manifest
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.processes.command import Command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_resting_loop_which_can_be_resumed(
    command: Command, tmp_path: Path, number: signal.Signals
) -> None:
    """A stop is no failure."""
    process = command.start("run", "-f", manifest(tmp_path, MAKE), "--mode", "continuous", "--interval", "60")
    lines_until(process, "next check in")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, out + err
    assert "stopping at the next safe point" in out
    assert "paused: loop made" in out
    assert "run --resume made" in out
    assert "Traceback" not in err
    assert "paused" in ended(command.run("status"), 0)
    again = command.start("run", "--resume", "made")
    try:
        lines_until(again, "next check in")
    finally:
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=30)
    assert again.returncode == 6


def test_a_second_signal_stops_an_action_now(command: Command, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = command.start("run", "-f", manifest(tmp_path, "echo $$ > {base}/pid; exec sleep 600"))
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    process.send_signal(signal.SIGINT)
    lines_until(process, "a second signal stops now")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, out + err
    assert "UNKNOWN   shell on localhost" in out
    until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())


def test_two_processes_never_run_one_loop(command: Command, tmp_path: Path) -> None:
    process = command.start("run", "-f", manifest(tmp_path, MAKE), "--mode", "continuous", "--interval", "60")
    try:
        lines_until(process, "next check in")
        printed = ended(command.run("run", "--resume", "made"), 75)
        assert f"process {process.pid} is running it" in printed
        assert "decided by" not in printed
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_killed_run_is_shown_as_interrupted(command: Command, tmp_path: Path) -> None:
    died = command.run("run", "-f", manifest(tmp_path, MAKE), fault="action-started=kill")
    assert died.returncode == -signal.SIGKILL
    shown = ended(command.run("status"), 0)
    assert "interrupted" in shown
    assert "run --resume made" in shown
    ended(command.run("run", "--resume", "made"), 0)
    assert "UNKNOWN" in ended(command.run("history", "made", "--actions"), 0)
