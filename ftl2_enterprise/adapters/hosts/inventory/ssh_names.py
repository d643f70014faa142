"""Where the SSH configuration of this process's user leads a name: `HostName` in `~/.ssh/config` (ssh_config(5)).

Connections use that file, so a host is judged by it, too. `ProxyJump` and `ProxyCommand` are not followed.
"""

from __future__ import annotations

import getpass
import importlib
import logging
import os
import time
from pathlib import Path
from typing import Any

REREAD = 1.0
"""Seconds until the files that the configuration includes are read again."""
_log = logging.getLogger(__name__)


class SshNames:
    """The names, read when the file has changed."""

    def __init__(self) -> None:
        self._path: Path = Path("~/.ssh/config").expanduser()
        self._read: tuple[object, float] | None = None
        self._found: dict[tuple[str, str, int], str] = {}

    def refresh(self) -> bool:
        """Whether an address may be another one than before; to be called before each judgement."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - before each effect
        except OSError:
            was_read, self._read = self._read is not None, None
            return was_read
        state = status.st_mtime_ns, status.st_size, status.st_ino
        is_other = self._read is None or self._read[0] != state or time.monotonic() - self._read[1] > REREAD
        if is_other:
            self._found.clear()
            self._read = state, time.monotonic()
        return is_other

    def address(self, name: str, user: str, port: int) -> str:
        """The address to which a connection to that name leads; the name itself without an entry for it."""
        if self._read is None:
            return name
        key = name, user, port
        if key not in self._found:
            self._found[key] = self._look_up(*key)
        return self._found[key]

    def _look_up(self, name: str, user: str, port: int) -> str:
        try:
            return str(configuration(self._path, name, user, port).get("Hostname", name))
        except Exception as error:
            _log.warning("cannot read %s: %s", self._path, error)
            return name


def configuration(path: Path, name: str, user: str, port: int) -> Any:
    """What the file has for a connection to that name: `get(KEYWORD, DEFAULT)`. Raises what the library raises.

    It is read by the library with which FTL2 connects. Most users have no such file, and no need to load it.
    """
    library: Any = importlib.import_module("asyncssh.config")
    own = getpass.getuser()
    about = own, user or own, name, port
    found: Any = library.SSHClientConfig.load(None, [path], False, False, False, *about)  # noqa: FBT003 - not ours
    if found.has_match_final():
        found = library.SSHClientConfig.load(found, [path], True, False, True, *about)  # noqa: FBT003
    return found
