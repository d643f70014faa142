"""What each process of the service is told when it is forked: the settings, where they come from, and who writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from ftl2_enterprise.core.settings import Loaded
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import SettingsModel


class Startup(Wire, frozen=True, kw_only=True):
    """The argument of control, of the writer and of every child.

    It may have been made by another version of the program, which was replaced in place since.
    """

    config: str | None = None
    """The file of `--config`."""
    flags: dict[str, str] = {}
    """Settings that were given on the command line; paths in them are absolute."""
    writer: str
    """The socket on which the writer listens."""
    values: dict[str, dict[str, Any]] = {}
    """The settings that were in force, by section and name."""
    origins: dict[str, str] = {}

    def load(self, model: SettingsModel) -> Loaded:
        """The settings as they stand in files and environment now. Raises Problem."""
        return model.load(config=Path(self.config) if self.config else None, flags=self.flags)

    def in_force(self, model: SettingsModel) -> Loaded:
        """The settings that were in force when this was made: a file that was spoilt since then stops no process.

        Raises Problem only when there are none and the file cannot be used.
        """
        if not self.values:
            return self.load(model)
        try:
            return Loaded(settings=model.known(self.values), origins=self.origins)
        except msgspec.ValidationError:
            return self.load(model)

    def renewed(self, loaded: Loaded) -> Startup:
        """The same with these settings."""
        return replace(self, values=msgspec.to_builtins(loaded.settings), origins=dict(loaded.origins))

    def encode(self) -> str:
        """As the argument of a process."""
        return msgspec.json.encode(self).decode()


def decode(argument: str) -> Startup:
    """What `encode` made. Raises msgspec.ValidationError."""
    return msgspec.json.decode(argument, type=Startup)


def writer_socket(control_socket: str) -> str:
    """Where the writer of a service listens: beside the socket for everybody, where only the service may write."""
    return f"{control_socket.removesuffix('.sock')}.writer"
