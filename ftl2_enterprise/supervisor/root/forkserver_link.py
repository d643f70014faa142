"""Root's side of the forkserver: executes it, and requests one child at a time."""

from __future__ import annotations

import fcntl
import os
import signal

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import messages, process_tree
from ftl2_enterprise.supervisor.root.channel import Channel, pair
from ftl2_enterprise.supervisor.root.child_table import ChildRecord
from ftl2_enterprise.supervisor.root.config import CONTROL, CORE, FORKSERVER, WRITER
from ftl2_enterprise.supervisor.root.core_processes import GIVEN_UP
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.child_stopper import ChildStopper
    from ftl2_enterprise.supervisor.root.child_table import ChildTable
    from ftl2_enterprise.supervisor.root.config import Config
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop, Timer
    from ftl2_enterprise.supervisor.root.messages import Message
    from ftl2_enterprise.supervisor.root.resources import Resources

    class ForkserverOwner(Protocol):
        """What the link reports, and what it has to know."""

        generation: int
        """How often root has executed itself."""
        cgroup: str | None
        """The directory below which a child gets a cgroup."""

        def is_needed(self, name: str) -> bool:
            """Whether a core process is still to be started."""
            ...

        def may_fork(self) -> bool:
            """Whether nothing of an ended child is left."""
            ...

        def forkserver_failed(self) -> None:
            """The forkserver could not be executed."""
            ...

        def forkserver_started(self, child: ChildRecord) -> None:
            """The forkserver was executed, and is importing."""
            ...

        def forkserver_is_ready(self) -> None:
            """The forkserver can fork."""
            ...

        def forkserver_is_unusable(self, why: str) -> None:
            """The forkserver must not fork; report why."""
            ...

        def child_forked(self, request: ForkRequest, child: ChildRecord, exit_status: int | None) -> None:
            """A requested child is in the table. It has already ended if there is a status."""
            ...

        def child_not_forked(self, key: str, why: str) -> None:
            """A requested child will not exist."""
            ...

        def fork_answered(self) -> None:
            """The forkserver answered, so no child is without a key."""
            ...

        def give_up(self, sentence: str, status: int) -> None:
            """Stop the service, with that exit status, because it cannot work."""
            ...


CHANNEL_FD, HEARTBEAT_FD, SAFE_FD = 3, 4, 10
MOST_ATTEMPTS = 2
"""Forkservers that may end while they fork the same child."""
NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", process_tree.CALL_MARK.decode().removesuffix("="),
)  # fmt: skip
"""The service manager talks to root alone; and a service that a child started does not belong to that child."""


def child_environment() -> dict[str, str]:
    """The environment of the programs that root executes."""
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}


class ForkRequest:
    """A child that is to be forked."""

    def __init__(
        self, key: str, argument: str, *, limits: Mapping[str, object] | None = None, log: str | None = None
    ) -> None:
        self.key = key
        self.argument = argument
        self.limits = limits
        """Of its cgroup."""
        self.log = log
        """The file for its output; root's output if there is none."""
        self.stop: tuple[str, float] | None = None
        """How it was asked to end (`ChildStopper.stop`) before it was forked."""
        self.attempts = 0
        """Forkservers that ended before they answered."""
        self.slot: int | None = None
        self.cgroup: str | None = None
        self.ends: tuple[socket.socket, ...] = ()
        """Of control: root's end of the channel, and the end of the child."""

    def take_channel(self) -> socket.socket | None:
        """Root's end of the channel to a forked control."""
        if not self.ends:
            return None
        ours, theirs = self.ends
        theirs.close()
        self.ends = ()
        return ours

    @property
    def is_core(self) -> bool:
        """Whether it is for one of the supervisor's own processes."""
        return self.key in CORE


class ForkserverLink:
    """The forkserver, and the requests that wait for it."""

    def __init__(
        self, loop: EventLoop, table: ChildTable, config: Config, resources: Resources, stopper: ChildStopper,
        owner: ForkserverOwner,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._table = table
        self._config = config
        self._resources = resources
        self._stopper = stopper
        self._owner = owner
        self._channel: Channel | None = None
        self._is_ready = False
        self._why_unusable: str = ""
        """Why no child may be forked: the files of the program were replaced. Requests wait."""
        self._core: dict[str, ForkRequest] = {}
        self._waiting: dict[str, ForkRequest] = {}
        self._timer: Timer | None = None
        self._in_flight: ForkRequest | None = None
        self._exited_early: dict[int, int] = {}
        """Statuses of processes that ended before the forkserver answered, by pid."""

    @property
    def key_in_flight(self) -> str | None:
        """The key of the child that the forkserver is forking."""
        return None if self._in_flight is None else self._in_flight.key

    def start(self) -> None:
        """Execute the forkserver."""
        slots, config = self._resources.slots, self._config
        self._why_unusable = ""
        ours, theirs = pair()
        # Duplicates above the numbers that the descriptors get in the child.
        fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SAFE_FD) for fd in (theirs.fileno(), slots.fd)]
        argv = [*config.forkserver, str(messages.VERSION), str(os.getpid()), str(config.heartbeat)]
        try:
            null = os.open(os.devnull, os.O_RDWR)
            fds.append(null)
            actions = [(os.POSIX_SPAWN_DUP2, fd, n) for fd, n in zip(fds, (CHANNEL_FD, HEARTBEAT_FD, 0), strict=True)]
            pid = os.posix_spawn(
                argv[0],
                argv,
                child_environment(),
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=[signal.SIGPIPE],
            )
        except OSError as error:
            ours.close()
            write_line(f"cannot execute {argv[0]}: {error.strerror}", WARNING)
            self._owner.forkserver_failed()
            return
        finally:
            theirs.close()
            for fd in fds:
                os.close(fd)
        self._channel = Channel(FORKSERVER, ours, self._loop, received=self._received, closed=self._closed)
        child = ChildRecord(FORKSERVER, pid, generation=self._owner.generation)
        self._table.add(child)
        self._expect_answer(config.import_timeout)
        self._owner.forkserver_started(child)

    def request(self, request: ForkRequest) -> None:
        """Queue a request. Core processes are forked before the others."""
        (self._core if request.is_core else self._waiting)[request.key] = request
        self.pump()

    def find(self, key: str) -> ForkRequest | None:
        """The request for a child that is not forked yet. Core processes are not found while they wait."""
        if self._in_flight is not None and self._in_flight.key == key:
            return self._in_flight
        return self._waiting.get(key)

    def withdraw(self, key: str) -> bool:
        """Remove a queued request; False when there is none, or the child is already being forked."""
        found = self._waiting.pop(key, None) is not None
        self._announce()
        return found

    def waiting(self) -> list[str]:
        """The keys of the queued requests, without those for core processes."""
        return list(self._waiting)

    def pump(self) -> None:
        """Send the next request, unless the forkserver is busy or something of an ended child is left."""
        self._announce()
        if self._why_unusable and any(self._owner.is_needed(key) for key in self._core):
            self._core.clear()
            # Without control or writer nothing works, and only a start of the service can bring it back.
            self._owner.give_up(self._why_unusable, GIVEN_UP)
        while self._is_ready and self._channel and not self._in_flight and self._owner.may_fork():
            queue = self._core or self._waiting
            if not queue:
                return
            request = queue.pop(next(iter(queue)))
            if not request.is_core or self._owner.is_needed(request.key):
                self._send(self._channel, request)

    def _announce(self) -> None:
        # The child in flight counts too: if the others began to work now, it would have to compete with all of them.
        expected = 0 if self._why_unusable else len(self._waiting) + (self._in_flight is not None)
        self._resources.slots.announce(expected)

    def exited_early(self, pid: int, status: int) -> None:
        """Remember the end of a process that is not in the table: its pid may be in the next answer."""
        if self._in_flight is not None:
            self._exited_early[pid] = status

    def exited(self) -> None:
        """The forkserver has ended: process its last messages, and queue the request in flight again."""
        if self._channel is not None:
            self._channel.finish()
        self._lost()

    # --- one request ---------------------------------------------------------------------------------------------

    def _send(self, channel: Channel, request: ForkRequest) -> None:
        resources, cgroup = self._resources, self._owner.cgroup
        request.slot = self._table.take_slot()
        if request.slot is None:
            self._refuse(request, "there are too many processes")
            return
        resources.slots.beat(request.slot)
        try:
            if request.limits and cgroup:
                request.cgroup = cgroups.make(cgroup, request.key, request.limits)
        except (OSError, ValueError) as error:
            self._refuse(request, f"cannot create its cgroup: {error}")
            return
        descriptors: dict[str, int] = {}
        if request.key == WRITER:
            descriptors["writer"] = resources.writer_socket.fileno()
        elif request.key == CONTROL:
            request.ends = pair()
            descriptors = {"root": request.ends[1].fileno(), "control": resources.control_socket.fileno()}
        message = messages.fork(
            request.key, request.argument, slot=request.slot, cgroup=request.cgroup, log=request.log,
            oom=0 if request.is_core else self._config.oom_score_adj, descriptors=list(descriptors),
        )  # fmt: skip
        self._in_flight = request
        self._expect_answer(self._config.fork_timeout)
        if not channel.send(message, list(descriptors.values())):
            self._kill()

    def _received(self, message: Message) -> None:
        match message:
            case {"type": "ready"}:
                self._expect_answer(None)
                self._greeted(message.get("schema", ""))
            case {"type": "forked", "key": str(key), "pid": int() as pid}:
                self._forked(self._answered(key), pid)
                self._finish()
            case {"type": "failed", "key": str(key), "why": str(why)}:
                self._refuse(self._answered(key), why)
                self._finish()
            case _:
                raise ValueError("there is no such message")
        self.pump()

    def _greeted(self, schema: str) -> None:
        own = self._config.schema
        if own and schema != own:
            self._wait_for_restart(
                f"cannot start processes: the installed program needs schema {schema or 'unknown'}, "
                f"the running service has {own}; restart the service"
            )
            return
        self._is_ready = True
        self._owner.forkserver_is_ready()

    def refused(self) -> None:
        """The forkserver has refused this root, because it understands other messages."""
        self._wait_for_restart(
            "cannot start processes: the installed program is of another version; restart the service"
        )

    def _wait_for_restart(self, why: str) -> None:
        """Let requests wait; what runs continues. The installed program can be used after a start of the service."""
        self._why_unusable = why
        self._owner.forkserver_is_unusable(why)
        self.pump()

    def _answered(self, key: str) -> ForkRequest:
        request = self._in_flight
        if request is None or key != request.key:
            raise ValueError("this child was not requested")
        self._expect_answer(None)
        self._in_flight = None
        return request

    def _finish(self) -> None:
        self._exited_early.clear()
        self._owner.fork_answered()

    def _forked(self, request: ForkRequest, pid: int) -> None:
        child = ChildRecord(
            request.key, pid, slot=request.slot, argument=request.argument, cgroup=request.cgroup,
            generation=self._owner.generation,
        )  # fmt: skip
        self._table.add(child)
        self._owner.child_forked(request, child, self._exited_early.get(pid))

    def _refuse(self, request: ForkRequest, why: str) -> None:
        self._release(request)
        write_line(f"cannot start {request.key}: {why}", WARNING)
        self._owner.child_not_forked(request.key, why)

    def _release(self, request: ForkRequest) -> None:
        self._table.give_slot(request.slot)
        request.slot = None
        if request.cgroup is not None:
            cgroups.remove(request.cgroup)
            request.cgroup = None
        for end in request.ends:
            end.close()
        request.ends = ()

    # --- its end -------------------------------------------------------------------------------------------------

    def _expect_answer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.after(seconds, self._late)

    def _late(self) -> None:
        write_line("the forkserver does not answer", WARNING)
        self._kill()

    def _closed(self) -> None:
        self._is_ready = False
        child = self._table.get(FORKSERVER)
        if child is not None:
            self._stopper.expect_end(child)

    def _kill(self) -> None:
        child = self._table.get(FORKSERVER)
        if child is not None:
            self._stopper.kill(child, "hung")

    def _lost(self) -> None:
        self._channel = None
        self._is_ready = False
        self._expect_answer(None)
        request, self._in_flight = self._in_flight, None
        if request is None:
            return
        # It is not known whether the child was forked. If so, it is a leftover, and is killed before the next fork.
        request.attempts += 1
        if request.attempts > MOST_ATTEMPTS:
            self._refuse(request, "the forkserver ends whenever it forks this child")
            return
        self._release(request)
        queue = self._core if request.is_core else self._waiting
        rest = dict(queue)
        queue.clear()
        queue[request.key] = request
        queue.update(rest)
