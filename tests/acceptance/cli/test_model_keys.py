"""The keys that let a model in are for the model's program alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-ant-of-a-test-0123456789"
MANIFEST = """
version: 1
name: keys
steps:
  - name: observe
    check: {path: BASE/done}
    action:
      module: shell
      params: {cmd: 'echo "<$ANTHROPIC_API_KEY>"; echo "found $(cat BASE/key)"; touch BASE/done'}
"""


def test_modules_do_not_get_model_keys_and_stored_texts_do_not_contain_them(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "keys.yaml").write_text(MANIFEST.replace("BASE", str(tmp_path)))
    command = Command(tmp_path, env={"ANTHROPIC_API_KEY": KEY})
    done = command.run("run", "keys.yaml", "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    history = json.loads(command.run("history", "keys", "--actions", "--json").stdout)
    (action,) = [action for one in history["iterations"] for action in one["actions"]]
    shown = json.dumps(action["stdout"])
    assert "<>" in shown
    assert KEY not in shown
    assert "found " in shown
    assert KEY.encode() not in command.database.read_bytes()
