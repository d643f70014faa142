"""A service that does not answer: the user at a terminal is notified, and may set a limit."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise import client
from ftl2_enterprise.ctl import main as ctl
from ftl2_enterprise.ctl.program import TIMEOUT
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A service that lists its loops when this is set."""
    found = threading.Event()

    def answer(_request: ListLoops) -> LoopPage:
        found.wait(30)
        return LoopPage(loops=[builders.loop_line("web")])

    with TemporaryDirectory(prefix="ctl-") as directory, ScriptedService(Path(directory) / "s") as service:
        service.on(ListLoops, answer)
        monkeypatch.setenv("FTL2CTL_SOCKET", str(service.path))
        try:
            yield found
        finally:
            found.set()


def at_terminal(monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
    """Standard error is one; what is written there opens the gate."""
    monkeypatch.setattr(client, "SOON", 0.05)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    write = sys.stderr.write

    def written(text: str) -> int:
        gate.set()
        return write(text)

    monkeypatch.setattr(sys.stderr, "write", written)


def test_a_long_wait_is_explained_once(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    at_terminal(monkeypatch, gate)
    assert ctl.main(["status", "--timeout", "20"]) == 0
    out, err = capsys.readouterr()
    assert "web" in out
    assert err == "the service has not answered for 0 s; waiting up to 20 s (Ctrl-C quits)\n"


@pytest.mark.parametrize("words", [["--timeout", "0.2", "status"], ["status", "--timeout=0.2"]])
def test_in_a_pipe_only_the_end_is_reported(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setattr(client, "SOON", 0.05)
    assert ctl.main(words) == 69
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: cannot wait any longer: the service has not answered within 0.2 s\n")


def test_json_is_for_programs(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal(monkeypatch, gate)
    assert ctl.main(["status", "--json", "--timeout", "0.2"]) == 69
    assert "waiting up to" not in capsys.readouterr().err


def test_a_short_limit_is_not_announced(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal(monkeypatch, gate)
    monkeypatch.setattr(client, "SOON", 0.5)
    assert ctl.main(["status", "--timeout", "0.2"]) == 69
    assert "waiting up to" not in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1", "soon", "1e9"])
def test_a_limit_that_is_no_time_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl.main(["status", f"--timeout={limit}"]) == 2
    assert "cannot take" in capsys.readouterr().err


def test_the_help_shows_the_limit_in_force() -> None:
    assert float(TIMEOUT.default) == client.TIMEOUT
