"""What root owns, and keeps when it executes itself: the listening sockets, the lock, the heartbeats."""

from __future__ import annotations

import fcntl
import os
import socket

from ftl2_enterprise.supervisor import heartbeat
from ftl2_enterprise.supervisor.root import notify, sockets
from ftl2_enterprise.supervisor.root.config import CONTROL
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.supervisor.root.config import Config

WRITER_MODE = 0o600


class Resources:
    """The descriptors of root."""

    def __init__(
        self, *, control_socket: socket.socket, writer_socket: socket.socket, lock: int, slots: heartbeat.Slots,
        activated: bool,
    ) -> None:  # fmt: skip
        self.control_socket = control_socket
        self.writer_socket = writer_socket
        self.lock = lock
        self.slots = slots
        self.activated = activated
        """The control socket belongs to the service manager, which passes it to the next service too."""

    def replace_control_socket(self, listener: socket.socket) -> None:
        """Own another listening socket. Control has a descriptor of the previous one, and serves its clients."""
        self.control_socket.close()
        self.control_socket = listener

    def replace_writer_socket(self, path: str) -> None:
        """Create a new socket under the same name for a new writer; the old writer keeps its connections."""
        self.writer_socket.close()
        self.writer_socket = sockets.listen(path, WRITER_MODE)

    def descriptors(self) -> dict[str, int]:
        """The descriptors by the names under which `inherit` expects them."""
        return {
            "control": self.control_socket.fileno(), "writer": self.writer_socket.fileno(), "lock": self.lock,
            "heartbeats": self.slots.fd,
        }  # fmt: skip


def create(config: Config, manager: notify.ServiceManager) -> Resources:
    """Create everything, with the control socket of the service manager if it passed one.

    Raises `sockets.Taken` and `sockets.NotMade`.
    """
    given = notify.given_descriptors()
    lock = sockets.lock(config.writer_socket)
    taken = sockets.take(given, CONTROL, config.control_socket)
    if given and taken is None:
        write_line(f"none of the sockets that were passed is {config.control_socket}", WARNING)
    # A socket with the name of control comes from the descriptor store: it is the one of the previous root.
    activated = taken is not None and CONTROL not in given.values()
    control_socket = taken or sockets.listen(config.control_socket, config.control_mode)
    made = Resources(
        control_socket=control_socket,
        writer_socket=sockets.listen(config.writer_socket, WRITER_MODE),
        lock=lock,
        slots=heartbeat.create(),
        activated=activated,
    )
    if not activated:
        manager.keep(CONTROL, [control_socket.fileno()])
    return made


def inherit(descriptors: Mapping[str, int], *, activated: bool) -> Resources:
    """Take over the descriptors of the program that this process executed before."""
    for name in ("lock", "heartbeats"):
        os.set_inheritable(descriptors[name], False)  # noqa: FBT003
    return Resources(
        control_socket=inherited_socket(descriptors["control"]),
        writer_socket=inherited_socket(descriptors["writer"]),
        lock=descriptors["lock"],
        slots=heartbeat.Slots(descriptors["heartbeats"]),
        activated=activated,
    )


def inherited_socket(fd: int) -> socket.socket:
    """A socket of the previous program; it is not inherited by the next one unless that is requested again."""
    fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return socket.socket(fileno=fd)
