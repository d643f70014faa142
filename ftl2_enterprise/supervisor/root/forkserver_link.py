"""Root's side of the forkserver: starts it, and asks it for one child at a time."""

from __future__ import annotations

import fcntl
import os
import signal

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import process_tree
from ftl2_enterprise.supervisor.root.channel import Channel, pair
from ftl2_enterprise.supervisor.root.child_table import Child
from ftl2_enterprise.supervisor.root.config import CONTROL, FORKSERVER, OWN, WRITER
from ftl2_enterprise.supervisor.root.stderr import WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from ftl2_enterprise.supervisor.root.channel import Message
    from ftl2_enterprise.supervisor.root.event_loop import Timer
    from ftl2_enterprise.supervisor.root.main import Root

CHANNEL_FD, HEARTBEAT_FD, SAFE_FD = 3, 4, 10
MOST_ATTEMPTS = 2
NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", process_tree.CALL_MARK.decode().removesuffix("="),
)  # fmt: skip
"""The service manager listens to root alone; and a service that an action has started is no part of that action."""


def variables() -> dict[str, str]:
    """The environment of what root executes."""
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}


class Request:
    """A child that is wanted."""

    def __init__(
        self, key: str, argument: str, *, limits: Mapping[str, object] | None = None, log: str | None = None
    ) -> None:
        self.key = key
        self.argument = argument
        self.limits = limits
        self.log = log
        self.stop: tuple[str, float] | None = None
        """It was asked to end before it began."""
        self.attempts = 0
        """Forkservers that ended before they had answered it."""
        self.slot: int | None = None
        self.cgroup: str | None = None
        self.ends: tuple[socket.socket, ...] = ()
        """Of control's channel."""


class Forker:
    """The forkserver, and what waits for it."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._channel: Channel | None = None
        self._is_ready = False
        self._own: dict[str, Request] = {}
        self._waiting: dict[str, Request] = {}
        self._timer: Timer | None = None
        self.in_flight: Request | None = None
        self.early: dict[int, int] = {}
        """What ended before the forkserver has said for which key it was forked."""

    def start(self) -> None:
        """Execute the forkserver."""
        root = self._root
        ours, theirs = pair()
        # Out of the way of the numbers that they get in the child.
        fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SAFE_FD) for fd in (theirs.fileno(), root.slots.fd)]
        argv = [*root.config.forkserver, str(os.getpid()), str(root.config.heartbeat)]
        try:
            null = os.open(os.devnull, os.O_RDWR)
            fds.append(null)
            actions = [(os.POSIX_SPAWN_DUP2, fd, n) for fd, n in zip(fds, (CHANNEL_FD, HEARTBEAT_FD, 0), strict=True)]
            pid = os.posix_spawn(
                argv[0],
                argv,
                variables(),
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=[signal.SIGPIPE],
            )
        except OSError as error:
            ours.close()
            say(f"cannot execute {argv[0]}: {error.strerror}", WARNING)
            root.own.failed(FORKSERVER, 0.0)
            return
        finally:
            theirs.close()
            for fd in fds:
                os.close(fd)
        self._channel = Channel(FORKSERVER, ours, root.loop, received=self._received, closed=self._closed)
        child = Child(FORKSERVER, pid, generation=root.generation)
        root.table.add(child)
        self._expect(root.config.import_timeout)
        root.own.started(child)

    def request(self, request: Request) -> None:
        """Have it forked when its turn comes; the supervisor's own processes come first."""
        (self._own if request.key in OWN else self._waiting)[request.key] = request
        self.pump()

    def find(self, key: str) -> Request | None:
        """What has been requested and is not a child yet."""
        if self.in_flight is not None and self.in_flight.key == key:
            return self.in_flight
        return self._waiting.get(key)

    def forget(self, key: str) -> bool:
        """Take a request back; False when it is under way or there is none."""
        return self._waiting.pop(key, None) is not None

    def waiting(self) -> list[str]:
        """Keys of loops that wait for their turn."""
        return list(self._waiting)

    def pump(self) -> None:
        """Ask for the next one, unless one is under way or something of a dead one is left."""
        root = self._root
        root.slots.announce(len(self._waiting))
        while self._is_ready and self._channel and not self.in_flight and not root.children.cleaning:
            queue = self._own or self._waiting
            if not queue:
                return
            request = queue.pop(next(iter(queue)))
            if request.key not in OWN or root.ending.wants(request.key):
                self._send(self._channel, request)

    def died(self) -> None:
        """Its process has ended."""
        if self._channel is not None:
            self._channel.finish()
        self._lost()

    # --- one request ---------------------------------------------------------------------------------------------

    def _send(self, channel: Channel, request: Request) -> None:
        root = self._root
        request.slot = root.table.take_slot()
        if request.slot is None:
            self._refuse(request, "there are too many processes")
            return
        root.slots.beat(request.slot)
        try:
            if request.limits and root.cgroup:
                request.cgroup = cgroups.make(root.cgroup, request.key, request.limits)
        except (OSError, ValueError) as error:
            self._refuse(request, f"its cgroup cannot be made: {error}")
            return
        descriptors: dict[str, int] = {}
        if request.key == WRITER:
            descriptors["writer"] = root.writer_socket.fileno()
        elif request.key == CONTROL:
            request.ends = pair()
            descriptors = {"root": request.ends[1].fileno(), "control": root.control_socket.fileno()}
        message: Message = {
            "fork": request.key, "slot": request.slot, "argument": request.argument, "cgroup": request.cgroup,
            "log": request.log, "descriptors": list(descriptors),
            "oom": 0 if request.key in OWN else root.config.oom_score_adj,
        }  # fmt: skip
        self.in_flight = request
        self._expect(root.config.fork_timeout)
        if not channel.send(message, list(descriptors.values())):
            self._hung_up()

    def _received(self, message: Message) -> None:
        root, request = self._root, self.in_flight
        if message.get("ready"):
            self._expect(None)
            self._is_ready = True
            root.own.records[FORKSERVER].is_ready = True
            root.forkserver_is_ready()
            self.pump()
            return
        key = message.get("forked", message.get("failed"))
        if request is None or key != request.key:
            raise ValueError("it answers what was not asked")
        self._expect(None)
        self.in_flight = None
        if "failed" in message:
            self._refuse(request, str(message["why"]))
        else:
            self._forked(request, int(str(message["pid"])))
        self.early.clear()
        # All of them may have waited for this answer.
        root.children.clean()
        root.ending.go_on()
        root.upgrade.go_on()
        self.pump()

    def _forked(self, request: Request, pid: int) -> None:
        root = self._root
        child = Child(
            request.key, pid, slot=request.slot, argument=request.argument, cgroup=request.cgroup,
            generation=root.generation,
        )  # fmt: skip
        root.table.add(child)
        if child.is_own:
            root.own.started(child)
        else:
            root.control.tell_started(child)
        if request.ends:
            request.ends[1].close()
            root.control.connect(request.ends[0])
            request.ends = ()
        if request.stop is not None:
            root.children.stop(child, *request.stop)
        root.ending.caught(child)
        if pid in self.early:
            root.children.gone(child, self.early[pid])

    def _refuse(self, request: Request, why: str) -> None:
        self._release(request)
        say(f"cannot start {request.key}: {why}", WARNING)
        if request.key in OWN:
            self._root.own.failed(request.key, 0.0)
        else:
            self._root.control.tell_not_started(request.key, why)

    def _release(self, request: Request) -> None:
        self._root.table.give_slot(request.slot)
        request.slot = None
        if request.cgroup is not None:
            cgroups.remove(request.cgroup)
            request.cgroup = None
        for end in request.ends:
            end.close()
        request.ends = ()

    # --- its end -------------------------------------------------------------------------------------------------

    def _expect(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._root.loop.after(seconds, self._late)

    def _late(self) -> None:
        say("the forkserver does not answer", WARNING)
        self._hung_up()

    def _closed(self) -> None:
        self._is_ready = False
        child = self._root.table.get(FORKSERVER)
        if child is not None:
            self._root.children.expect_end(child)

    def _hung_up(self) -> None:
        child = self._root.table.get(FORKSERVER)
        if child is not None:
            self._root.children.kill(child, "hung")

    def _lost(self) -> None:
        self._channel = None
        self._is_ready = False
        self._expect(None)
        request, self.in_flight = self.in_flight, None
        if request is None:
            return
        # Whether it was forked is not known; if it was, it is nobody's and is killed before the next fork.
        request.attempts += 1
        if request.attempts > MOST_ATTEMPTS:
            self._refuse(request, "the forkserver ends when it is asked for it")
            return
        self._release(request)
        queue = self._own if request.key in OWN else self._waiting
        rest = dict(queue)
        queue.clear()
        queue[request.key] = request
        queue.update(rest)
