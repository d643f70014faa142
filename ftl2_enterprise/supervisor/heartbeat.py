"""Heartbeats: for each child a slot in shared memory, into which a thread of the child writes the monotonic clock."""

from __future__ import annotations

import mmap
import os
import time

SLOTS = 16384
SIZE = 8
SHARED = (SLOTS + 1) * SIZE
"""Bytes: the slots, followed by the number of children that are still to be forked."""


class Slots:
    """The shared memory, which root creates and every process inherits."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._numbers = memoryview(mmap.mmap(fd, SHARED, trackfd=False)).cast("q")

    def beat(self, slot: int) -> None:
        """Write the present time into a slot."""
        # One aligned store of 8 bytes: a reader sees the old time or the new one.
        self._numbers[slot] = time.monotonic_ns()

    def beaten(self, slot: int) -> float:
        """The time of the last heartbeat, on the clock of time.monotonic."""
        return self._numbers[slot] / 1e9

    def announce(self, waiting: int) -> None:
        """Publish how many children are still to be forked; called by root only."""
        self._numbers[SLOTS] = waiting

    @property
    def waiting(self) -> int:
        """How many children are still to be forked."""
        return self._numbers[SLOTS]

    def beat_forever(self, slot: int, every: float) -> None:
        """Write the time every that many seconds, in a thread of the child."""
        while True:
            self.beat(slot)
            time.sleep(every)


def create() -> Slots:
    """Create the shared memory."""
    fd = os.memfd_create("heartbeats")
    os.ftruncate(fd, SHARED)
    return Slots(fd)
