"""A child that is forked before anybody asks for one, so that whoever asks does not wait for the fork."""

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
"""What `ps` shows for the two."""


@dataclass(frozen=True, kw_only=True)
class Spare:
    """A child that waits to be told what it is for; it ends when the forkserver ends before."""

    pid: int
    between: int
    """Its parent, which does nothing: as long as it lives the child is not root's, who takes it for a leftover."""
    orders: socket.socket

    def become(self, order: bytes, fds: Sequence[int]) -> None:
        """Have it carry out root's order, and end its parent, which is to be waited for.

        Raises ConnectionError when it has been killed meanwhile, and OSError.
        """
        try:
            socket.send_fds(self.orders, [order], fds)
        finally:
            self.orders.close()
            os.kill(self.between, signal.SIGKILL)


def fork(setting: child_start.Setting, channel: socket.socket) -> Spare:
    """Fork one. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            between, pid = _fork_twice(setting, theirs, (channel, ours))
        except OSError:
            ours.close()
            raise
    return Spare(pid=pid, between=between, orders=ours)


def _fork_twice(
    setting: child_start.Setting, orders: socket.socket, not_theirs: Sequence[socket.socket]
) -> tuple[int, int]:
    """Fork the process between, and from there the child; their pids. Raises OSError."""
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


def _between(forkserver: int, orders: socket.socket, setting: child_start.Setting, write: int) -> None:
    """Fork the child, tell its pid, and wait for the end."""
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
