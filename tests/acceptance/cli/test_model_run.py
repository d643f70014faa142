"""`run` with the real claude program against a scripted local server, as a user runs it."""

from __future__ import annotations

import json
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.loops.models import real_claude
from tests.support.processes.command import Command
from tests.support.scripted.model_server import ModelServer, Reply

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.claude


def command(directory: Path, server: ModelServer) -> Command:
    env = {
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_API_KEY": "test-key",
        "CLAUDE_CONFIG_DIR": str(directory / "claude"),
    }
    config = (
        f'[model]\nprovider = "claude"\ncommand = "{real_claude()}"\nmodel = "sonnet"\nbare = true\nretries = 0\n'
    )
    return Command(directory, config=config, env=env)


def test_a_sentence_changes_the_host_and_every_model_call_is_recorded(tmp_path):
    target = tmp_path / "motd"
    act = {
        "reasoning": "the file is missing",
        "unmet": ["motd is missing"],
        "actions": [{"module": "copy", "params": {"dest": str(target), "content": "welcome\n"}}],
        "observe": [{"name": "motd", "module": "command", "params": {"cmd": f"cat {target}"}}],
    }
    done = {"reasoning": "motd contains welcome", "converged": True}
    with ModelServer([Reply(value=act), Reply(value=done)]) as server:
        run = command(tmp_path, server).run(
            "run", f"{target} contains welcome", "--name", "motd", "--non-interactive"
        )
        prompts = server.prompts()
    assert run.returncode == 0, run.stdout + run.stderr
    assert target.read_text() == "welcome\n"
    assert f"{target} contains welcome" in prompts[0]
    assert "welcome" in prompts[-1]
    history = command(tmp_path, server).run("history", "motd", "--actions", "--json")
    document = json.loads(history.stdout)
    assert json.dumps(document).count('"succeeded"') >= 1
    connection = sqlite3.connect(tmp_path / "loops.db")
    try:
        calls = connection.execute("select outcome, input_tokens > 0, latency > 0 from model_calls").fetchall()
    finally:
        connection.close()
    assert calls == [("ok", 1, 1)] * 2


def test_a_loop_in_sync_asks_no_model_while_its_check_holds(tmp_path):
    done = {
        "reasoning": "the directory exists",
        "converged": True,
        "check": {
            "observe": [{"name": "there", "module": "command", "params": {"cmd": f"test -d {tmp_path}"}}],
            "expect": [{"observation": "there", "path": "rc", "value": 0}],
        },
    }
    with ModelServer([Reply(value=done)]) as server:
        running = command(tmp_path, server).start(
            "run", "the directory exists", "--name", "there", "--mode", "continuous", "--interval", "0.2",
            "--non-interactive",
        )  # fmt: skip
        try:
            held = 0
            assert running.stdout is not None
            for line in running.stdout:
                held += "converged" in line
                if held == 5:
                    break
            asked = len(server.prompts())
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 6, err
    connection = sqlite3.connect(tmp_path / "loops.db")
    try:
        (calls,) = connection.execute("select count(*) from model_calls").fetchone()
        (runs,) = connection.execute("select max(run) from iterations").fetchone()
    finally:
        connection.close()
    assert runs >= 5
    assert calls == 1
    assert asked <= 2
