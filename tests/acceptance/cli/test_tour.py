"""The tour: what `make run` shows, in a pipe and on a terminal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from ftl2_enterprise import client
from ftl2_enterprise.protocol.loops.nouns import Condition
from ftl2_enterprise.protocol.loops.verbs import ShowLoop
from ftl2_enterprise.protocol.service.verbs import Shutdown
from tests.support.processes.command import Command
from tests.support.terminal.screen import Screen
from tests.support.waiting import until


def left_running(directory: Path) -> list[str]:
    """Processes that work in the directory."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if where.startswith(str(directory)):
                found.append(f"{entry.name}: {(entry / 'cmdline').read_bytes()!r}")
    return found


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "home").mkdir()
    return Command(tmp_path / "home")


def test_the_tour_ignores_the_database_in_the_environment(command: Command, tmp_path: Path) -> None:
    command.run("init-db")
    before = command.database.read_bytes()
    command.env = {
        "FTL2_ENTERPRISE_STORE_PATH": str(command.database),
        "FTL2_ENTERPRISE_SUPERVISOR_SOCKET": str(tmp_path / "home" / "control.sock"),
        "FTL2_ENTERPRISE_LOG_DIRECTORY": str(tmp_path / "home" / "log"),
    }
    result = command.run("tour", "--directory", str(tmp_path / "scratch"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert command.database.read_bytes() == before
    assert not (tmp_path / "home" / "log").exists()


def test_in_a_pipe_it_converges_drifts_repairs_and_ends(command: Command, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    begun = time.monotonic()
    result = command.run("tour", "--directory", str(scratch))
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - begun < 60
    printed = result.stdout
    assert result.stderr == ""
    assert "\x1b" not in printed
    story = [
        "prompt 1",
        "answered: normal",
        "changed ",
        "converged after",
        "Broken by hand",
        "drift",
        "converged after",
    ]
    story += ["History", "iteration 1 ", "the tour is over"]
    at = 0
    for step in story:
        assert step in printed[at:], f"{step!r} is missing after:\n{printed[:at]}"
        at = printed.index(step, at) + len(step)
    until(lambda: not left_running(scratch), seconds=0.5)
    asked = command.run("--db", str(scratch / "loops.db"), "history", "tour", "--actions", "--json")
    history = json.loads(asked.stdout)
    assert sum(action["changed"] is True for one in history["iterations"] for action in one["actions"]) >= 8
    kinds = [kind for (kind,) in rows(scratch, "select kind from events where kind like 'loop.%' order by id")]
    assert kinds.count("loop.drifted") == 1
    assert kinds.count("loop.converged") >= 2
    assert rows(scratch, "select count(*) from model_calls") == [(0,)]


def rows(scratch: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(scratch / "loops.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def on_a_terminal(command: Command, scratch: Path, *, answer: str) -> Screen:
    """The tour up to the shell that it ends in."""
    argv = command.argv("tour", "--directory", str(scratch))
    screen = Screen(argv, columns=200, rows=60, environment={"HOME": str(command.directory)})
    screen.see("Enter for normal")
    screen.enter(answer)
    screen.see("This is ftl2ctl, the shell", "ftl2ctl>", seconds=60)
    return screen


def test_on_a_terminal_the_user_answers_and_ends_in_the_shell(command: Command, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with on_a_terminal(command, scratch, answer="3") as screen:
        screen.enter("status")
        screen.see("1 loop", "continuous")
        screen.enter("shutdown")
        until(lambda: not (scratch / "control.sock").exists())
        screen.type("\x04")
        assert screen.end() == 0
        assert "Nothing is left running" in screen.text
    until(lambda: not left_running(scratch), seconds=5)
    assert "verbose" in (scratch / "host" / "etc" / "logging.conf").read_text()


def test_the_service_of_the_tour_continues_when_the_user_leaves(command: Command, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with on_a_terminal(command, scratch, answer="") as screen:
        screen.type("\x04")
        assert screen.end() == 0
        assert "the service continues in the background" in screen.text
        # Stop the service, then remove its directory.
        stop, remove = f"--socket {scratch}/control.sock shutdown", f"rm -r {scratch}"
        assert screen.text.index(stop) < screen.text.index(remove)
    with client.connect(str(scratch / "control.sock")) as service:
        (scratch / "host" / "etc" / "service.conf").unlink()
        until((scratch / "host" / "etc" / "service.conf").exists)
        assert service.call(ShowLoop(loop="tour")).loop.condition is not Condition.UNKNOWN
        service.call(Shutdown())
    until(lambda: not (scratch / "control.sock").exists())
    kill_scene(scratch)


def kill_scene(scratch: Path) -> None:
    """What the loop keeps running on its host is not the service's to end."""
    pid = int((scratch / "host" / "run" / "service.pid").read_text())
    os.killpg(pid, signal.SIGKILL)
    until(lambda: not left_running(scratch), seconds=5)


def test_a_tour_that_cannot_finish_fails(command: Command, tmp_path: Path) -> None:
    """The service is kept from running: there is no success to be shown."""
    command.env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "setsid"
    broken.write_text("#!/bin/sh\nexit 0\n")
    broken.chmod(0o755)
    result = command.run("tour", "--directory", str(tmp_path / "scratch"), timeout=110)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "cannot finish the tour" in result.stdout + result.stderr
    assert "the tour is over" not in result.stdout
    until(lambda: not left_running(tmp_path / "scratch"), seconds=0.5)


def test_it_can_be_stopped_and_leaves_nothing_running(command: Command, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    process = command.start("tour", "--directory", str(scratch))
    until((scratch / "host" / "run" / "heartbeat").exists)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, out + err
    until(lambda: not left_running(scratch), seconds=0.5)


def test_a_directory_that_is_not_empty_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "mine").touch()
    result = command.run("tour", "--directory", str(tmp_path / "scratch"))
    assert result.returncode == 2
    assert "it is not empty" in result.stderr
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["mine"]
