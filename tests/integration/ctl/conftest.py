"""A scripted service, and command lines of ftl2ctl that run in this process against it."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.ctl import main as ctl_main
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from tests.support.scripted.scripted_service import ScriptedService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    type Ctl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    # Short: the path of a socket has at most 107 bytes, and a message with it is to stay on its line.
    with TemporaryDirectory(prefix="ctl-") as directory, ScriptedService(Path(directory) / "s") as found:
        found.on(ListFreezes, [])
        yield found


@pytest.fixture
def ctl(service: ScriptedService, capsys, monkeypatch) -> Ctl:
    """Run a command line; its status and what it wrote to both streams."""
    monkeypatch.setenv("FTL2CTL_SOCKET", str(service.path))

    def run(*words: str, stdin: str | None = None) -> tuple[int, str, str]:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = ctl_main.main(list(words))
        out, err = capsys.readouterr()
        return status, out, err

    return run
