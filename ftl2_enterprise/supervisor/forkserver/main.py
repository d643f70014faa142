"""The process from which every other one is forked. It imports everything, and does nothing else."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor import prctl
from ftl2_enterprise.supervisor.forkserver import child_start, prefork
from ftl2_enterprise.supervisor.heartbeat import Slots
from ftl2_enterprise.supervisor.root import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.forkserver.child_start import Firsts, Kinds
    from ftl2_enterprise.supervisor.forkserver.prefork import Batch

CHANNEL_FD, HEARTBEAT_FD = 3, 4
CHECK_OPTION = "--check"
ARGUMENTS = 4
"""Of the command: the module, the version of the messages, the pid of root, the seconds between heartbeats."""
BATCH_PATIENCE = 0.05
"""Seconds without a request of root after which the rest of a batch is not needed."""
UNUSABLE = 78
"""Exit status when it can never fork safely (EX_CONFIG)."""


def serve(
    kinds: Kinds,
    warm_up: Callable[[], None],
    firsts: Firsts | None = None,
    *,
    schema: str = "",
    why_not_in_place: Callable[[str], str | None] = lambda argument: None,
) -> int:
    """Fork the children that root requests until root is gone; returns the exit status.

    `kinds` maps the part of a key before the colon to the work of such a child, `firsts` to what it does before that,
    while it has one thread and may still fork. `warm_up` does once what every child would have to do first. `schema`
    is that of the database which these children need. `why_not_in_place` gets the argument of the writer; it returns
    why this program cannot take over a running service, or None.
    """
    if CHECK_OPTION in sys.argv:
        warm_up()
        if (why := why_not_in_place(sys.argv[-1])) is not None:
            print(why, file=sys.stderr)  # noqa: T201
            return messages.OTHER_VERSION
        return _unfit_to_fork()
    if len(sys.argv) != ARGUMENTS or sys.argv[1] != str(messages.VERSION):
        print("cannot serve this root: it is of a version that sends other messages", file=sys.stderr)  # noqa: T201
        return messages.OTHER_VERSION
    root, every = int(sys.argv[2]), float(sys.argv[3])
    prctl.die_with_parent()
    if os.getppid() != root:
        return 0
    os.set_inheritable(CHANNEL_FD, False)  # noqa: FBT003
    # Ctrl-C is handled by root.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A child may be woken before it has run at all, and the signal must not kill it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    slots = Slots(HEARTBEAT_FD)
    os.close(HEARTBEAT_FD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The output of a child must not be lost when it is killed.
            stream.reconfigure(line_buffering=True)
    warm_up()
    if status := _unfit_to_fork():
        return status
    # Without this, each child would copy most of the memory with its first garbage collection.
    gc.collect()
    gc.freeze()
    # The program may have loaded without collections.
    gc.enable()
    setting = child_start.ForkSetting(root=root, every=every, slots=slots, kinds=kinds, firsts=firsts or {})
    with socket.socket(fileno=CHANNEL_FD) as channel:
        channel.send(json.dumps({"type": "ready", "schema": schema}).encode())
        forker = Forker(setting, channel)
        while True:
            forker.prepare()
            if not select.select([channel], [], [], forker.patience)[0]:
                forker.release()
                continue
            try:
                data, fds, _, _ = socket.recv_fds(channel, child_start.LARGEST, child_start.MOST_DESCRIPTORS)
            except ConnectionError:
                return 0
            if not data:
                return 0
            try:
                channel.send(json.dumps(forker.answer(data, fds)).encode())
            except ConnectionError:
                return 0
            finally:
                for fd in fds:
                    os.close(fd)


class Forker:
    """Forks the requested children, with one child in advance, or more while root has many to fork."""

    def __init__(self, setting: child_start.ForkSetting, channel: socket.socket) -> None:
        self._setting = setting
        self._channel = channel
        self._batch: Batch | None = None
        self._ending: list[int] = []
        """Pids of killed intermediate processes. Root is answered before they have ended, which takes a while."""

    @property
    def patience(self) -> float | None:
        """Seconds to wait for the next request before `release`.

        None when no child waits for root as its parent, and only one for an order.
        """
        batch = self._batch
        return BATCH_PATIENCE if batch is not None and (batch.has_ordered or len(batch.unassigned) > 1) else None

    def prepare(self) -> None:
        """Fork children in advance. A failure is ignored: the next request reports it if it persists."""
        while self._ending:
            os.waitpid(self._ending.pop(), 0)
        if self._batch is None:
            # One of those that root announced is the child of the last request, of whose fork it may not know yet.
            count = min(max(self._setting.slots.waiting - 1, 1), prefork.LARGEST_BATCH)
            with contextlib.suppress(OSError):
                self._batch = prefork.fork(self._setting, self._channel, count)

    def release(self) -> None:
        """Make root the parent of the children that have an order, and end those without one."""
        if self._batch is not None:
            self._batch.release()
            self._ending.append(self._batch.between)
            self._batch = None

    def answer(self, request: bytes, fds: list[int]) -> dict[str, Any]:
        """Execute a request of root, with its descriptors; returns the answer."""
        order = child_start.Order.read(request, fds)
        if order.kind not in self._setting.kinds:
            return {"type": "failed", "key": order.key, "why": f"there is no kind {order.kind!r}"}
        try:
            return {"type": "forked", "key": order.key, "pid": self._give(request, fds)}
        except OSError as error:
            return {"type": "failed", "key": order.key, "why": error.strerror or str(error)}

    def _give(self, request: bytes, fds: list[int]) -> int:
        while self._batch is not None:
            # A child that was killed in the meantime cannot be given the order.
            with contextlib.suppress(ConnectionError):
                return self._become(self._batch, request, fds)
        self._batch = prefork.fork(self._setting, self._channel)
        return self._become(self._batch, request, fds)

    def _become(self, batch: Batch, request: bytes, fds: list[int]) -> int:
        one = batch.take()
        try:
            one.become(request, fds)
        finally:
            if not batch.unassigned:
                self.release()
        return one.pid


def _unfit_to_fork() -> int:
    """0, or an exit status, after a message, if children must not be forked from this process."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - only the number is needed
    if threads == 1:
        return 0
    print(f"cannot fork: {threads} threads run after the imports", file=sys.stderr)  # noqa: T201
    return UNUSABLE
