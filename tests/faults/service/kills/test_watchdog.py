"""The watchdog of the service manager hears of the whole service: in time when idle, never when a part hangs."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.service.daemon import daemon

if TYPE_CHECKING:
    from pathlib import Path

PERIOD = 3.0
"""Seconds; far less than is sensible."""


def hear(manager: socket.socket, until: float) -> list[float]:
    """When it was notified that the service is alive, from now on."""
    notified: list[float] = []
    while (left := until - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            if b"WATCHDOG=1" in manager.recv(65536).split(b"\n"):
                notified.append(time.monotonic())
        except TimeoutError:
            break
    return notified


# A control that is silent for two thirds of the period is replaced, which ends the silence.
@pytest.mark.parametrize(("hung", "silence"), [("control", PERIOD / 6), ("writer", PERIOD)])
def test_an_idle_service_feeds_the_watchdog_and_a_hung_one_does_not(
    tmp_path: Path, hung: str, silence: float
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, daemon(tmp_path) as service:
        manager.bind(str(tmp_path / "notify"))
        service.start(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(PERIOD * 1e6))})
        pids = service.pids()
        hear(manager, time.monotonic() + 0.1)
        began = time.monotonic()
        notified = [began, *hear(manager, began + 2 * PERIOD), began + 2 * PERIOD]
        assert max(later - earlier for earlier, later in itertools.pairwise(notified)) < PERIOD
        os.kill(pids[hung], signal.SIGSTOP)
        # A notification in progress may still arrive.
        hear(manager, time.monotonic() + 0.2)
        assert hear(manager, time.monotonic() + silence) == []
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[hung], signal.SIGCONT)
        assert hear(manager, time.monotonic() + PERIOD)
