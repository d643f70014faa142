"""Where the SSH configuration of this process's user leads a name: `HostName`, `ProxyJump` and `ProxyCommand` in
`~/.ssh/config` (ssh_config(5)).

Connections use that file, so a host is judged by it, too.
"""

from __future__ import annotations

import getpass
import importlib
import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import Jump, jumps_of

REREAD = 1.0
"""Seconds until the files that the configuration includes are read again."""
SSH_PORT = 22
MOST_JUMPS = 8
_log = logging.getLogger(__name__)


class Way(NamedTuple):
    """How a connection reaches a host."""

    address: str
    """The address or name to which it leads."""
    jumps: tuple[Jump, ...] = ()
    """The hosts that it passes, the first one first."""
    shown: tuple[str, ...] = ()
    """What identifies it, apart from the address: each jump as USER@ADDRESS:PORT. Empty for a direct connection."""
    last: str = ""
    """The address of the last jump, which is the host itself if `address` is that of the loopback interface."""


class _Found(NamedTuple):
    """What the configuration has for a name."""

    address: str
    user: str
    port: int
    jumps: str | None = None
    program: str | None = None


class SshNames:
    """The names, read when the file has changed."""

    def __init__(self) -> None:
        self._path: Path = Path("~/.ssh/config").expanduser()
        self._read: tuple[object, float] | None = None
        self._found: dict[tuple[str, str | None, int | None], _Found] = {}

    def refresh(self) -> bool:
        """Whether an address may be another one than before; to be called before each judgement."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - before each effect
        except OSError:
            was_read, self._read = self._read is not None, None
            self._found.clear()
            return was_read
        state = status.st_mtime_ns, status.st_size, status.st_ino
        is_other = self._read is None or self._read[0] != state or time.monotonic() - self._read[1] > REREAD
        if is_other:
            self._found.clear()
            self._read = state, time.monotonic()
        return is_other

    def address(self, name: str, user: str, port: int) -> str:
        """The address to which a connection to that name leads; the name itself without an entry for it."""
        return self._of(name, user, port).address

    def way(self, name: str, user: str, port: int, jumps: tuple[Jump, ...] | None) -> Way:
        """The way to the host. `jumps` are those that the inventory has, which count instead of the configuration's.

        Raises ValueError with a sentence for jumps of the configuration that cannot be used.
        """
        found = self._of(name, user, port)
        passed = self._jumps(found, jumps, ())
        program = found.program if jumps is None and not passed else None
        hops = [self._of(jump.host, jump.user, jump.port) for jump in passed]
        if hops:
            program = hops[0].program
        shown = [f"{hop.user}@{hop.address}:{hop.port}" for hop in hops]
        return Way(
            address=found.address,
            jumps=passed,
            shown=(*((f"ProxyCommand {program}",) if program else ()), *shown),
            last=hops[-1].address if hops else "",
        )

    def _jumps(self, found: _Found, given: tuple[Jump, ...] | None, before: tuple[_Found, ...]) -> tuple[Jump, ...]:
        """The hosts that a connection passes. The first one may have jumps in the configuration, too."""
        if given is None:
            try:
                given = jumps_of(found.jumps) if found.jumps else ()
            except ValueError as error:
                raise ValueError(f"its ProxyJump in {self._path} has {str(error)!r}, which is not a host") from error
        if not given:
            return ()
        first = self._of(given[0].host, given[0].user, given[0].port)
        if first in before:
            raise ValueError(
                f"its ProxyJump in {self._path} leads back to {given[0].host}: give that host the line"
                " `ProxyJump none`"
            )
        if len(before) + len(given) > MOST_JUMPS:
            raise ValueError(f"it has more than {MOST_JUMPS} jump hosts")
        return (*self._jumps(first, None, (*before, first)), *given)

    def _of(self, name: str, user: str | None, port: int | None) -> _Found:
        key = name, user, port
        if key not in self._found:
            self._found[key] = self._look_up(*key)
        return self._found[key]

    def _look_up(self, name: str, user: str | None, port: int | None) -> _Found:
        if self._read is not None:
            try:
                found = configuration(self._path, name, user, port)
                return _Found(
                    str(found.get("Hostname", name)),
                    str(found.get("User") or getpass.getuser()),
                    int(found.get("Port") or SSH_PORT),
                    found.get("ProxyJump"),
                    found.get("ProxyCommand"),
                )
            except Exception as error:
                _log.warning("cannot read %s: %s", self._path, error)
        return _Found(name, user or getpass.getuser(), port or SSH_PORT)


def configuration(path: Path, name: str, user: str | None, port: int | None) -> Any:
    """What the file has for a connection to that name: `get(KEYWORD, DEFAULT)`. Raises what the library raises.

    `user` is empty for that of this process; None leaves user or port to the file. It is read by the library with
    which FTL2 connects. Most users have no such file, and no need to load it.
    """
    library: Any = importlib.import_module("asyncssh.config")
    own = getpass.getuser()
    about = own, () if user is None else user or own, name, () if port is None else port
    found: Any = library.SSHClientConfig.load(None, [path], False, False, False, *about)  # noqa: FBT003 - not ours
    if found.has_match_final():
        found = library.SSHClientConfig.load(found, [path], True, False, True, *about)  # noqa: FBT003
    return found
