"""The command line as a user meets it: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.render.exit_status import MEANINGS, OUTCOMES, Exit
from tests.support.command import MODULE, Command
from tests.support.waiting import until


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def manifest(directory: Path, action: str, *, check: str = "path: {base}/made", question: bool = False) -> str:
    asked = (
        '\nquestions: [{key: colour, question: "Which colour?", options: [red, blue], default: blue}]'
        if question
        else ""
    )
    text = f"""version: 1
name: made{asked}
steps:
  - name: made
    check: {{{check.format(base=directory)}}}
    action: {{module: shell, params: {{cmd: "{action.format(base=directory)}"}}}}
"""
    path = directory / "made.yaml"
    path.write_text(text)
    return str(path)


MAKE = "touch {base}/made"


def ended(result: subprocess.CompletedProcess[str], status: int) -> str:
    """Check the status and that nothing but clear words was printed; returns both streams."""
    both = result.stdout + result.stderr
    assert result.returncode == status, both
    assert "Traceback" not in both
    assert "\x1b" not in both
    return both


# --- outcomes ------------------------------------------------------------------------------------------------------


def test_a_converged_run_ends_with_0_and_says_what_it_did(command: Command, tmp_path: Path) -> None:
    said = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--name", "web"), 0)
    assert (tmp_path / "made").exists()
    assert "changed   shell on localhost" in said
    assert "converged: loop web" in said
    assert "1 action (1 changed)" in said
    assert f"{MODULE} --db {command.database}" in said


def test_a_run_that_is_not_enough_ends_with_1(command: Command, tmp_path: Path) -> None:
    said = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--max-iterations", "1"), 1)
    assert "not converged: loop made" in said


def test_a_failed_action_shows_why_and_when_a_person_stops_it_the_loop_is_blocked(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, "echo no luck >&2; exit 7")
    argv = command.argv("run", "-f", path, "--max-ask-delay", "1")
    result = subprocess.run(
        argv, input="stop\n", env=command.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    said = ended(result, 3)
    assert "FAILED    shell on localhost" in said
    assert "rc 7: exit status 7: no luck" in said
    assert "blocked: loop made" in said
    assert "blocked" in ended(command.run("status"), 0)


def test_a_denied_run_ends_with_4(command: Command, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: [{decision: deny, match: {module: shell}, reason: no shell here}]\n")
    said = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--policy", str(policy)), 4)
    assert "DENIED" in said
    assert "no shell here" in said
    assert not (tmp_path / "made").exists()


def test_a_failing_model_ends_with_5(tmp_path: Path) -> None:
    program = tmp_path / "model"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 1\n")
    program.chmod(0o755)
    command = Command(tmp_path, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n')
    said = ended(command.run("run", "all is well", "--name", "web"), 5)
    assert "model failed: loop web" in said


def test_a_dry_run_changes_nothing_and_ends_with_7_or_0(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    said = ended(command.run("run", "-f", path, "--dry-run"), 7)
    assert "would run shell on localhost" in said
    assert not (tmp_path / "made").exists()
    (tmp_path / "made").touch()
    ended(command.run("run", "-f", path, "--dry-run"), 0)


def test_a_question_that_nobody_answers_ends_with_8_and_can_be_answered_later(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    said = ended(command.run("run", "-f", path), 8)
    assert "prompt 1: Which colour?" in said
    assert "respond 1" in said
    shown = ended(command.run("status"), 0)
    assert "waiting" in shown
    assert "made: Which colour?" in shown
    assert "1) red" in ended(command.run("prompts"), 0)
    assert "answered: red" in ended(command.run("respond", "1", "1"), 0)
    again = ended(command.run("respond", "1", "2"), 75)
    assert "cannot answer prompt 1: it is answered" in again
    assert "no open prompts" in ended(command.run("prompts"), 0)
    ended(command.run("run", "--resume", "made"), 0)
    assert (tmp_path / "made").read_text() == "red\n"
    assert "prompt 1: Which colour? -> red" in ended(command.run("history", "made"), 0)


def test_an_answer_may_come_from_a_pipe(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    result = subprocess.run(
        command.argv("run", "-f", path), input="red\n", env=command.environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    ended(result, 0)
    assert (tmp_path / "made").read_text() == "red\n"


def test_without_a_person_the_default_is_taken(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    assert "answered: blue (by default)" in ended(command.run("run", "-f", path, "--non-interactive"), 0)


def test_every_outcome_has_a_status_of_its_own() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert len(set(OUTCOMES.values())) == len(Outcome)
    assert set(MEANINGS) == set(Exit)


def test_the_reference_and_the_help_list_every_status(command: Command) -> None:
    page = Path("docs/reference/exit-status.md").read_text()
    shown = ended(command.run("--help"), 0)
    for status in Exit:
        assert f"| {status.value} |" in page
        assert f"\n  {status.value} " in shown


# --- stopping ------------------------------------------------------------------------------------------------------


def lines_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    seen = ""
    for shown in process.stdout:
        seen += shown
        if words in shown:
            return seen
    raise AssertionError(f"{words!r} was never printed; seen: {seen}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_resting_loop_and_it_can_go_on(
    command: Command, tmp_path: Path, number: signal.Signals
) -> None:
    """A stop is no failure."""
    process = command.start("run", "-f", manifest(tmp_path, MAKE), "--mode", "continuous", "--interval", "60")
    lines_until(process, "next look in")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, out + err
    assert "stopping at the next safe point" in out
    assert "stopped: loop made" in out
    assert "run --resume made" in out
    assert "Traceback" not in err
    assert "paused" in ended(command.run("status"), 0)
    again = command.start("run", "--resume", "made")
    try:
        lines_until(again, "next look in")
    finally:
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=30)
    assert again.returncode == 6


def test_a_second_signal_stops_an_action_now(command: Command, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = command.start("run", "-f", manifest(tmp_path, "echo $$ > {base}/pid; exec sleep 600"))
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    process.send_signal(signal.SIGINT)
    lines_until(process, "once more stops now")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, out + err
    assert "UNKNOWN   shell on localhost" in out
    until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())


def test_two_processes_never_run_one_loop(command: Command, tmp_path: Path) -> None:
    process = command.start("run", "-f", manifest(tmp_path, MAKE), "--mode", "continuous", "--interval", "60")
    try:
        lines_until(process, "next look in")
        said = ended(command.run("run", "--resume", "made"), 75)
        assert f"process {process.pid} is running it" in said
        assert "decided by" not in said
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


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], "Usage"),
        (["run", "--help"], "--max-iterations"),
        (["config", "show", "--help"], "Usage"),
    ],
)
def test_help(command: Command, arguments: list[str], words: str) -> None:
    assert words in ended(command.run(*arguments), 0)


def test_no_command_at_all_is_a_wish_for_help(command: Command) -> None:
    argv = [sys.executable, "-m", MODULE]
    result = subprocess.run(argv, env=command.environment(), capture_output=True, text=True, timeout=30, check=False)
    assert "Exit statuses" in ended(result, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "cannot understand the command line: no such command 'rnu'"),
        (["run", "--max-iteration", "3", "x"], "--max-iterations"),
        (["run", "x", "--max-iterations", "0"], "--max-iterations"),
        (["run", "x", "--mode", "forever"], "forever"),
        (["run"], "cannot take a desired state: there is none"),
        (["run", "x", "-f", "y"], "cannot take a desired state: there are two"),
        (["run", " "], "cannot take an empty desired state"),
        (["run", "-f", "absent.txt"], "cannot read absent.txt: there is no such file"),
        (["run", "absent.yaml"], "cannot read absent.yaml: there is no such file"),
        (["run", "x", "--name", "12"], "cannot call a loop '12'"),
        (["run", "x", "-i", "absent-hosts.yaml"], "absent-hosts.yaml"),
        (["run", "x", "--policy", "absent-policy.yaml"], "absent-policy.yaml"),
        (["run", "x", "-s", "nonsense"], "write MODULE.PARAM=ENV_VAR"),
        (["run", "x"], "no model is configured"),
        (["run", "x", "--decider", "claude", "--json"], "cannot"),
        (["run", "--resume", "web", "--policy", "p"], "cannot use --policy together with --resume"),
        (["respond", "0", "x"], "PROMPT_ID"),
        (["history"], "LOOP"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    command: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    command.config = '[model]\ncommand = "/absent/claude"\n'
    result = command.run(*arguments)
    said = ended(result, 2)
    assert result.stderr.startswith("error: cannot ")
    assert words in said
    assert not command.database.exists()


@pytest.mark.parametrize(
    "arguments", [["status"], ["history", "x"], ["prompts"], ["respond", "1", "x"], ["run", "--resume", "x"]]
)
def test_a_missing_database_is_named_with_what_to_do(command: Command, arguments: list[str], tmp_path: Path) -> None:
    said = ended(command.run(*arguments), 2)
    assert f"cannot open the database {command.database}: it does not exist" in said
    assert f"{MODULE} --db {command.database} --config {tmp_path / 'config.toml'} init-db`" in said
    assert not command.database.exists()


def test_an_unknown_loop_or_question_is_an_error(command: Command, tmp_path: Path) -> None:
    ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--name", "frontend"), 0)
    assert 'did you mean "frontend"?' in ended(command.run("history", "frontned"), 2)
    assert "cannot find the prompt 99" in ended(command.run("respond", "99", "x"), 2)


def test_a_name_that_is_taken_is_refused_and_a_made_one_is_counted_up(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    ended(command.run("run", "-f", path, "--name", "web"), 0)
    assert "there is one of that name" in ended(command.run("run", "-f", path, "--name", "web"), 75)
    ended(command.run("run", "-f", path), 0)
    assert "loop made-2" in ended(command.run("run", "-f", path), 0)


def test_a_broken_configuration_names_its_file(command: Command) -> None:
    command.config = "[loops]\nintervals = 5\n"
    said = ended(command.run("status"), 2)
    assert "did you mean loops.interval?" in said
    assert str(command.directory / "config.toml") in said


def test_an_unexpected_error_is_an_id_here_and_whole_in_the_log(command: Command, tmp_path: Path) -> None:
    result = command.run("run", "-f", manifest(tmp_path, MAKE), fault="loop-created=raise")
    said = ended(result, 70)
    crash_id = said.split("internal error ")[1].split()[0]
    log = tmp_path / "ftl2-enterprise.log"
    assert str(log) in said
    assert log.stat().st_mode & 0o777 == 0o600
    assert crash_id in log.read_text()
    assert "InjectedFault" in log.read_text()


# --- looking -------------------------------------------------------------------------------------------------------


def test_an_empty_database_is_made_once(command: Command) -> None:
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
    head, row, blank, more = ended(command.run("status"), 0).splitlines()
    assert (head.split()[1], row.split()[1], blank) == ("LOOP", "new", "")
    assert "not converged" in row
    assert more.startswith("2 more loops have ended: ")
    assert [loop["name"] for loop in parsed(command, "status")["loops"]] == ["new"]
    assert parsed(command, "status")["ended"] == 2


def test_an_ended_loop_whose_process_was_killed_before_it_let_go_is_not_interrupted(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, MAKE)
    ended(command.run("run", "-f", path), 0)
    with sqlite3.connect(command.database) as connection:
        connection.execute("update loops set owner = 'boot:999999999:1'")
    connection.close()
    assert "interrupted" not in ended(command.run("status", "--all"), 0)
    said = ended(command.run("run", "--resume", "made"), 0)
    assert "converged: loop made" in said
    assert "it had ended before: nothing was done now" in said
    assert "decided by" not in said
    assert parsed(command, "run", "--resume", "made")["exit_status"] == 0


def test_the_summary_after_a_resume_counts_the_whole_run(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        "version: 1\nname: two\nsteps:\n"
        f"  - name: one\n    file: {{path: {tmp_path}/one, state: directory}}\n"
        f"  - name: two\n    requires: [one]\n    file: {{path: {tmp_path}/one/two, state: directory}}\n"
    )
    died = command.run("run", "-f", str(path), fault="iteration-ended=kill")
    assert died.returncode == -signal.SIGKILL
    said = ended(command.run("run", "--resume", "two"), 0)
    assert "3 iterations; 2 actions (2 changed); " in said
    assert " since it was resumed" in said


def test_status_shows_ended_loops_only_when_asked(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    for _ in range(3):
        ended(command.run("run", "-f", path), 0)
    shown = ended(command.run("status"), 0)
    assert "made-3" not in shown
    assert shown.startswith("no loops but 3 that have ended: ")
    assert shown.endswith(" status --all\n")
    page = ended(command.run("status", "--all", "--limit", "2"), 0)
    assert "made-3" in page
    assert "--before 2" in page
    assert "made " in ended(command.run("status", "--all", "--before", "2"), 0)


def test_history_counts_from_1_and_turns_pages(command: Command, tmp_path: Path) -> None:
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


def parsed(command: Command, *arguments: str, status: int = 0) -> Any:
    result = command.run(*arguments, "--json")
    ended(result, status)
    return json.loads(result.stdout)


def test_every_command_that_shows_something_speaks_json(command: Command, tmp_path: Path) -> None:
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


def test_quiet_prints_the_summary_alone(command: Command, tmp_path: Path) -> None:
    result = command.run("run", "-f", manifest(tmp_path, MAKE), "--quiet")
    ended(result, 0)
    assert result.stdout.startswith("converged: loop made\n")


def test_config_show_tells_where_a_value_came_from(command: Command) -> None:
    command.config = "[loops]\ninterval = 5\n"
    command.env["FTL2_ENTERPRISE_LOOPS_MAX_ITERATIONS"] = "3"
    shown = ended(command.run("config", "show"), 0).splitlines()
    rows = {row.split()[0]: row.split() for row in shown if row}
    assert rows["loops.interval"][1:] == ["5.0", str(command.directory / "config.toml")]
    assert rows["loops.max_iterations"][1:] == ["3", "FTL2_ENTERPRISE_LOOPS_MAX_ITERATIONS"]
    assert rows["loops.jitter"][1:] == ["0.1", "default"]


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


def test_looking_loads_neither_ftl2_nor_what_only_runs_need(command: Command) -> None:
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
