"""The process from which every other one is forked: it has everything imported, and has done nothing else."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor import prctl
from ftl2_enterprise.supervisor.forkserver import child_start
from ftl2_enterprise.supervisor.heartbeat import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.supervisor.forkserver.child_start import Firsts, Kinds

CHANNEL_FD, HEARTBEAT_FD = 3, 4
LARGEST = 1 << 17
"""More than root takes from control, because it adds to it."""
MOST_DESCRIPTORS = 16
CHECK_OPTION = "--check"
UNUSABLE = 78
"""Exit status when it cannot fork safely, whenever it is started (EX_CONFIG)."""


def serve(kinds: Kinds, warm_up: Callable[[], None], firsts: Firsts | None = None) -> int:
    """Fork what root asks for until root is gone; returns the exit status.

    `kinds` maps what is before the colon of a key to what such a child runs, `firsts` to what it does before, while
    it has one thread and can still fork; `warm_up` does once what every child would have to do first.
    """
    if CHECK_OPTION in sys.argv:
        warm_up()
        return _unfit_to_fork()
    root, every = int(sys.argv[-2]), float(sys.argv[-1])
    prctl.die_with_parent()
    if os.getppid() != root:
        return 0
    os.set_inheritable(CHANNEL_FD, False)  # noqa: FBT003
    # Ctrl-C is for root.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A child may be woken before it has run at all; it must not die of that.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    slots = Slots(HEARTBEAT_FD)
    os.close(HEARTBEAT_FD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a child has said is not to be lost when it is killed.
            stream.reconfigure(line_buffering=True)
    warm_up()
    if status := _unfit_to_fork():
        return status
    # Without this each child would copy most of the memory as soon as it collects garbage.
    gc.collect()
    gc.freeze()
    setting = child_start.Setting(root=root, every=every, slots=slots, kinds=kinds, firsts=firsts or {})
    with socket.socket(fileno=CHANNEL_FD) as channel:
        channel.send(b'{"ready":true}')
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(channel, LARGEST, MOST_DESCRIPTORS)
            except ConnectionError:
                return 0
            if not data:
                return 0
            try:
                channel.send(json.dumps(_answer(json.loads(data), fds, setting, channel)).encode())
            except ConnectionError:
                return 0
            finally:
                for fd in fds:
                    os.close(fd)


def _answer(
    request: Mapping[str, Any], fds: list[int], setting: child_start.Setting, channel: socket.socket
) -> dict[str, Any]:
    order = child_start.Order(
        key=request["fork"], slot=request["slot"], argument=request["argument"], cgroup=request["cgroup"],
        log=request["log"], oom=request["oom"], descriptors=dict(zip(request["descriptors"], fds, strict=True)),
    )  # fmt: skip
    if order.kind not in setting.kinds:
        return {"failed": order.key, "why": f"there is no kind {order.kind!r}"}
    try:
        return {"forked": order.key, "pid": _fork_twice(order, setting, channel)}
    except OSError as error:
        return {"failed": order.key, "why": error.strerror or str(error)}


def _fork_twice(order: child_start.Order, setting: child_start.Setting, channel: socket.socket) -> int:
    """Fork a child whose parent ends, so that it becomes root's. Raises OSError."""
    read, write = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            os.close(read)
            _between(order, setting, channel, write)
        os.close(write)
        write = -1
        said = os.read(read, 64)
        os.waitpid(between, 0)
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)
    if not said.isdigit():
        number = -int(said or b"-11")
        raise OSError(number, os.strerror(number))
    return int(said)


def _between(order: child_start.Order, setting: child_start.Setting, channel: socket.socket, write: int) -> None:
    """What the process between forkserver and child does."""
    try:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(write)
            channel.close()
            child_start.run(order, setting, between=own)
        os.write(write, str(pid).encode())
    except OSError as error:
        os.write(write, str(-(error.errno or 0)).encode())
    finally:
        os._exit(0)


def _unfit_to_fork() -> int:
    """0, or an exit status after saying why children must not be forked from here."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - only the number is wanted
    if threads == 1:
        return 0
    print(f"cannot fork: {threads} threads run after the imports", file=sys.stderr)  # noqa: T201
    return UNUSABLE
