"""What each process of the service is told when it is forked: where its settings come from, and who writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core import settings
from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import Loaded


class Startup(Strict, frozen=True, kw_only=True):
    """The argument of control, of the writer and of every loop's process."""

    config: str | None = None
    """The file of `--config`."""
    flags: dict[str, str] = {}
    """Settings that were given on the command line; paths in them are absolute."""
    writer: str
    """The socket on which the writer listens."""

    def load(self) -> Loaded:
        """The settings as they are now. Raises Problem."""
        return settings.load(config=Path(self.config) if self.config else None, flags=self.flags)

    def encode(self) -> str:
        """As the argument of a process."""
        return msgspec.json.encode(self).decode()


def decode(argument: str) -> Startup:
    """What `encode` made. Raises msgspec.ValidationError."""
    return msgspec.json.decode(argument, type=Startup)


def writer_socket(control_socket: str) -> str:
    """Where the writer of a service listens: beside the socket for everybody, where only the service may write."""
    return f"{control_socket.removesuffix('.sock')}.writer"
