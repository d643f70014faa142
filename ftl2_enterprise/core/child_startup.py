"""What each process of the service gets when it is forked: the settings with their origins, the writer's socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from ftl2_enterprise.core.settings.model import Loaded
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import SettingsModel


class Startup(Wire, frozen=True, kw_only=True):
    """The argument of control, of the writer and of every child.

    Another version of the program may have made it, if the service was upgraded in place since.
    """

    config: str | None = None
    """The file of `--config`."""
    flags: dict[str, str] = {}
    """Settings that were given on the command line; paths in them are absolute."""
    writer: str
    """The socket on which the writer listens."""
    values: dict[str, dict[str, Any]] = {}
    """The settings that were in effect, by section and name."""
    origins: dict[str, str] = {}

    def load(self, model: SettingsModel) -> Loaded:
        """Load the settings from the files and the environment as they are now. Raises Problem."""
        return model.load(config=Path(self.config) if self.config else None, flags=self.flags)

    def in_force(self, model: SettingsModel) -> Loaded:
        """The settings that were in effect when this was made: a file that became invalid later stops no process.

        Raises Problem only if there are none and the file cannot be used.
        """
        if not self.values:
            return self.load(model)
        try:
            return Loaded(settings=model.known(self.values), origins=self.origins)
        except msgspec.ValidationError:
            return self.load(model)

    def renewed(self, loaded: Loaded) -> Startup:
        """A copy with these settings."""
        return replace(self, values=msgspec.to_builtins(loaded.settings), origins=dict(loaded.origins))

    def encode(self) -> str:
        """Encode it as the argument of a process."""
        return msgspec.json.encode(self).decode()


def decode(argument: str) -> Startup:
    """Decode what `encode` returned. Raises msgspec.ValidationError."""
    return msgspec.json.decode(argument, type=Startup)


def writer_socket(control_socket: str) -> str:
    """The path of the writer's socket, next to the control socket; only the service may connect to it."""
    return f"{control_socket.removesuffix('.sock')}.writer"
