"""Loops share nothing by accident, whatever directory they are started in, and reveal no secret."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.render.loops.exit_status import LoopExit
from tests.support.loops.models import fake_claude
from tests.support.processes.command import Command

SECRET = "Zx9-open-sesame-4711"
TRAP = '''"""Must not be found here."""
import pathlib

applies_to = "everything"

async def condition(state):
    return True

async def action(ftl):
    await ftl.shell(cmd="touch {trap}")
'''


def model_that_adds(directory: Path, host: str) -> Command:
    """A model that registers one host and one resource, and then reports what its prompt contains of them."""
    directory.mkdir()
    program = fake_claude(
        directory,
        f"seen = {str(directory / 'prompts')!r}\n"
        "with open(seen, 'a') as file: file.write(prompt + '\\x00')\n"
        f"first = not os.path.exists({str(directory / 'asked')!r})\n"
        f"open({str(directory / 'asked')!r}, 'w').close()\n"
        f"ops = [{{'op': 'add_host', 'name': {host!r}, 'ansible_host': '10.0.0.1'}},"
        f" {{'op': 'add_resource', 'name': 'lb', 'data': {{'of': {host!r}}}}}]\n"
        "reply(structured_output={'reasoning': 'add', 'state_ops': ops} if first"
        " else {'converged': True, 'reasoning': 'there'})",
    )
    return Command(directory, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n')


def with_database(command: Command, database: Path, *arguments: str) -> list[str]:
    argv = command.argv(*arguments)
    argv[argv.index("--db") + 1] = str(database)
    return argv


def start(command: Command, database: Path, cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        with_database(command, database, *arguments),
        env=environment(command),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def environment(command: Command) -> dict[str, str]:
    """As Command has it, and the product is found although the directory is another one."""
    found = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])
    return command.environment() | {"PYTHONPATH": found}


def snapshot(directory: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


def query(database: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def ended(process: subprocess.Popen[str], status: int = 0) -> str:
    out, err = process.communicate(timeout=90)
    assert process.returncode == status, out + err
    return out


# --- one directory, two loops --------------------------------------------------------------------------------------


def test_two_loops_in_one_directory_share_nothing_and_leave_nothing_there(tmp_path):
    """Files of the kind that other tools keep in the current directory are neither read nor touched."""
    cwd = tmp_path / "cwd"
    (cwd / "rules").mkdir(parents=True)
    (cwd / "rules" / "trap.py").write_text(TRAP.format(trap=tmp_path / "trapped"))
    (cwd / ".ftl2-state.json").write_text('{"version": 1, "hosts": {"old1": {"ansible_host": "10.9.9.9"}}}')
    (cwd / "loops.db").write_text("not ours")
    before = snapshot(cwd)
    database = tmp_path / "state" / "shared.db"
    commands = {name: model_that_adds(tmp_path / name, f"{name}1") for name in ("web", "mail")}
    running = {
        name: start(command, database, cwd, "run", f"{name} is up", "--name", name, "--non-interactive")
        for name, command in commands.items()
    }
    for process in running.values():
        # The hosts that the models add cannot be reached.
        ended(process, LoopExit.NOT_CONVERGED)
    assert snapshot(cwd) == before
    assert not (tmp_path / "trapped").exists()

    loops = dict(query(database, "select name, id from loops"))
    hosts = query(database, "select loop_id, name from hosts where name <> 'localhost'")
    assert sorted(hosts) == sorted([(loops["web"], "web1"), (loops["mail"], "mail1")])
    assert sorted(query(database, "select loop_id, data from resources")) == sorted(
        [(loops["web"], '{"of":"web1"}'), (loops["mail"], '{"of":"mail1"}')]
    )
    for name, other in (("web", "mail"), ("mail", "web")):
        prompts = (tmp_path / name / "prompts").read_text()
        assert f"{name}1" in prompts
        assert f"{other}1" not in prompts
        assert "old1" not in prompts
    assert query(database, "select count(distinct subject) from events where kind = 'state.changed'") == [(2,)]
    assert query(database, "select count(*) from rule_results") == [(0,)]


MANIFEST = """
version: 1
name: made
steps:
  - name: made
    check: {{path: {base}/made}}
    action: {{module: shell, params: {{cmd: "touch {base}/made"}}}}
  - name: forbidden
    requires: [made]
    check: {{path: {base}/forbidden}}
    action: {{module: copy, params: {{content: x, dest: "{base}/forbidden"}}}}
"""


def test_a_loop_submitted_with_relative_paths_can_be_resumed_from_any_directory(tmp_path):
    cwd, elsewhere = tmp_path / "cwd", tmp_path / "elsewhere"
    (cwd / "rules").mkdir(parents=True)
    elsewhere.mkdir()
    (cwd / "made.yaml").write_text(MANIFEST.format(base=tmp_path))
    (cwd / "policy.yaml").write_text("rules: [{decision: deny, match: {module: copy}, reason: no copies here}]\n")
    (cwd / "hosts.yaml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    # The same names there mean something else.
    (elsewhere / "policy.yaml").write_text("rules: []\n")
    (elsewhere / "made.yaml").write_text("version: 1\nname: other\nsteps: []\n")
    command = Command(tmp_path)
    arguments = ["-f", "made.yaml", "--policy", "policy.yaml", "-i", "hosts.yaml", "--rules-dir", "rules"]
    argv = command.argv("run", *arguments, "--name", "web")
    died = subprocess.run(
        argv, env=environment(command) | {"FTL2_ENTERPRISE_FAULT": "action-recorded=kill"}, cwd=cwd,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr
    out = ended(start(command, command.database, elsewhere, "run", "--resume", "web", "--json"), 4)
    assert json.loads(out)["loop"]["spec"]["policy"] == str(cwd / "policy.yaml")
    assert "no copies here" in json.loads(out)["loop"]["reason"]
    assert (tmp_path / "made").exists()
    assert not (tmp_path / "forbidden").exists()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["made.yaml", "policy.yaml"]


def test_a_rule_that_changes_the_working_directory_does_not_affect_the_loop(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "repair.py").write_text(
        '"""Repairs it."""\napplies_to = "everything"\nimport os\nimport pathlib\n\n'
        f"MADE = pathlib.Path({str(tmp_path / 'made')!r})\n\n"
        "async def condition(state):\n    os.chdir('/')\n    return not MADE.exists()\n\n"
        "async def action(ftl):\n    os.chdir('/')\n    await ftl.shell(cmd=f'touch {MADE}')\n"
    )
    command = Command(tmp_path)
    arguments = ["run", "it is made", "--name", "web", "--decider", "rules", "--rules-dir", "rules"]
    result = subprocess.run(
        with_database(command, Path("relative.db"), *arguments),
        env=environment(command),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert query(tmp_path / "relative.db", "select state from loops") == [("completed",)]
    assert not Path("/relative.db").exists()


def test_without_a_terminal_nothing_is_read_from_standard_input(tmp_path):
    (tmp_path / "made.yaml").write_text(
        f"""version: 1
name: made
questions: [{{key: colour, question: "Which colour?", options: [red, blue], default: blue}}]
steps:
  - name: made
    check: {{path: {tmp_path}/made}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} > {tmp_path}/made"}}}}
"""
    )
    command = Command(tmp_path)
    result = subprocess.run(
        command.argv("run", "-f", "made.yaml", "--non-interactive"), env=environment(command), cwd=tmp_path,
        input="red\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "made").read_text() == "blue\n"
    assert query(command.database, "select answer, answered_by from prompts") == [("blue", "default")]


# --- secrets and who may read --------------------------------------------------------------------------------------


@pytest.fixture
def open_umask():
    """A file that relies on the umask of the user is found."""
    old = os.umask(0)
    yield
    os.umask(old)


def stored_texts(database: Path) -> list[str]:
    return [zlib.decompress(body).decode() for (body,) in query(database, "select body from texts")]


def secret_run(tmp_path: Path) -> tuple[Command, subprocess.CompletedProcess[str]]:
    """A run in which the secret goes into an action and comes back in every way there is."""
    noise = "x" * 5000
    actions = [
        {
            "module": "shell",
            "params": {"cmd": f"cat > {tmp_path}/delivered; cat /proc/[0-9]*/cmdline > {tmp_path}/ps"},
        },
        {"module": "shell", "params": {"cmd": f"cat; echo {noise}; cat >&2; echo $APP_SECRET >&2; exit 4"}},
        {"module": "shell", "params": {"cmd": f"base64 < {tmp_path}/delivered; echo password={SECRET}"}},
    ]
    observe = [
        {"name": "config", "module": "command", "params": {"cmd": f"cat {tmp_path}/delivered"}},
        {"name": "password_hint", "module": "shell", "params": {"cmd": f"printf '%s{noise}' \"$(cat)\""}},
    ]
    first = {"reasoning": f"I will use {SECRET}", "actions": actions, "observe": observe}
    last = {"blocked": f"the password {SECRET} is wrong", "reasoning": f"seen {SECRET}"}
    (tmp_path / "decisions.json").write_text(json.dumps([first, last]))
    program = fake_claude(
        tmp_path,
        f"given = {str(tmp_path / 'given')!r}\n"
        "with open(given, 'a') as file: file.write(json.dumps([argv, prompt, dict(os.environ)]) + '\\n')\n"
        f"with open({str(tmp_path / 'decisions.json')!r}) as file: decisions = json.load(file)\n"
        "with open(given) as file: n = len(file.readlines())\n"
        "reply(structured_output=decisions[min(n, 2) - 1])",
    )
    command = Command(
        tmp_path,
        config=f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n[log]\nlevel = "debug"\n',
        env={"APP_SECRET": SECRET},
    )
    result = command.run("run", "all is well", "--name", "web", "-s", "shell.stdin=APP_SECRET", "--non-interactive")
    assert result.returncode == 3, result.stdout + result.stderr
    return command, result


def test_a_secret_reaches_the_module_and_is_stored_nowhere(tmp_path):
    command, result = secret_run(tmp_path)
    assert (tmp_path / "delivered").read_text().strip() == SECRET
    assert SECRET not in result.stdout + result.stderr
    assert SECRET not in (tmp_path / "ps").read_bytes().decode(errors="replace")
    assert SECRET not in (tmp_path / "given").read_text()
    for arguments in (
        ["history", "web", "--actions", "--json"],
        ["history", "web", "--actions"],
        ["status", "--json"],
    ):
        assert SECRET not in command.run(*arguments).stdout
    ours = {tmp_path / name for name in ("delivered", "decisions.json")}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in ours:
            assert SECRET.encode() not in path.read_bytes(), path
    # Long texts are stored compressed, so they are decompressed and searched as well.
    whole = stored_texts(command.database)
    assert any(MASK in text for text in whole)
    assert all(SECRET not in text for text in whole)
    rows = query(command.database, "select rc, stdout, stderr from actions order by id")
    assert rows[1][0] == 4
    assert MASK in rows[1][1]
    assert MASK in rows[2][1]


@pytest.mark.usefixtures("open_umask")
def test_other_users_cannot_read_what_is_recorded(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (tmp_path / "hosts").mkdir()
    command = Command(home)
    (home / "made.yaml").write_text(MANIFEST.format(base=tmp_path / "hosts"))
    given = set(home.iterdir()) | {home / "config.toml"}
    database = home / "deep" / "state" / "loops.db"
    arguments = ["run", "-f", "made.yaml", "--mode", "continuous", "--interval", "60"]
    holder = start(command, database, home, *arguments)
    try:
        assert holder.stdout is not None
        for line in holder.stdout:
            if "next check" in line:
                break
        made = [path for path in home.rglob("*") if path not in given]
        assert {path.name for path in made if path.is_file()} >= {"loops.db", "loops.db-wal", "loops.db-shm"}
        for path in made:
            assert path.stat().st_mode & 0o077 == 0, f"{path}: {path.stat().st_mode:o}"
    finally:
        holder.send_signal(signal.SIGINT)
        holder.communicate(timeout=30)
    crashed = subprocess.run(
        with_database(command, database, "run", "-f", "made.yaml"),
        env=environment(command) | {"FTL2_ENTERPRISE_FAULT": "loop-created=raise"}, cwd=home,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert crashed.returncode == 70
    log = database.parent / "ftl2-enterprise.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert (database.parent / "loops.db").stat().st_mode & 0o777 == 0o600
