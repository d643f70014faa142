"""Children that are forked in advance, so that a request of root does not wait for the fork.

Root is the parent of every child that has an order. Until then an intermediate process is, which does nothing: root
would take a child without an order for a leftover. Root becomes the parent when the intermediate process is killed.
One intermediate process serves a batch of children: its own fork and end take longer than the fork of a child.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor import prctl
from ftl2_enterprise.supervisor.forkserver import child_start

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "spare"
"""What `ps` shows for the children and the intermediate process."""
LARGEST_BATCH = 8
"""Children of a batch. The first one waits for root as its parent until the last one has its order."""
_REPORT = 4096
"""Bytes of the report of an intermediate process: more than the pids of a batch."""


@dataclass(frozen=True, kw_only=True)
class Spare:
    """A child that waits for an order. It ends when the other end of `orders` is closed."""

    pid: int
    orders: socket.socket

    def become(self, order: bytes, fds: Sequence[int]) -> None:
        """Send the order of root. Raises ConnectionError if the child was killed in the meantime, and OSError."""
        with self.orders:
            socket.send_fds(self.orders, [order], fds)


@dataclass(kw_only=True)
class Batch:
    """Children of one intermediate process."""

    between: int
    """Its pid. The caller waits for its end after `release`."""
    unassigned: list[Spare]
    """Those without an order."""
    has_ordered: bool = False
    """Whether a child has an order, and waits for root as its parent."""

    def take(self) -> Spare:
        """The next child without an order. Raises IndexError."""
        self.has_ordered = True
        return self.unassigned.pop(0)

    def release(self) -> None:
        """End the children without an order and the intermediate process."""
        for spare in self.unassigned:
            spare.orders.close()
        self.unassigned.clear()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.between, signal.SIGKILL)


def fork(setting: child_start.ForkSetting, channel: socket.socket, count: int = 1) -> Batch:
    """Fork up to `count` children in advance, at least one. Raises OSError."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    ours, theirs = [one for one, _ in pairs], [one for _, one in pairs]
    try:
        between, pids = _fork_twice(setting, theirs, (channel, *ours))
    except OSError:
        _close(ours)
        raise
    finally:
        _close(theirs)
    _close(ours[len(pids) :])
    return Batch(
        between=between,
        unassigned=[Spare(pid=pid, orders=orders) for pid, orders in zip(pids, ours, strict=False)],
    )


def _fork_twice(
    setting: child_start.ForkSetting, orders: Sequence[socket.socket], not_theirs: Sequence[socket.socket]
) -> tuple[int, list[int]]:
    """Fork the intermediate process, which forks the children; returns its pid and theirs. Raises OSError."""
    read, write = os.pipe()
    forkserver = os.getpid()
    try:
        between = os.fork()
        if between == 0:
            os.close(read)
            _close(not_theirs)
            _between(forkserver, orders, setting, write)
        os.close(write)
        write = -1
        reply = b"".join(iter(lambda: os.read(read, _REPORT), b"")).split()
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)
    pids = [int(word) for word in reply if word.isdigit()]
    if pids:
        return between, pids
    os.waitpid(between, 0)
    number = -int(reply[0]) if reply else errno.EAGAIN
    raise OSError(number, os.strerror(number))


def _between(forkserver: int, orders: Sequence[socket.socket], setting: child_start.ForkSetting, write: int) -> None:
    """Be the intermediate process: fork the children, report their pids, and wait to be killed."""
    try:
        own = os.getpid()
        prctl.set_name(NAME)
        prctl.die_with_parent()
        if os.getppid() != forkserver:
            return
        for index, theirs in enumerate(orders):
            try:
                pid = os.fork()
            except OSError as error:
                os.write(write, f"{-(error.errno or 0)} ".encode())
                if index == 0:
                    return
                break
            if pid == 0:
                os.close(write)
                # An order for another child must fail when that child is gone.
                _close(orders[index + 1 :])
                child_start.run(theirs, setting, between=own, is_alone=len(orders) == 1)
            theirs.close()
            os.write(write, f"{pid} ".encode())
        _close(orders)
        os.close(write)
        while True:
            signal.pause()
    finally:
        os._exit(0)


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()
