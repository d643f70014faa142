"""Signals to `run` in each phase: a safe point after the first, now after the second, and nothing left behind."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.models import fake_claude
from tests.support.survivors import alive, until

STOPPED, WAITING = 6, 8

MANIFEST = """
version: 1
name: signals
steps:
  - name: slow
    check: {{path: {base}/slow}}
    action:
      module: shell
      params:
        cmd: |
          echo began >> {base}/effects
          while ! test -e {base}/release; do sleep 0.05; done
          touch {base}/slow
  - name: after
    check: {{path: {base}/after}}
    action: {{module: shell, params: {{cmd: "echo after >> {base}/effects; touch {base}/after"}}}}
"""

QUESTION = """
version: 1
name: asks
questions:
  - {{key: colour, question: "Which colour?"}}
steps:
  - name: colour
    check: {{path: {base}/colour}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} > {base}/colour"}}}}
"""


def members(session: int) -> list[int]:
    """Living processes of the session that `run` was started in."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = entry.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(int(entry.parent.name))
    return found


def hear(run, words: str) -> None:
    """Read what the run says until the words come."""
    for line in run.stdout:
        if words in line:
            return
    raise AssertionError(f"the run ended without saying {words!r}: {run.stderr.read()}")


def rows(command: Command, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(command.database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture
def slow(tmp_path: Path):
    """A run in the middle of its first action."""
    (tmp_path / "manifest.yaml").write_text(MANIFEST.format(base=tmp_path))
    command = Command(tmp_path)
    run = command.start("run", "-f", str(tmp_path / "manifest.yaml"), "--name", "slow", "--non-interactive")
    assert until((tmp_path / "effects").exists, limit=30)
    yield command, run
    run.kill()
    run.communicate()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_action_end_and_the_loop_goes_on_later(tmp_path, slow, sent):
    command, run = slow
    run.send_signal(sent)
    (tmp_path / "release").touch()
    out, err = run.communicate(timeout=30)
    assert run.returncode == STOPPED, out + err
    assert "run --resume slow" in out + err
    assert rows(command, "select state from actions order by n") == [("succeeded",), ("proposed",)]
    assert members(run.pid) == []
    again = command.run("run", "--resume", "slow", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "effects").read_text().split() == ["began", "after"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_action_with_its_whole_tree(tmp_path, slow, sent):
    command, run = slow
    run.send_signal(sent)
    # The second must not arrive before the first is heard: the kernel would make one of them.
    hear(run, "safe point")
    run.send_signal(sent)
    out, err = run.communicate(timeout=30)
    assert run.returncode == STOPPED, out + err
    assert rows(command, "select n, state from actions order by n")[0] == (1, "unknown")
    assert until(lambda: not alive(f"{tmp_path}/release"))
    (tmp_path / "release").touch()
    again = command.run("run", "--resume", "slow", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    # The unknown action was looked at again and found not to have done its work: it ran once more.
    assert (tmp_path / "effects").read_text().split() == ["began", "began", "after"]


def test_a_killed_run_takes_its_action_with_it(tmp_path, slow):
    command, run = slow
    run.kill()
    run.communicate()
    assert until(lambda: not alive(f"{tmp_path}/release"))
    assert rows(command, "select n, state from actions order by n")[0] == (1, "running")


def test_a_stop_while_a_question_is_open_keeps_the_question(tmp_path):
    (tmp_path / "manifest.yaml").write_text(QUESTION.format(base=tmp_path))
    command = Command(tmp_path)
    run = command.run("run", "-f", str(tmp_path / "manifest.yaml"), "--name", "asks")
    assert run.returncode == WAITING, run.stdout + run.stderr
    ((question,),) = rows(command, "select id from prompts where state = 'open'")
    answered = command.run("respond", str(question), "green")
    assert answered.returncode == 0, answered.stderr
    again = command.run("run", "--resume", "asks", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "colour").read_text() == "green\n"


def test_a_stop_while_resting_is_at_once(tmp_path):
    (tmp_path / "manifest.yaml").write_text(MANIFEST.format(base=tmp_path))
    for name in ("slow", "after"):
        (tmp_path / name).touch()
    command = Command(tmp_path)
    arguments = (
        "-f",
        str(tmp_path / "manifest.yaml"),
        "--name",
        "rests",
        "--mode",
        "continuous",
        "--interval",
        "600",
    )
    run = command.start("run", *arguments, "--non-interactive")
    hear(run, "next look in")
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == STOPPED, out + err
    assert time.monotonic() - began < 10
    assert members(run.pid) == []


def test_a_second_signal_during_a_model_call_ends_the_program(tmp_path):
    program = fake_claude(
        tmp_path, f"import pathlib, time\npathlib.Path({str(tmp_path / 'asked')!r}).touch()\ntime.sleep(600)\n"
    )
    command = Command(tmp_path, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\n')
    run = command.start("run", "all is well", "--name", "model", "--non-interactive")
    assert until((tmp_path / "asked").exists, limit=30)
    run.send_signal(signal.SIGINT)
    hear(run, "safe point")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == STOPPED, out + err
    assert rows(command, "select outcome from model_calls") == [("unknown",)]
    assert until(lambda: not alive(program))
