"""The identity of clients, and what the settings permit them to do."""

from __future__ import annotations

import errno
import grp
import logging
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from functools import lru_cache

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.settings.sections import AccessSettings
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.verb import Access

SO_PEERGROUPS = 59
"""From asm-generic/socket.h; the module `socket` does not define it."""
_MOST_GROUPS = 256
"""`getsockopt` of Python returns at most 1024 bytes."""
_CREDENTIALS = struct.Struct("iII")
_UNMAPPED = 0xFFFFFFFF
"""The kernel's id of a user or group that does not exist in this user namespace: -1."""

_DEFAULTS = AccessSettings()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The process at the other end of a connection, as it was when it connected."""

    uid: int
    pid: int
    name: str
    groups: frozenset[int]

    @property
    def actor(self) -> str:
        """Its name in the events that it causes."""
        return f"{self.name} (uid {self.uid}, pid {self.pid})"


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end of a Unix socket. Raises OSError when the kernel does not report it."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    name = name_of(uid)
    return Peer(uid=uid, pid=pid, name=name, groups=frozenset({gid, *_groups(connection, name, gid)}))


def _groups(connection: socket.socket, name: str, gid: int) -> tuple[int, ...]:
    """The supplementary groups that the process had."""
    try:
        found = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _MOST_GROUPS * 4)
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        # Too many to be returned: the groups of the user database, which are the same unless the process left one.
        return tuple(os.getgrouplist(name, gid))
    return struct.unpack(f"{len(found) // 4}I", found)


@lru_cache(maxsize=256)
def name_of(uid: int) -> str:
    """The name of a user; the number if there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def caller_of(peer: Peer, guard: Guard) -> Caller:
    """The person at the other end of a connection, with the names of their groups, which can take long to find."""
    return Caller(
        uid=peer.uid,
        name=peer.name,
        access=guard.access_of(peer),
        groups=sorted(_group_name(number) for number in peer.groups),
    )


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


class Guard:
    """Decides what each peer may do. Names are looked up once, when it is created."""

    def __init__(self, settings: AccessSettings, own_uid: int | None = None) -> None:
        self._settings: AccessSettings = settings
        self._always: frozenset[int] = frozenset({0, os.geteuid() if own_uid is None else own_uid})
        self._levels: list[tuple[Access, frozenset[int], frozenset[int]]] = [
            (access, *_members(access, getattr(settings, access.value))) for access in reversed(Access)
        ]

    def access_of(self, peer: Peer) -> Access | None:
        """The most that the peer may do; None for nothing."""
        if peer.uid in self._always:
            return Access.ADMINISTER
        for access, users, groups in self._levels:
            if peer.uid in users or not groups.isdisjoint(peer.groups):
                return access
        return None

    def check(self, peer: Peer, needed: Access, verb: str) -> None:
        """Raise Problem(denied) unless the peer has the needed access."""
        has = self.access_of(peer)
        if has is not None and has.includes(needed):
            return
        who = f"{peer.name} (uid {peer.uid})"
        raise Problem(
            Code.DENIED,
            f"cannot do {verb}: it needs access to {needed}, and {who} has {f'access to {has}' if has else 'none'}",
            hint=self._hint(peer, needed),
        )

    def _hint(self, peer: Peer, needed: Access) -> str:
        groups = [
            name[1:]
            for access in Access
            if access.includes(needed)
            for name in getattr(self._settings, access.value)
            if name.startswith("%")
        ]
        if groups:
            add = f"be in the group {groups[0]} (`usermod -aG {groups[0]} {peer.name}`), then log in again"
            return f"{add}; or be named in access.{needed} of the settings"
        return f"be named in access.{needed} of the settings, or ask root"


def _members(access: Access, names: tuple[str, ...]) -> tuple[frozenset[int], frozenset[int]]:
    """The ids of the named users and groups."""
    users: set[int] = set()
    groups: set[int] = set()
    for name in names:
        found = _gid(name[1:]) if name.startswith("%") else _uid(name)
        if found is None or found == _UNMAPPED:
            # No reason to refuse the start: the group may be created, and the settings loaded again, later.
            level = logging.DEBUG if name in getattr(_DEFAULTS, access.value) else logging.WARNING
            _log.log(level, "access.%s names %r, which does not exist on this machine", access, name)
        else:
            (groups if name.startswith("%") else users).add(found)
    return frozenset(users), frozenset(groups)


def _uid(name: str) -> int | None:
    # Names first: there may be a user whose name is a number.
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else None


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return int(name) if name.isdecimal() else None
