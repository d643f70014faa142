"""Whether clients still find the control socket under its name, and what is done when they do not."""

from __future__ import annotations

from ftl2_enterprise.supervisor.root import sockets
from ftl2_enterprise.supervisor.root.config import CONTROL
from ftl2_enterprise.supervisor.root.stderr import WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.root.main import Root


class Listening:
    """Looks again and again: nobody is told when a name is taken away, and a socket without one serves nobody."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.identity: sockets.Identity | None = None
        """What stood under the name when the socket was there."""
        self.problem = ""

    def note(self) -> None:
        """What stands there now is the socket."""
        self.identity = sockets.identity(self._root.config.control_socket)

    def is_there(self) -> bool:
        """Whether it stands there still."""
        # While the socket lives no other file gets its number, so one that is the same is the same file.
        found = sockets.identity(self._root.config.control_socket)
        return found is not None and found == self.identity

    def look(self) -> None:
        """See that it is there, for ever."""
        root = self._root
        if root.ending.is_begun:
            return
        self._tell(self._mend())
        root.loop.after(root.config.socket_look, self.look)

    def _mend(self) -> str:
        """Put it back where it is root's own; what is wrong then."""
        root, path = self._root, self._root.config.control_socket
        if self.is_there():
            return ""
        if root.activated:
            return f"nobody can connect: {path} was removed or replaced; restart the socket unit and the service"
        if root.control.channel is None:
            # Whoever waits in the old one is to be taken over by somebody.
            return self.problem
        if sockets.is_served(path):
            return f"nobody can connect: another process listens at {path}"
        try:
            fresh = sockets.listen(path, root.config.control_mode)
        except sockets.NotMade as error:
            return f"nobody can connect: {path} was removed, and it {error}"
        if not root.control.give(fresh):
            # Nobody accepts from it; it is replaced by the next look.
            fresh.close()
            return self.problem
        # Control has the old one too, and serves who waits there.
        root.control_socket.close()
        root.control_socket = fresh
        self.note()
        root.systemd.keep(CONTROL, [fresh.fileno()])
        say(f"{path} was removed or replaced, and is there again", WARNING)
        return ""

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if problem:
                say(problem, WARNING)
            self._root.control.tell_problem()
