"""Programs of a test in place of those of the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing import programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Installs a shell script as a program; it appends its arguments, one a line, to the file that is returned."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setattr(programs, "FOLDERS", (str(folder), "/usr/bin", "/bin"))

    def install(name: str, script: str) -> Path:
        calls = tmp_path / f"{name}.calls"
        file = folder / name
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {calls}\n{script}\n')
        file.chmod(0o755)
        return calls

    return install
