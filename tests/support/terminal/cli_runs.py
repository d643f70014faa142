"""Manifests and commands for the acceptance tests of ftl2-enterprise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.processes.command import Command


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


def lines_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    seen = ""
    for shown in process.stdout:
        seen += shown
        if words in shown:
            return seen
    raise AssertionError(f"{words!r} was never printed; seen: {seen}")


def parsed(command: Command, *arguments: str, status: int = 0) -> Any:
    result = command.run(*arguments, "--json")
    ended(result, status)
    return json.loads(result.stdout)
