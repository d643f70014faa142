"""Processes that perform requests in the sandbox, as root and as another user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import fenced_calls
from tests.support.processes.fenced_calls import HostProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["root", "user"])
def user(request: pytest.FixtureRequest) -> int:
    found = 0 if request.param == "root" else (os.geteuid() or fenced_calls.USER)
    why = fenced_calls.missing(found)
    if why:
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def folder(user: int) -> Iterator[Path]:
    """A directory of that user, which others can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="fenced-") as made:
        Path(made).chmod(0o755)
        fenced_calls.place_code(Path(made) / "code")
        (Path(made) / "own").mkdir()
        if os.geteuid() == 0:
            os.chown(Path(made) / "own", user, user)
        yield Path(made)


@pytest.fixture(scope="module")
def host(user: int, folder: Path) -> Iterator[HostProcess]:
    with HostProcess(
        folder / "code", user, PLACE=str(folder / "own"), SSH_AUTH_SOCK="/x", NOTIFY_SOCKET="/y"
    ) as made:
        yield made
