"""Bad input, missing and unreadable files: one sentence on standard error, and the documented exit status."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.processes.command import MODULE, Command
from tests.support.terminal.cli_runs import MAKE, ended, manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "cannot find a command 'rnu'"),
        (["run", "--max-iteration", "3", "x"], "--max-iterations"),
        (["run", "x", "--max-iterations", "0"], "--max-iterations"),
        (["run", "x", "--mode", "forever"], "forever"),
        (["run"], "cannot take a desired state: none was given"),
        (["run", "x", "-f", "y"], "cannot take a desired state: two were given"),
        (["run", " "], "cannot take an empty desired state"),
        (["run", "-f", "absent.txt"], "cannot read absent.txt: there is no such file"),
        (["run", "absent.yaml"], "cannot read absent.yaml: there is no such file"),
        (["run", "x", "--name", "12"], "cannot name a loop '12'"),
        (["run", "x", "-i", "absent-hosts.yaml"], "absent-hosts.yaml"),
        (["run", "x", "--policy", "absent-policy.yaml"], "absent-policy.yaml"),
        (["run", "x", "-s", "nonsense"], "write MODULE.PARAM=ENV_VAR"),
        (["run", "x"], "neither a model nor rules are configured"),
        (["run", "x", "--decider", "claude", "--json"], "cannot"),
        (["run", "--resume", "web", "--policy", "p"], "cannot use --policy together with --resume"),
        (["respond", "0", "x"], "cannot take 0 for PROMPT_ID"),
        (["history"], "cannot run `history` without LOOP"),
        (["--confg", "x", "status"], "did you mean --config?"),
        (["run", "x", "--json=yes"], "cannot take a value for --json"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    command: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    command.creates_database = True
    command.config = '[model]\ncommand = "/absent/claude"\n'
    result = command.run(*arguments)
    shown = ended(result, 2)
    assert result.stderr.startswith("error: cannot ")
    assert words in shown
    assert not command.database.exists()


@pytest.mark.parametrize(
    "arguments", [["status"], ["history", "x"], ["prompts"], ["respond", "1", "x"], ["run", "--resume", "x"]]
)
def test_a_missing_database_is_named_with_a_remedy(command: Command, arguments: list[str], tmp_path: Path) -> None:
    command.creates_database = True
    shown = ended(command.run(*arguments), 2)
    assert f"cannot open the database {command.database}: it does not exist" in shown
    assert f"{MODULE} --db {command.database} --config {tmp_path / 'config.toml'} init-db`" in shown
    assert not command.database.exists()


def test_an_unknown_loop_or_question_is_an_error(command: Command, tmp_path: Path) -> None:
    ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--name", "frontend"), 0)
    assert 'did you mean "frontend"?' in ended(command.run("history", "frontned"), 2)
    assert "cannot find the prompt 99" in ended(command.run("respond", "99", "x"), 2)


def test_a_broken_configuration_names_its_file(command: Command) -> None:
    command.config = "[loops]\nintervals = 5\n"
    shown = ended(command.run("status"), 2)
    assert "did you mean loops.interval?" in shown
    assert str(command.directory / "config.toml") in shown


def test_an_unexpected_error_is_shown_as_an_id_and_logged_in_full(command: Command, tmp_path: Path) -> None:
    result = command.run("run", "-f", manifest(tmp_path, MAKE), fault="loop-created=raise")
    shown = ended(result, 70)
    crash_id = shown.split("internal error ")[1].split()[0]
    log = tmp_path / "ftl2-enterprise.log"
    assert str(log) in shown
    assert log.stat().st_mode & 0o777 == 0o600
    assert crash_id in log.read_text()
    assert "InjectedFault" in log.read_text()


def test_a_reader_that_leaves_early_is_no_error(command: Command, tmp_path: Path) -> None:
    ended(command.run("run", "-f", manifest(tmp_path, MAKE)), 0)
    shell = subprocess.Popen(
        command.argv("history", "made", "--json"), env=command.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert shell.stdout is not None
    shell.stdout.close()
    assert shell.stderr is not None
    assert shell.stderr.read() == ""
    shell.stderr.close()
    assert shell.wait(timeout=30) == 141


@pytest.mark.parametrize(
    "arguments",
    [["supervise"], ["run", "x"], ["status"], ["init-db"], ["init-db", "--backup"], ["init-db", "--dry-run"]],
)
def test_a_database_without_its_revisions_is_refused_by_each_command(command: Command, arguments: list[str]) -> None:
    command.config = '[model]\nprovider = "claude"\ncommand = "true"\n'
    assert command.run("init-db").returncode == 0
    with closing(sqlite3.connect(command.database)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()
    before = command.database.read_bytes()
    result = command.run(*arguments)
    ended(result, 2)
    assert result.stderr.startswith(f"error: cannot open the database {command.database}: it is damaged: ")
    assert result.stderr.splitlines()[1:] == ["hint: restore it from a backup; nothing was changed"]
    assert command.database.read_bytes() == before
