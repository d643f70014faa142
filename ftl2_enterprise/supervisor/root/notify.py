"""Notifications to the service manager, if there is one (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time

import sdnotify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_STATUS = 500


class ServiceManager:
    """Sends to the socket that NOTIFY_SOCKET names; does nothing without that variable."""

    def __init__(self) -> None:
        self.address = os.environ.get("NOTIFY_SOCKET", "")
        self._notifier = sdnotify.SystemdNotifier() if self.address else None
        if self._notifier is not None and self._notifier.socket is not None:
            # A service manager that does not read must not stop root.
            self._notifier.socket.settimeout(0.0)
        self.watchdog = _watchdog() if self.address else None
        """Seconds within which it expects a keep-alive; None if it expects none."""

    @property
    def keeps_descriptors(self) -> bool:
        """Whether it stores descriptors over a restart of the service (FDSTORE, systemd 254 and later)."""
        return bool(self.address) and os.environ.get("FDSTORE", "0") not in {"", "0"}

    def send(self, *lines: str) -> None:
        """Send assignments in one message."""
        if self._notifier is not None:
            # sdnotify encodes as Latin-1, the service manager wants UTF-8.
            self._notifier.notify("\n".join(lines).encode().decode("latin-1"))

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self.send(f"STATUS={text[:LONGEST_STATUS]}".replace("\n", " "))

    def reloading(self) -> None:
        """Report that a reload begins; READY=1 ends it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def extend(self, seconds: float) -> None:
        """Ask for more time to stop: that many seconds from now."""
        self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def keep(self, name: str, descriptors: Sequence[int]) -> None:
        """Store descriptors that a restarted service gets back under that name; they replace the previous ones."""
        if self.keeps_descriptors:
            self._send_descriptors([f"FDSTOREREMOVE=1\nFDNAME={name}", f"FDSTORE=1\nFDNAME={name}"], descriptors)

    def _send_descriptors(self, messages: Sequence[str], descriptors: Sequence[int]) -> None:
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.0)
            try:
                sender.connect(address)
                sender.send(messages[0].encode())
                socket.send_fds(sender, [messages[1].encode()], list(descriptors))
            except OSError:
                pass


def _watchdog() -> float | None:
    """The watchdog period in seconds. The variables stay in the environment, for the program that root executes."""
    # The variables may be inherited from another service that started this one.
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    micros = os.environ.get("WATCHDOG_USEC", "")
    return int(micros) / 1e6 if micros.isascii() and micros.isdigit() and int(micros) else None


def given_descriptors() -> dict[int, str]:
    """The descriptors that the service manager passed, with their names; removes the variables that list them."""
    count, pid = os.environ.pop("LISTEN_FDS", "0"), os.environ.pop("LISTEN_PID", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdigit() or pid != str(os.getpid()):
        return {}
    found = {3 + n: names[n] if n < len(names) else "" for n in range(int(count))}
    for fd in found:
        os.set_inheritable(fd, False)  # noqa: FBT003
    return found
