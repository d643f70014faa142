"""A `run` that is held in a phase (action, observation, model call, rule, question) until it is released."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.loops.models import fake_claude
from tests.support.processes import process_marks
from tests.support.processes.process_marks import rows

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes.command import Command

STOPPED = 6


WAITING = 8


HOLD = (
    'echo {name} >> {base}/effects; setsid sleep 3000 & sh -c \'trap "" INT TERM HUP; while ! test -e {base}/release;'
    " do sleep 0.02; done'; kill $!"
)
"""Begins, forks a child in its own session, ignores signals, and ends when it is released."""


ACTION = """
version: 1
name: held
steps:
  - name: slow
    check: {{path: "{base}/slow"}}
    action: {{module: shell, params: {{cmd: {hold}}}}}
  - name: after
    check: {{path: "{base}/after"}}
    action: {{module: shell, params: {{cmd: "echo after >> {base}/effects; touch {base}/after"}}}}
"""


OBSERVATION = """
version: 1
name: held
steps:
  - name: after
    check: {{command: {command}}}
    action: {{module: shell, params: {{cmd: "echo after >> {base}/effects; touch {base}/after"}}}}
"""


QUESTION = """
version: 1
name: held
questions:
  - {{key: colour, question: "Which colour?"}}
steps:
  - name: after
    check: {{path: "{base}/after"}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} >> {base}/effects; touch {base}/after"}}}}
"""


RULE = '''"""Makes the ruled file."""
applies_to = "everything"
observe = [{{"name": "ruled", "module": "command", "params": {{"cmd": "test -e {base}/after || echo missing"}}}}]

async def condition(state):
    return "missing" in state["ruled"]["stdout"]

async def action(ftl):
    await ftl.shell(cmd={hold})
    await ftl.shell(cmd="echo after >> {base}/effects; touch {base}/after")
'''


MODEL = """
open('{base}/effects', 'a').write('asked\\n')
if not os.path.exists('{base}/after'):
    while not os.path.exists('{base}/release'): time.sleep(0.02)
    action = {{'module': 'shell', 'params': {{'cmd': 'echo after >> {base}/effects; touch {base}/after'}}}}
    reply(structured_output={{'reasoning': 'it is missing', 'actions': [action]}})
else:
    reply(structured_output={{'reasoning': 'it exists', 'converged': True}})
"""


@dataclass
class Held:
    """A run in the middle of something that ends when it is released."""

    command: Command
    process: subprocess.Popen[str]

    @property
    def base(self) -> Path:
        return self.command.directory

    def send(self, sent: int) -> None:
        """As a terminal sends SIGINT and a supervisor SIGTERM."""
        if sent == signal.SIGINT:
            os.killpg(self.process.pid, sent)
        else:
            self.process.send_signal(sent)

    def hear(self, words: str) -> None:
        """Read the output of the run until the words appear."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if words in line:
                return
        raise AssertionError(f"the run ended without printing {words!r}")

    def release(self) -> None:
        (self.base / "release").touch()

    def end(self, seconds: float = 30.0) -> str:
        """Its output; it has ended within that time, and left nothing running."""
        out, err = self.process.communicate(timeout=seconds)
        assert process_marks.none_left(self.command, seconds=0 if self.process.returncode >= 0 else 15)
        assert "Traceback" not in out + err
        return out + err

    def effects(self) -> list[str]:
        file = self.base / "effects"
        return file.read_text().split() if file.exists() else []

    def resume(self, seconds: float = 60.0) -> list[str]:
        """Resume it until it ends; all effects so far."""
        done = self.command.run("run", "--resume", "held", "--non-interactive", timeout=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        assert process_marks.none_left(self.command)
        return self.effects()

    def rows(self, query: str):
        return rows(self.command, query)


type Hold = Callable[..., Held]


def manifest(base: Path, text: str) -> str:
    cmd = '"' + HOLD.format(base=base, name="began").replace('"', '\\"') + f"; touch {base}/slow" + '"'
    command = (
        f"echo observed >> {base}/effects; while ! test -e {base}/release; do sleep 0.02; done; test -e {base}/after"
    )
    (base / "manifest.yaml").write_text(text.format(base=base, hold=cmd, command=f'"{command}"'))
    return str(base / "manifest.yaml")


def rules(base: Path) -> str:
    folder = base / "rules"
    folder.mkdir()
    (folder / "ruled.py").write_text(RULE.format(base=base, hold=repr(HOLD.format(base=base, name="began"))))
    return str(folder)


def model(base: Path) -> str:
    return f'[model]\nprovider = "claude"\ncommand = "{fake_claude(base, MODEL.format(base=base))}"\n'
