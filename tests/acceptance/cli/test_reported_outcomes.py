"""Nothing that was not done is ever shown as done: in the summary, in `history` and in `status`."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loops.models import fake_claude
from tests.support.processes.command import Command
from tests.support.waiting import until

if TYPE_CHECKING:
    import subprocess

SHELL_DENIED = "rules: [{decision: deny, match: {module: shell}, reason: no shell here}]\n"


def with_model(directory: Path, *decisions: dict[str, Any], name: str = "decisions") -> Command:
    """A command whose model gives these decisions one after the other, the last again and again."""
    script, count = directory / f"{name}.json", directory / f"{name}.asked"
    script.write_text(json.dumps(decisions))
    program = fake_claude(
        directory,
        f"script, count = {str(script)!r}, {str(count)!r}\n"
        "with open(count, 'a') as file: file.write('asked\\n')\n"
        "with open(count) as file: n = len(file.readlines())\n"
        "with open(script) as file: decisions = json.load(file)\n"
        "reply(structured_output=decisions[min(n, len(decisions)) - 1],"
        " usage={'input_tokens': 100, 'output_tokens': 20}, total_cost_usd=0.5)",
    )
    return Command(directory, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n')


def shell(cmd: str, **more: Any) -> dict[str, Any]:
    return {"module": "shell", "params": {"cmd": cmd}, **more}


def parsed(result: subprocess.CompletedProcess[str], status: int = 0) -> Any:
    assert result.returncode == status, result.stdout + result.stderr
    return json.loads(result.stdout)


def actions(command: Command, loop: str) -> list[dict[str, Any]]:
    document = parsed(command.run("history", loop, "--actions", "--json"))
    return [action for iteration in document["iterations"] for action in iteration["actions"]]


def the_loop(command: Command) -> dict[str, Any]:
    (loop,) = parsed(command.run("status", "--all", "--json"))["loops"]
    return loop


def line_of(text: str, words: str) -> str:
    found = [line for line in text.splitlines() if words in line]
    assert found, text
    return found[0]


# --- each action ---------------------------------------------------------------------------------------------------


def test_every_kind_of_failure_is_reported_everywhere_with_its_output(tmp_path):
    """The model reports afterwards that all is well, which does not change the results of the actions."""
    (tmp_path / "policy.yaml").write_text("rules: [{decision: deny, match: {module: copy}, reason: no copies}]\n")
    decided = [
        shell("echo some; echo went wrong >&2; exit 3"),
        {"module": "copy", "params": {"content": "x", "dest": str(tmp_path / "never")}},
        shell("true", host="nowhere"),
        {"module": "no_such_module", "params": {}},
        {"module": "command", "params": {"cmd": "/no/such/program"}},
        shell("echo fine"),
    ]
    command = with_model(tmp_path, {"reasoning": "act", "actions": decided}, {"converged": True, "reasoning": "ok"})
    arguments = ["run", "all is well", "--name", "web", "--policy", str(tmp_path / "policy.yaml")]
    done = command.run(*arguments, "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 actions (1 changed, 4 failed, 1 denied)" in done.stdout
    assert not re.search(r"\d ok\b", done.stdout)

    rows = actions(command, "web")
    assert [row["state"] for row in rows] == ["failed", "denied", "failed", "failed", "failed", "succeeded"]
    assert (rows[0]["rc"], rows[0]["stdout"]["shown"], rows[0]["stderr"]["shown"]) == (3, "some\n", "went wrong\n")
    assert "no copies" in rows[1]["error"]
    assert "nowhere" in rows[2]["error"]
    assert "no_such_module" in rows[3]["error"]
    assert "/no/such/program" in rows[4]["error"]
    assert all(row["error"] for row in rows[:5])

    shown = command.run("history", "web", "--actions").stdout
    assert "FAILED" in line_of(shown, "exit 3")
    assert "DENIED" in line_of(shown, "copy on localhost")
    assert "FAILED" in line_of(shown, "on nowhere")
    assert "changed" in line_of(shown, "echo fine")
    assert re.findall(r"\bok\b", "\n".join(line for line in shown.splitlines() if " on " in line)) == []

    loop = the_loop(command)
    assert (loop["action_count"], loop["changed_count"], loop["failed_count"]) == (6, 1, 4)
    titles, row = (line.split() for line in command.run("status", "--all").stdout.splitlines()[1:3])
    assert "CHANGED  FAILED" in "  ".join(titles)
    assert "  1  4  " in "  ".join(row)


def test_an_action_in_flight_when_the_process_died_is_unknown_and_nothing_else(tmp_path):
    command = with_model(
        tmp_path, {"actions": [shell("true"), shell("echo second")]}, {"converged": True, "reasoning": "seen"}
    )
    died = command.run("run", "all is well", "--name", "web", fault="action-started=kill")
    assert died.returncode == -signal.SIGKILL
    loop = the_loop(command)
    assert (loop["interrupted"], loop["outcome"], loop["condition"]) == (True, None, "drifted")
    assert [row["state"] for row in actions(command, "web")] == ["running", "proposed"]

    again = parsed(command.run("run", "--resume", "web", "--non-interactive", "--json"))
    assert (again["seen"]["unknown"], again["seen"]["skipped"]) == (1, 1)
    assert (again["seen"]["ok"], again["seen"]["changed"]) == (0, 0)
    rows = actions(command, "web")
    assert [(row["state"], row["changed"], row["rc"]) for row in rows] == [
        ("unknown", None, None),
        ("skipped", None, None),
    ]
    shown = command.run("history", "web", "--actions").stdout
    assert "UNKNOWN" in line_of(shown, "cmd=true")
    assert "skipped" in line_of(shown, "echo second")
    assert the_loop(command)["changed_count"] == 0


def test_a_dry_run_is_neither_a_change_nor_in_sync(tmp_path):
    command = with_model(tmp_path, {"actions": [shell(f"touch {tmp_path}/made")]})
    done = parsed(command.run("run", "it is made", "--name", "web", "--dry-run", "--json"), status=7)
    assert (done["seen"]["previewed"], done["seen"]["ok"], done["seen"]["changed"]) == (1, 0, 0)
    assert not (tmp_path / "made").exists()
    (row,) = actions(command, "web")
    assert (row["state"], row["changed"], row["rc"]) == ("previewed", None, None)
    loop = the_loop(command)
    assert (loop["outcome"], loop["changed_count"]) == ("previewed", 0)
    assert loop["condition"] != "in_sync"
    assert "would run" in line_of(command.run("history", "web", "--actions").stdout, "touch")
    assert (tmp_path / "decisions.asked").read_text().count("asked") == 1


def test_the_document_of_a_dry_run_has_what_is_denied_and_what_is_not_known(tmp_path):
    (tmp_path / "policy.yaml").write_text(SHELL_DENIED)
    (tmp_path / "site.yaml").write_text(f"""version: 1
name: site
steps:
  - {{name: denied, check: {{path: {tmp_path}/made}}, action: {{module: shell, params: {{cmd: "true"}}}}}}
  - {{name: shown, file: {{path: {tmp_path}/new, state: directory}}}}
  - {{name: missing, check: {{command: exit 99}}, action: {{module: command, params: {{cmd: "true"}}}}}}
""")
    policy = str(tmp_path / "policy.yaml")
    command = Command(tmp_path)
    arguments = ["run", str(tmp_path / "site.yaml"), "--policy", policy, "--dry-run", "--json"]
    done = parsed(command.run(*arguments), status=7)
    assert [one["step"] for one in done["previewed"]] == ["shown"]
    assert [(one["step"], one["state"]) for one in done["denied"]] == [("denied", "denied")]
    assert "policy rule 1" in done["denied"][0]["error"]
    (unobserved,) = done["unobserved"]
    assert (unobserved["name"], unobserved["host"]) == ("manifest:step missing@localhost", "localhost")
    assert unobserved["error"]
    assert [one.partition(":")[0] for one in done["unknown"]] == ["missing on localhost"]


def test_a_denied_run_is_shown_as_denied_everywhere(tmp_path):
    (tmp_path / "policy.yaml").write_text(SHELL_DENIED)
    command = with_model(tmp_path, {"actions": [shell("true")]})
    arguments = ["run", "all is well", "--name", "web", "--policy", str(tmp_path / "policy.yaml"), "--json"]
    done = parsed(command.run(*arguments), status=4)
    assert (done["loop"]["outcome"], done["seen"]["denied"]) == ("denied", 2)
    assert (done["seen"]["ok"], done["seen"]["changed"], done["seen"]["failed"]) == (0, 0, 0)
    assert {row["state"] for row in actions(command, "web")} == {"denied"}
    loop = the_loop(command)
    assert (loop["state"], loop["outcome"], loop["condition"]) == ("failed", "denied", "drifted")
    assert "denied" in line_of(command.run("status", "--all").stdout, "web  ")
    # An observation is not forbidden by a rule about actions.
    connection = sqlite3.connect(command.database)
    try:
        states = {state for (state,) in connection.execute("select state from observations")}
        assert connection.execute("select count(*) from observations").fetchone() > (0,)
    finally:
        connection.close()
    assert "denied" not in states


def test_a_failing_rule_is_reported_as_a_failure_everywhere(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "repair.py").write_text(
        '"""Repairs it."""\napplies_to = "everything"\nasync def condition(state):\n    return True\n'
        'async def action(ftl):\n    await ftl.shell(cmd="echo broken >&2; exit 9")\n'
    )
    command = Command(tmp_path)
    arguments = ["run", "it is repaired", "--name", "web", "--decider", "rules", "--rules-dir", str(rules)]
    done = parsed(command.run(*arguments, "--max-iterations", "3", "--json"), status=1)
    assert done["seen"]["failed"] >= 1
    assert (done["seen"]["ok"], done["seen"]["changed"]) == (0, 0)
    rows = actions(command, "web")
    assert {(row["state"], row["rc"], row["origin"]) for row in rows} == {("failed", 9, "rule:repair")}
    shown = command.run("history", "web", "--actions").stdout
    assert "FAILED" in line_of(shown, "shell on localhost")
    assert "broken" in shown
    assert the_loop(command)["condition"] != "in_sync"


# --- each end of a run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "status", "state", "outcome"),
    [
        ({"converged": True, "reasoning": "all is well"}, 0, "completed", "converged"),
        (
            {"reasoning": "observe", "observe": [{"name": "up", "module": "command", "params": {"cmd": "uptime"}}]},
            1,
            "failed",
            "not_converged",
        ),
        ({"blocked": "there is no such disk"}, 3, "blocked", "blocked"),
        ({"actions": "malformed"}, 5, "failed", "model_failed"),
        ({"ask": {"question": "Which port?"}}, 8, "waiting", None),
    ],
)
def test_each_outcome_has_its_own_status_and_every_command_reports_it_alike(
    tmp_path, decision, status, state, outcome
):
    command = with_model(tmp_path, decision)
    arguments = ["run", "all is well", "--name", "web", "--max-iterations", "2", "--non-interactive", "--json"]
    done = parsed(command.run(*arguments), status=status)
    assert (done["exit_status"], done["loop"]["state"], done["loop"]["outcome"]) == (status, state, outcome)
    loop = the_loop(command)
    assert (loop["state"], loop["outcome"]) == (state, outcome)
    assert (loop["condition"] == "in_sync") is (status == 0)
    history = parsed(command.run("history", "web", "--json"))
    assert (history["loop"]["state"], history["loop"]["outcome"]) == (state, outcome)
    if state not in {"completed", "failed"}:
        # What waits for a person is in the ordinary list.
        assert "web  " in command.run("status").stdout
    if outcome == "blocked":
        assert loop["reason"] == "there is no such disk"
        assert "there is no such disk" in command.run("history", "web").stdout


def test_a_stop_during_a_model_call_is_quick_and_the_loop_can_be_resumed(tmp_path):
    pid_file = tmp_path / "pid"
    program = fake_claude(
        tmp_path,
        f"import pathlib\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()) + '\\n')\n"
        f"if os.path.exists({str(tmp_path / 'answer')!r}):\n"
        "    reply(structured_output={'converged': True, 'reasoning': 'all is well'})\n"
        "else:\n"
        "    time.sleep(600)",
    )
    command = Command(tmp_path, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\n')
    process = command.start("run", "all is well", "--name", "web", "--non-interactive")
    try:
        until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 6, out + err
    model = pid_file.read_text().strip()
    until(lambda: not _is_alive(model))
    assert (the_loop(command)["state"], the_loop(command)["outcome"]) == ("paused", None)
    (tmp_path / "answer").touch()
    done = parsed(command.run("run", "--resume", "web", "--non-interactive", "--json"))
    assert done["loop"]["outcome"] == "converged"


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --- what a run leaves ---------------------------------------------------------------------------------------------


def test_everything_done_before_a_crash_is_on_record_before_the_run_resumes(tmp_path):
    command = with_model(
        tmp_path,
        {"reasoning": "first", "actions": [shell("echo one")]},
        {"reasoning": "second", "actions": [shell("echo two")]},
        {"converged": True, "reasoning": "seen"},
    )
    died = command.run("run", "all is well", "--name", "web", fault="iteration-ended#2=kill")
    assert died.returncode == -signal.SIGKILL
    rows = actions(command, "web")
    assert [(row["state"], row["stdout"]["shown"]) for row in rows] == [
        ("succeeded", "one\n"),
        ("succeeded", "two\n"),
    ]
    history = parsed(command.run("history", "web", "--json"))
    assert [(one["n"], one["reasoning"], one["outcome"]) for one in history["iterations"]] == [
        (1, "first", "acted"),
        (2, "second", "acted"),
    ]
    loop = the_loop(command)
    assert (loop["model_call_count"], loop["cost_usd"]) == (2, 1.0)
    connection = sqlite3.connect(command.database)
    try:
        calls = connection.execute("select request, response, outcome, latency from model_calls").fetchall()
    finally:
        connection.close()
    assert all("all is well" in request and "actions" in response for request, response, _, _ in calls)
    assert [outcome for _, _, outcome, _ in calls] == ["ok", "ok"]
    assert all(latency > 0 for _, _, _, latency in calls)


def test_iterations_have_the_same_numbers_everywhere(tmp_path):
    command = with_model(tmp_path, {"actions": [shell("true")]}, {"converged": True, "reasoning": "seen"})
    run = command.run("run", "all is well", "--name", "web", "--non-interactive")
    shown = command.run("history", "web").stdout
    document = parsed(command.run("history", "web", "--json"))
    assert re.findall(r"^\W*iteration (\d+)", run.stdout, re.MULTILINE) == ["1", "2"]
    assert re.findall(r"^\W*iteration (\d+)", shown, re.MULTILINE) == ["1", "2"]
    assert [one["n"] for one in document["iterations"]] == [1, 2]


def test_square_brackets_from_hosts_are_printed_unchanged(tmp_path):
    words = "[command] ok [/path] [bold red]loud[/]"
    command = with_model(
        tmp_path, {"reasoning": words, "actions": [shell(f"echo '{words}' >&2; exit 1")]}, {"blocked": words}
    )
    run = command.run("run", words, "--name", "web", "--non-interactive")
    assert run.returncode == 3, run.stdout + run.stderr
    for shown in (run.stdout, command.run("history", "web", "--actions").stdout, command.run("status").stdout):
        assert "[/path]" in shown
        assert "Traceback" not in shown
