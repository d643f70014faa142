"""What a child does before its own work, and in which order many of them do it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor import heartbeat
from ftl2_enterprise.supervisor.forkserver import child_start
from tests.support.service.root_service import service
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CHILDREN = 12


def test_all_children_claim_before_the_first_one_works(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with service(tmp_path) as root:
        root.up()
        # Root reads them all before it forks the first child, which would otherwise be alone.
        os.kill(root.pid, signal.SIGSTOP)
        for number in range(CHILDREN):
            root.send("start", key=f"polite:{number}", argument=str(notes))
        os.kill(root.pid, signal.SIGCONT)
        until(lambda: notes.exists() and notes.read_text().count("prepared") == CHILDREN)
    lines = notes.read_text().split("\n")[:-1]
    first = next(index for index, line in enumerate(lines) if line.startswith("prepared"))
    # The last one may claim while the others know already that all are forked.
    assert first >= CHILDREN - 1, lines
    assert sorted(lines) == sorted(
        f"{what} polite:{number}" for what in ("claimed", "prepared") for number in range(CHILDREN)
    )


def test_a_single_child_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError(f"it waits for {seconds} s")

    monkeypatch.setattr(child_start.time, "sleep", sleep)
    child_start._let_others_begin(heartbeat.create(), is_alone=True)


def test_a_child_waits_until_root_has_nothing_to_fork() -> None:
    slots = heartbeat.create()
    slots.announce(3)
    waiting = threading.Thread(target=child_start._let_others_begin, args=(slots,), kwargs={"is_alone": True})
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    slots.announce(0)
    waiting.join(child_start.PATIENCE / 2)
    assert not waiting.is_alive()


def test_a_child_waits_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_start, "PATIENCE", 0.05)
    slots = heartbeat.create()
    slots.announce(1000)
    began = time.monotonic()
    child_start._let_others_begin(slots, is_alone=True)
    assert 0.05 <= time.monotonic() - began < child_start.PAUSE_FOR_EACH * 1000


def test_an_announcement_is_no_heartbeat() -> None:
    slots = heartbeat.create()
    slots.beat(heartbeat.SLOTS - 1)
    beaten = slots.beaten(heartbeat.SLOTS - 1)
    slots.announce(7)
    assert (slots.waiting, slots.beaten(heartbeat.SLOTS - 1)) == (7, beaten)
