"""A child that is forked in advance, so that a request of root does not wait for the fork."""

from __future__ import annotations

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
"""What `ps` shows for the child and its parent."""


@dataclass(frozen=True, kw_only=True)
class Spare:
    """A child that waits for an order. It ends with the forkserver."""

    pid: int
    between: int
    """The pid of its parent, which does nothing. While it lives, the child is not one of root, which would take it
    for a leftover."""
    orders: socket.socket

    def become(self, order: bytes, fds: Sequence[int]) -> None:
        """Send the order of root, and kill the parent, for which the caller has to wait.

        Raises ConnectionError if the child was killed in the meantime, and OSError.
        """
        try:
            socket.send_fds(self.orders, [order], fds)
        finally:
            self.orders.close()
            os.kill(self.between, signal.SIGKILL)


def fork(setting: child_start.ForkSetting, channel: socket.socket) -> Spare:
    """Fork a child in advance. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            between, pid = _fork_twice(setting, theirs, (channel, ours))
        except OSError:
            ours.close()
            raise
    return Spare(pid=pid, between=between, orders=ours)


def _fork_twice(
    setting: child_start.ForkSetting, orders: socket.socket, not_theirs: Sequence[socket.socket]
) -> tuple[int, int]:
    """Fork the intermediate process, which forks the child; returns their pids. Raises OSError."""
    read, write = os.pipe()
    forkserver = os.getpid()
    try:
        between = os.fork()
        if between == 0:
            os.close(read)
            for end in not_theirs:
                end.close()
            _between(forkserver, orders, setting, write)
        os.close(write)
        write = -1
        said = os.read(read, 64)
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)
    if said.isdigit():
        return between, int(said)
    os.waitpid(between, 0)
    number = -int(said) if said else errno.EAGAIN
    raise OSError(number, os.strerror(number))


def _between(forkserver: int, orders: socket.socket, setting: child_start.ForkSetting, write: int) -> None:
    """Be the intermediate process: fork the child, report its pid, and wait to be killed."""
    try:
        own = os.getpid()
        prctl.set_name(NAME)
        prctl.die_with_parent()
        if os.getppid() != forkserver:
            return
        pid = os.fork()
        if pid == 0:
            os.close(write)
            child_start.run(orders, setting, between=own)
        orders.close()
        os.write(write, str(pid).encode())
        os.close(write)
        while True:
            signal.pause()
    except OSError as error:
        os.write(write, str(-(error.errno or 0)).encode())
    finally:
        os._exit(0)
