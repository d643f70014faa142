"""Commands that only read: status, history, settings and help, as text and as JSON."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.command import MODULE, Command
from tests.support.terminal.cli_runs import MAKE, ended, manifest, parsed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], "usage: ftl2-enterprise COMMAND"),
        (["run", "--help"], "--max-iterations"),
        (["config", "show", "--help"], "usage: ftl2-enterprise config show"),
        (["help", "run"], "--max-iterations"),
    ],
)
def test_help_is_printed(command: Command, arguments: list[str], words: str) -> None:
    assert words in ended(command.run(*arguments), 0)


def test_without_a_command_the_help_is_shown(command: Command) -> None:
    argv = [sys.executable, "-m", MODULE]
    result = subprocess.run(argv, env=command.environment(), capture_output=True, text=True, timeout=30, check=False)
    assert "Exit status" in ended(result, 0)


def test_init_db_creates_a_database_once(command: Command) -> None:
    assert "created" in ended(command.run("init-db"), 0)
    assert "is up to date" in ended(command.run("init-db"), 0)
    assert command.database.stat().st_mode & 0o777 == 0o600
    assert ended(command.run("status"), 0) == "no loops\n"


def test_status_shows_loops_that_failed_in_the_last_day(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, "exit 7", check="path: {base}/never")
    for name in ("old", "new"):
        assert command.run("run", "-f", path, "--max-iterations", "1", "--name", name).returncode == 1
    ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--name", "done"), 0)
    with sqlite3.connect(command.database) as connection:
        connection.execute("update loops set ended_at = ended_at - 90000000000 where name = 'old'")
    connection.close()
    counts, head, row, blank, more = ended(command.run("status"), 0).splitlines()
    assert (counts, head.split()[0], row.split()[0], blank) == ("1 loop: 1 not converged", "LOOP", "new", "")
    assert "not converged" in row
    assert more.startswith("2 more loops have ended: ")
    assert [loop["name"] for loop in parsed(command, "status")["loops"]] == ["new"]
    assert parsed(command, "status")["ended"] == 2


def test_an_ended_loop_whose_process_was_killed_before_the_release_is_not_interrupted(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, MAKE)
    ended(command.run("run", "-f", path), 0)
    with sqlite3.connect(command.database) as connection:
        connection.execute("update loops set owner = 'boot:999999999:1'")
    connection.close()
    assert "interrupted" not in ended(command.run("status", "--all"), 0)
    printed = ended(command.run("run", "--resume", "made"), 0)
    assert "converged: loop made" in printed
    assert "it had ended before; nothing was done" in printed
    assert "decided by" not in printed
    assert parsed(command, "run", "--resume", "made")["exit_status"] == 0


def test_status_shows_ended_loops_only_when_asked(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    for _ in range(3):
        ended(command.run("run", "-f", path), 0)
    shown = ended(command.run("status"), 0)
    assert "made-3" not in shown
    assert shown.startswith("3 loops have ended, no other: ")
    assert shown.endswith(" status --all\n")
    page = ended(command.run("status", "--all", "--limit", "2"), 0)
    assert "made-3" in page
    assert "--before 2" in page
    assert "made " in ended(command.run("status", "--all", "--before", "2"), 0)


def test_history_counts_from_1_and_has_pages(command: Command, tmp_path: Path) -> None:
    ended(command.run("run", "-f", manifest(tmp_path, MAKE)), 0)
    whole = ended(command.run("history", "made", "--actions"), 0)
    assert "iteration 1 " in whole
    assert "iteration 0" not in whole
    assert "1. shell on localhost: cmd=touch" in whole
    last = ended(command.run("history", "made", "--limit", "1"), 0)
    assert "iteration 2 " in last
    assert "iteration 1 " not in last
    assert "--before 2" in last
    assert "iteration 1 " in ended(command.run("history", "made", "--before", "2"), 0)


def test_every_command_with_output_supports_json(command: Command, tmp_path: Path) -> None:
    done = parsed(command, "run", "-f", manifest(tmp_path, MAKE), "--name", "web")
    assert (done["exit_status"], done["loop"]["outcome"], done["seen"]["changed"]) == (0, "converged", 1)
    assert done["loop"]["created_at"].endswith("Z")
    history = parsed(command, "history", "web", "--actions")
    assert history["iterations"][0]["actions"][0]["host"] == "localhost"
    assert parsed(command, "status", "--all")["loops"][0]["name"] == "web"
    assert parsed(command, "prompts") == []
    shown = parsed(command, "config", "show")
    assert shown["store.path"] == {"value": str(command.database), "origin": "command line"}
    failed = parsed(command, "run", "x", "--name", "other", status=2)
    assert failed["exit_status"] == 2
    assert failed["error"]["message"].startswith("cannot ")


def test_config_show_prints_the_origin_of_a_value(command: Command) -> None:
    command.config = "[loops]\ninterval = 5\n"
    command.env["FTL2_ENTERPRISE_LOOPS_MAX_ITERATIONS"] = "3"
    shown = ended(command.run("config", "show"), 0).splitlines()
    rows = {row.split()[0]: row.split() for row in shown if row}
    assert rows["loops.interval"][1:] == ["5.0", str(command.directory / "config.toml")]
    assert rows["loops.max_iterations"][1:] == ["3", "FTL2_ENTERPRISE_LOOPS_MAX_ITERATIONS"]
    assert rows["loops.jitter"][1:] == ["0.1", "default"]


def test_status_loads_neither_ftl2_nor_what_only_runs_need(command: Command) -> None:
    ended(command.run("init-db"), 0)
    heavy = "{'ftl2', 'asyncssh', 'alembic', 'jinja2', 'rich', 'yaml'}"
    code = (
        "import sys; from ftl2_enterprise.cli import main as cli;"
        f" status = cli.main({['--db', str(command.database), 'status']!r});"
        f" sys.stderr.write(str(sorted({heavy} & set(sys.modules)))); sys.exit(status)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=command.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "[]")


def test_the_module_runs_from_any_directory_and_leaves_nothing_there(command: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**command.environment(), "XDG_STATE_HOME": str(tmp_path / "state")}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])
    argv = [sys.executable, "-m", MODULE, "--db", str(command.database), "run", manifest(tmp_path, MAKE)]
    result = subprocess.run(
        argv,
        env=environment,
        cwd=elsewhere,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ended(result, 0)
    assert list(elsewhere.iterdir()) == []
