"""What the service prints in the foreground when it is asked to end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.service.root_service import service
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

BOTH = "stopping: 2 processes finish their current steps within 60 s; "


@pytest.mark.parametrize(
    ("asked", "next_one", "expected"),
    [
        (signal.SIGINT, signal.SIGINT, f"{BOTH}Ctrl-C once more stops them now"),
        (signal.SIGTERM, signal.SIGQUIT, f"{BOTH}SIGQUIT stops them now"),
    ],
)
def test_it_prints_once_what_it_waits_for_and_how_to_expedite_it(
    tmp_path: Path, asked: signal.Signals, next_one: signal.Signals, expected: str
) -> None:
    with service(tmp_path, drain_timeout=60.0, quit_timeout=0.2) as made:
        made.up(notify=False)
        for n in (1, 2):
            log = tmp_path / f"log{n}"
            made.start_loop(n, "stubborn print=up", log=str(log))
            until(lambda log=log: log.exists() and "up" in log.read_text())
        os.kill(made.pid, asked)
        made.reported("drain")
        # Asked again in the same way, SIGTERM changes nothing.
        os.kill(made.pid, signal.SIGTERM)
        assert "stopping now" not in made.errors()
        os.kill(made.pid, next_one)
        assert made.wait() == 0
        printed = [one.removeprefix("ftl2-enterprise: ") for one in made.errors().splitlines() if "stopping" in one]
        assert printed == [expected, "stopping now"]


def test_it_prints_that_no_step_is_in_progress(tmp_path: Path) -> None:
    with service(tmp_path) as made:
        made.up(notify=False)
        os.kill(made.pid, signal.SIGINT)
        assert made.wait() == 0
        assert "stopping: no process has a step in progress\n" in made.errors()
