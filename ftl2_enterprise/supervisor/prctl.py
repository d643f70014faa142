"""Attributes of this process that only prctl(2) sets."""

from __future__ import annotations

import ctypes
import signal

PDEATHSIG, NAME, TIMERSLACK, CHILD_SUBREAPER = 1, 15, 29, 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent ends. The caller must check afterwards that the parent still exists."""
    signal_when_parent_ends(signal.SIGKILL)


def signal_when_parent_ends(number: signal.Signals) -> None:
    """Get this signal when the parent ends. The caller must check afterwards that the parent still exists."""
    _prctl(PDEATHSIG, int(number), 0, 0, 0)


def set_name(name: str) -> None:
    """Set the name that `ps` and `top` show: at most 15 bytes."""
    _prctl(NAME, name.encode()[:15], 0, 0, 0)


def wake_late(seconds: float) -> None:
    """Let the kernel wake this thread up to that much later than requested, together with others."""
    _prctl(TIMERSLACK, ctypes.c_ulong(int(seconds * 1e9)), 0, 0, 0)
