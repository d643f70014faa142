"""Lines that are typed in the shell."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted.fake_service import PlayedService
from tests.support.terminal.screen import INVITE, invited, shell

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service() -> Iterator[PlayedService]:
    # Short: the path of a socket has at most 107 bytes.
    with TemporaryDirectory(prefix="ctl-") as directory, PlayedService(Path(directory) / "s") as found:
        yield found


def test_without_colours_a_line_of_before_is_not_suggested(service: PlayedService, tmp_path: Path) -> None:
    """It could not be distinguished from what was typed."""
    with shell(service.path, tmp_path, NO_COLOR="1") as screen:
        screen.see(INVITE, "1 running")
        screen.enter("version --client")
        invited(screen, 2)
        screen.type("versi")
        screen.see(f"{INVITE} versi")
        # Ctrl-E goes to the end of the line, and takes what is suggested there.
        screen.type("\x05")
        screen.enter("x")
        screen.see("cannot find a command 'versix'")
