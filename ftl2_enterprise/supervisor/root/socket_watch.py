"""Checks that clients find the control socket under its name, and binds it again when they do not."""

from __future__ import annotations

from ftl2_enterprise.supervisor.root import sockets
from ftl2_enterprise.supervisor.root.config import CONTROL
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.config import Config
    from ftl2_enterprise.supervisor.root.event_loop import EventLoop
    from ftl2_enterprise.supervisor.root.notify import ServiceManager
    from ftl2_enterprise.supervisor.root.resources import Resources

    class SocketOwner(Protocol):
        """What serves the socket, and is notified of problems with it."""

        def is_ending(self) -> bool:
            """Whether the service stops, so that clients are no longer expected."""
            ...

        def has_control(self) -> bool:
            """Whether there is a process that serves clients."""
            ...

        def give_listener(self, listener: socket.socket) -> bool:
            """Have control listen on this socket too; False when the message cannot be sent now."""
            ...

        def socket_problem_changed(self) -> None:
            """The value of `SocketWatch.problem` is another one."""
            ...


class SocketWatch:
    """Checks periodically: the kernel does not report that a name was removed."""

    def __init__(
        self, loop: EventLoop, config: Config, resources: Resources, manager: ServiceManager, owner: SocketOwner,
        identity: sockets.Identity | None = None,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._path = config.control_socket
        self._mode = config.control_mode
        self._every = config.socket_check
        self._resources = resources
        self._manager = manager
        self._owner = owner
        self.identity: sockets.Identity | None = identity or sockets.identity(self._path)
        """The file under the name when the socket was bound."""
        self.problem = ""
        """Why clients cannot connect, in a sentence; empty when they can."""

    def is_bound(self) -> bool:
        """Whether the file under the name is still the socket."""
        # As long as the socket lives no other file gets its inode number.
        found = sockets.identity(self._path)
        return found is not None and found == self.identity

    def check(self) -> None:
        """Check now, and periodically until the service stops."""
        if self._owner.is_ending():
            return
        self._report(self._repair())
        self._loop.after(self._every, self.check)

    def _repair(self) -> str:
        """Bind the socket again if it belongs to root; returns what is wrong afterwards."""
        path = self._path
        if self.is_bound():
            return ""
        if self._resources.activated:
            return f"clients cannot connect: {path} was removed or replaced; restart the socket unit and the service"
        if not self._owner.has_control():
            # Clients that wait on the old socket must be served by the process that gets the new one.
            return self.problem
        if sockets.is_served(path):
            return f"clients cannot connect: another process listens at {path}"
        try:
            fresh = sockets.listen(path, self._mode)
        except sockets.NotMade as error:
            return f"clients cannot connect: {path} was removed, and the service {error}"
        if not self._owner.give_listener(fresh):
            # No process accepts from it; the next check replaces it.
            fresh.close()
            return self.problem
        self._resources.replace_control_socket(fresh)
        self.identity = sockets.identity(path)
        self._manager.keep(CONTROL, [fresh.fileno()])
        write_line(f"{path} was removed or replaced, and is bound again", WARNING)
        return ""

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if problem:
                write_line(problem, WARNING)
            self._owner.socket_problem_changed()
