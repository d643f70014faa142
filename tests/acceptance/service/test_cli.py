"""`ftl2-enterprise` around a service: supervise, submit, respond, and what is in its logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.service.verbs import GetHealth, Reload
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.logs.read import last_lines
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MADE = """
version: 1
name: made
steps:
  - name: made
    check: {{path: "{base}/made"}}
    action: {{module: shell, params: {{cmd: "{cmd}"}}}}
"""
ASKS = """
version: 1
name: asks
questions: [{{key: colour, question: "Which colour?", options: [red, blue], default: blue}}]
steps:
  - name: made
    check: {{path: "{base}/made"}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} > {base}/made"}}}}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with daemon(tmp_path) as made:
        yield made


def _manifest(directory: Path, text: str = MADE, cmd: str | None = None) -> str:
    path = directory / "site.yaml"
    path.write_text(text.format(base=directory, cmd=cmd or f"touch {directory}/made"))
    return str(path)


def test_supervise_prints_how_to_reach_it_and_ends_in_order(service: Daemon) -> None:
    service.start()
    printed = service.output.read_text()
    assert f"the service listens on {service.socket}" in printed
    assert str(service.run.database) in printed
    assert f"ftl2ctl --socket {service.socket}" in printed
    assert service.stop() == 0


def test_ctrl_c_ends_the_service_like_sigterm(service: Daemon) -> None:
    service.start()
    assert service.process is not None
    # As a terminal does it: to everybody in the foreground.
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.wait() == 0
    assert "Traceback" not in service.output.read_text()


def test_a_second_service_is_refused_and_the_first_continues(service: Daemon) -> None:
    service.start()
    assert service.process is not None
    refused = service.run.run("supervise")
    assert refused.returncode == 75
    assert "cannot " in refused.stderr
    elsewhere = service.run.run("supervise", "--socket", str(service.directory / "other.sock"))
    assert elsewhere.returncode == 75
    assert f"the service of process {service.process.pid} has it" in elsewhere.stderr
    assert service.answers()


def test_submitted_loops_converge_and_are_logged_once(service: Daemon, tmp_path: Path) -> None:
    service.start()
    submitted = service.run.run("submit", "-f", _manifest(tmp_path), "--json")
    assert submitted.returncode == 0, submitted.stderr
    loop = json.loads(submitted.stdout)
    assert loop["name"] == "site"
    service.until_state("site", LoopState.COMPLETED)
    assert (tmp_path / "made").exists()
    again = service.run.run("submit", "-f", _manifest(tmp_path))
    assert "site-2 submitted" in again.stdout
    log = tmp_path / "log"
    facts = rows(service.run, "SELECT id FROM events WHERE subject = ? ORDER BY id", f"loop:{loop['id']}")

    def logged() -> list[int]:
        lines = last_lines(log, loop_subject(loop["id"]), 1000)
        return [line.fields["event"] for line in lines if "event" in line.fields]

    until(lambda: len(logged()) >= len(facts))
    assert logged() == [fact for (fact,) in facts]
    assert path_of(log, loop_subject(loop["id"])).stat().st_mode & 0o777 == 0o640


def test_each_fact_is_logged_once_although_control_is_killed(service: Daemon, tmp_path: Path) -> None:
    service.start()
    for n in range(4):
        path = tmp_path / f"m{n}.yaml"
        path.write_text(
            MADE.format(base=tmp_path / f"d{n}", cmd=f"mkdir -p {tmp_path}/d{n} && touch {tmp_path}/d{n}/made")
        )
        assert service.run.run("submit", "-f", str(path)).returncode == 0
        service.kill("control")
        until(service.answers)
    for n in range(4):
        service.until_state(f"m{n}", LoopState.COMPLETED)
    for loop_id in range(1, 5):
        facts = [
            fact
            for (fact,) in rows(service.run, "SELECT id FROM events WHERE subject = ? ORDER BY id", f"loop:{loop_id}")
        ]

        def logged(loop_id: int = loop_id) -> list[int]:
            lines = last_lines(tmp_path / "log", loop_subject(loop_id), 1000)
            return [line.fields["event"] for line in lines if "event" in line.fields]

        until(lambda facts=facts, logged=logged: len(logged()) >= len(facts))
        assert logged() == facts


def test_prompts_are_answered_through_the_service_and_without_one(service: Daemon, tmp_path: Path) -> None:
    service.start()
    assert service.run.run("submit", "-f", _manifest(tmp_path, ASKS)).returncode == 0
    service.until_state("site", LoopState.WAITING)
    wrong = service.run.run("respond", "1", "green")
    assert wrong.returncode == 2
    assert "error: cannot" in wrong.stderr
    answered = service.run.run("respond", "1", "blue")
    assert "answered: blue" in answered.stdout
    service.until_state("site", LoopState.COMPLETED)
    assert (tmp_path / "made").read_text() == "blue\n"
    again = service.run.run("respond", "1", "red")
    assert again.returncode == 75
    (tmp_path / "made").unlink()
    assert service.run.run("submit", "-f", _manifest(tmp_path, ASKS), "--name", "later").returncode == 0
    service.until_state("later", LoopState.WAITING)
    assert service.stop() == 0
    answered = service.run.run("respond", "2", "1")
    assert "answered: red" in answered.stdout
    assert "continues when its service is started" in answered.stdout
    service.start()
    service.until_state("later", LoopState.COMPLETED)
    assert (tmp_path / "made").read_text() == "red\n"


def test_a_credential_reaches_the_module_and_nothing_else(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "ftl2.deploy").write_text("hunter2hunter2\n")
    traceback_logged = tmp_path / "environment"
    manifest = _manifest(tmp_path, cmd=f"env > {traceback_logged}; touch {tmp_path}/made; echo $GREETING; exit 3")
    service.start(env={"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    submitted = service.run.run("submit", "-f", manifest, "-s", "shell.stdin=credential:ftl2.deploy")
    assert submitted.returncode == 0, submitted.stderr
    service.until_state("site", LoopState.COMPLETED, LoopState.FAILED)
    variables = traceback_logged.read_text()
    assert "CREDENTIALS_DIRECTORY" not in variables
    assert "hunter2" not in variables
    service.stop()
    for path in tmp_path.rglob("*"):
        if path.is_file() and "credentials" not in path.parts:
            assert b"hunter2hunter2" not in path.read_bytes(), path


def test_an_internal_error_is_shown_as_an_id_and_logged_in_full(service: Daemon, tmp_path: Path) -> None:
    service.start(fault="action-started=raise")
    assert service.run.run("submit", "-f", _manifest(tmp_path)).returncode == 0
    loop = service.until_state("site", LoopState.FAILED)
    assert loop.reason is not None
    crash_id = loop.reason.removeprefix("internal error ")
    assert len(crash_id) == 8

    def traceback_logged() -> str | None:
        lines = last_lines(tmp_path / "log", loop_subject(loop.id), 1000)
        return next((str(one.fields["traceback"]) for one in lines if one.fields.get("crash") == crash_id), None)

    assert "Traceback (most recent call last)" in str(until(traceback_logged))


def test_the_service_of_a_database_is_found_by_the_database(service: Daemon, tmp_path: Path) -> None:
    service.start()
    service.run.config = ""
    submitted = service.run.run("submit", "-f", _manifest(tmp_path))
    assert submitted.returncode == 0, submitted.stderr
    service.until_state("site", LoopState.COMPLETED)


def test_an_invalid_configuration_does_not_stop_a_running_service(service: Daemon, tmp_path: Path) -> None:
    service.start()
    good = service.run.config
    service.run.config = "[loops\n"
    assert service.run.run("config", "show").returncode == 2
    for name in ("control", "writer"):
        killed = service.kill(name)

        def is_another(name: str = name, killed: int = killed) -> bool:
            with contextlib.suppress(Problem):
                return service.pids().get(name, killed) != killed
            return False

        until(is_another)
    service.submit("made", (tmp_path / _manifest(tmp_path)).read_text())
    service.until_state("made", LoopState.COMPLETED)
    assert "the settings cannot be read" in path_of(tmp_path / "log", "").read_text()
    # Control, which read them, reports that until they are corrected and loaded again.
    (problem,) = until(lambda: service.call(GetHealth()).problems)
    assert problem.startswith("the settings cannot be read, and those of the start are in force: ")
    service.run.config = good
    assert service.run.run("config", "show").returncode == 0
    service.call(Reload())
    assert service.answers()


@pytest.mark.parametrize("words", [["submit", "x is so"], ["worker", "--poll-interval", "5"]])
def test_without_a_service_the_message_explains_how_to_start_one(service: Daemon, words: list[str]) -> None:
    refused = service.run.run(*words)
    assert refused.returncode == (69 if words[0] == "submit" else 2)
    assert "systemctl start ftl2-enterprise" in refused.stderr
    assert "supervise" in refused.stderr


def test_invalid_settings_are_refused_before_anything_is_created(service: Daemon) -> None:
    service.run.creates_database = True
    service.run.config += "\n[limits]\nmemory = 'much'\n"
    refused = service.run.run("supervise")
    assert refused.returncode == 2
    assert "limits.memory" in refused.stderr
    assert not service.run.database.exists()
