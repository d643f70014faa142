"""Life signs: a number in shared memory for each child, which a thread of the child keeps setting to the time."""

from __future__ import annotations

import mmap
import os
import time

SLOTS = 16384
SIZE = 8
SHARED = (SLOTS + 1) * SIZE
"""Bytes: the slots, and the number of children that are still to be forked."""


class Slots:
    """The shared memory; made by root, inherited by everybody."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._numbers = memoryview(mmap.mmap(fd, SHARED, trackfd=False)).cast("q")

    def beat(self, slot: int) -> None:
        """Set it to now."""
        # One aligned store of 8 bytes: a reader sees the old time or the new one.
        self._numbers[slot] = time.monotonic_ns()

    def beaten(self, slot: int) -> float:
        """When it was last set, as time.monotonic tells it."""
        return self._numbers[slot] / 1e9

    def announce(self, waiting: int) -> None:
        """Publish how many children are still to be forked; called by root only."""
        self._numbers[SLOTS] = waiting

    @property
    def waiting(self) -> int:
        """How many children are still to be forked."""
        return self._numbers[SLOTS]

    def beat_forever(self, slot: int, every: float) -> None:
        """Keep setting it; what a thread of the child does."""
        while True:
            self.beat(slot)
            time.sleep(every)


def create() -> Slots:
    """New ones."""
    fd = os.memfd_create("heartbeats")
    os.ftruncate(fd, SHARED)
    return Slots(fd)
