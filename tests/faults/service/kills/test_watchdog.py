"""The watchdog of the service manager hears of the whole service: in time when idle, never when a part hangs."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.service.daemon import daemon
from tests.support.waiting import until

PERIOD = 3.0
"""Seconds; far less than is sensible."""


def hear(manager: socket.socket, end: float) -> list[float]:
    """When it was notified that the service is alive, from now on."""
    notified: list[float] = []
    while (left := end - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            if b"WATCHDOG=1" in manager.recv(65536).split(b"\n"):
                notified.append(time.monotonic())
        except TimeoutError:
            break
    return notified


def is_notified(manager: socket.socket, seconds: float) -> bool:
    """Whether it is notified within that time that the service is alive; returns at the first notification."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        manager.settimeout(left)
        with contextlib.suppress(TimeoutError):
            if b"WATCHDOG=1" in manager.recv(65536).split(b"\n"):
                return True
    return False


def stop_when_notified(manager: socket.socket, pid: int) -> None:
    """Stop the process just after a notification: the next one is due a third of the period later."""
    while True:
        hear(manager, time.monotonic() + 0.01)
        assert is_notified(manager, PERIOD)
        heard = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        # It may have to wait for a processor, or for a disk, before it stops.
        until(lambda: is_stopped(pid))
        if time.monotonic() - heard < PERIOD / 10:
            return
        # This process had to wait for a processor, and the next notification may be in progress.
        os.kill(pid, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Whether the process still exists, and is stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


# A control that is silent for two thirds of the period is replaced, which ends the silence.
@pytest.mark.parametrize("hung", ["control", "writer"])
def test_an_idle_service_feeds_the_watchdog_and_a_hung_one_does_not(tmp_path: Path, hung: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, daemon(tmp_path) as service:
        manager.bind(str(tmp_path / "notify"))
        service.start(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(PERIOD * 1e6))})
        hear(manager, time.monotonic() + 0.1)
        began = time.monotonic()
        notified = [began, *hear(manager, began + 2 * PERIOD), began + 2 * PERIOD]
        assert max(later - earlier for earlier, later in itertools.pairwise(notified)) < PERIOD
        pid = service.pids()[hung]
        stop_when_notified(manager, pid)
        end = time.monotonic() + PERIOD
        while is_stopped(pid) and time.monotonic() < end:
            # A notification counts only if the process was still stopped when it had arrived.
            assert not (is_notified(manager, 0.05) and is_stopped(pid))
        if is_stopped(pid):
            os.kill(pid, signal.SIGCONT)
        assert is_notified(manager, 10 * PERIOD)
