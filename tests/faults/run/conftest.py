"""The fixture that starts a held run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import process_marks
from tests.support.terminal.held_run import Held, Hold
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Starts a run, and waits until it is in the middle."""
    command = process_marks.command(tmp_path)

    def start(*arguments: str, config: str = "", middle: Callable[[], object] | None = None, typed: bool = False):
        command.config = config
        process = subprocess.Popen(
            command.argv("run", *arguments, "--name", "held", *([] if typed else ["--non-interactive"])),
            env=command.environment(), cwd=tmp_path, stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        until((tmp_path / "effects").exists if middle is None else middle)
        return Held(command, process)

    with process_marks.cleared(command):
        yield start
