"""What a child does between the fork and its own work.

A child is forked before it is known what it will be. It waits for the order of root (key, argument, descriptors),
sets its name, output and cgroup, and waits until root is its parent, so that it can bind its life to that of root.
Then the kind of the child decides. Up to the heartbeat there is one thread, so the child may still fork.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ftl2_enterprise.supervisor import cgroups, prctl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl2_enterprise.supervisor.heartbeat import Slots

    type Kinds = Mapping[str, Callable[["ChildContext"], int]]
    type Firsts = Mapping[str, "First"]

LARGEST = 1 << 17
"""Bytes of an order: more than a message of control to root, to which root adds fields."""
MOST_DESCRIPTORS = 16
CRASHED = 70
"""Exit status when the child's own work raised (EX_SOFTWARE)."""
DEFAULT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGCHLD)
PARENT_ENDED = signal.SIGURG
"""A signal that is ignored by default."""
REPARENTED = 0.0002
"""Seconds between two checks whether root is the parent."""
PATIENCE = 2.0
"""Maximum seconds for which a child lets others begin before it works."""
PAUSE_FOR_EACH, SHORTEST_PAUSE = 0.004, 0.01
"""Seconds. The first one is what the fork of a child takes on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class ChildContext:
    """What a child gets for its work."""

    key: str
    """What it is for, such as `note:17`."""
    argument: str
    descriptors: Mapping[str, int]
    """By name: control has `root` and `control`, the writer has `writer`."""
    beat: Callable[[], None]
    """Send a heartbeat; a thread also does so periodically."""
    first: Any = None
    """The result of the `First` of its kind, from before that thread existed."""

    @property
    def name(self) -> str:
        """The part of the key after the colon."""
        return self.key.partition(":")[2]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A child that root requests; `read` decodes the message and the descriptors that came with it."""

    key: str
    slot: int
    argument: str = ""
    cgroup: str | None = None
    log: str | None = None
    oom: int = 0
    descriptors: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def kind(self) -> str:
        """The part of the key before the colon."""
        return self.key.partition(":")[0]

    @classmethod
    def read(cls, data: bytes, fds: Sequence[int]) -> Order:
        """Decode a request of root (`root/messages.py`). Raises ValueError and KeyError."""
        given: dict[str, Any] = json.loads(data)
        return cls(
            key=given["key"], slot=given["slot"], argument=given["argument"], cgroup=given["cgroup"],
            log=given["log"], oom=given["oom"], descriptors=dict(zip(given["descriptors"], fds, strict=True)),
        )  # fmt: skip


class First(NamedTuple):
    """What a child of some kind does before its work, while it has one thread and may still fork."""

    claim: Callable[[Order], Any]
    """Called at once, for what other processes should know as soon as possible."""
    prepare: Callable[[Order, Any], Any]
    """Called with the result of `claim`, after the children that wait to be forked. Its result is `context.first`."""


@dataclass(frozen=True, kw_only=True)
class ForkSetting:
    """What is the same for every child."""

    root: int
    """Its pid."""
    every: float
    """Seconds between heartbeats."""
    slots: Slots
    kinds: Kinds
    firsts: Firsts


def run(orders: socket.socket, setting: ForkSetting, *, between: int, is_alone: bool) -> NoReturn:
    """Wait for an order, become that child, do its work and end the process.

    `between` is the pid of the parent, which ends when each of its children has an order. `is_alone` is whether it
    has only this one.
    """
    status = CRASHED
    try:
        _prepare()
        order = _wait_for_order(orders)
        _become(order)
        _end_without(setting.root, between)
        first = setting.firsts.get(order.kind)
        claimed = first.claim(order) if first else None
        _wait_for_root(setting.root, between)
        if first:
            _let_others_begin(setting.slots, is_alone=is_alone)
        made = first.prepare(order, claimed) if first else None
        setting.slots.beat(order.slot)
        _thread.start_new_thread(_beat, (setting, order.slot))
        context = ChildContext(
            key=order.key, argument=order.argument, descriptors=order.descriptors,
            beat=lambda: setting.slots.beat(order.slot), first=made,
        )  # fmt: skip
        status = setting.kinds[order.kind](context)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _let_others_begin(slots: Slots, *, is_alone: bool) -> None:
    """Wait while root has other children to fork, and then until those that were forked last have begun.

    Otherwise the work of the existing children would take the processor time that the forks need: of 200 children
    that begin at once, the last one would begin when most of the others have finished.
    """
    until = time.monotonic() + PATIENCE
    has_company = not is_alone
    while (waiting := slots.waiting) > 0 and (left := until - time.monotonic()) > 0:
        has_company = True
        # As long as the forks are expected to take, so that few checks are needed.
        time.sleep(min(left, max(SHORTEST_PAUSE, waiting * PAUSE_FOR_EACH)))
    if has_company:
        # Root knows that the last ones have their orders, but not yet what they claim.
        time.sleep(SHORTEST_PAUSE)


def _beat(setting: ForkSetting, slot: int) -> None:
    # Hundreds of processes that wake one by one cost more than those that wake together.
    prctl.wake_late(setting.every / 4)
    setting.slots.beat_forever(slot, setting.every)


def _prepare() -> None:
    os.setsid()
    for number in DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    # SIGUSR1 stays ignored, as in the forkserver, until the child handles it: it reads its row when it begins anyway.
    # The child is the subreaper of its processes, so that root knows whose leftovers they are.
    prctl.adopt_orphans()


def _wait_for_order(orders: socket.socket) -> Order:
    with orders:
        data, fds, _, _ = socket.recv_fds(orders, LARGEST, MOST_DESCRIPTORS)
    if not data:
        # The forkserver has ended.
        os._exit(0)
    return Order.read(data, fds)


def _become(order: Order) -> None:
    prctl.set_name(order.key)
    if order.log is not None:
        _redirect(order.log)
    if order.oom:
        _set_oom_score(order.oom)
    if order.cgroup is not None:
        try:
            cgroups.join(order.cgroup)
        except OSError as error:
            print(f"cannot enter the cgroup {order.cgroup}: {error.strerror}", file=sys.stderr)  # noqa: T201


def _end_without(root: int, between: int) -> None:
    """End this process when its parent ends and root does not become its parent.

    Root may end while the child claims something, for which it would wait in vain: the writer ends with root.
    """

    def adopted(number: int, frame: object) -> None:
        if os.getppid() != root:
            os._exit(0)

    signal.signal(PARENT_ENDED, adopted)
    prctl.signal_when_parent_ends(PARENT_ENDED)
    # The parent may have ended before the kernel was asked for the signal.
    if os.getppid() not in {root, between}:
        os._exit(0)


def _wait_for_root(root: int, between: int) -> None:
    """Wait until root is the parent, and let the kernel kill this process when root ends."""
    while (parent := os.getppid()) == between:
        time.sleep(REPARENTED)
    if parent == root:
        prctl.die_with_parent()
        parent = os.getppid()
    # Root may have ended before it was the parent, or before the kernel was asked for the signal.
    if parent != root:
        os._exit(0)
    signal.signal(PARENT_ENDED, signal.SIG_DFL)


def _redirect(log: str) -> None:
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    except OSError as error:
        print(f"cannot write the log {log}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _set_oom_score(score: int) -> None:
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - a path object would cost more
            file.write(str(score))
    except OSError:
        pass
