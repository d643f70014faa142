"""Opens connections for FTL2 with our limits, and with host keys that are trusted by name."""

from __future__ import annotations

import asyncio
import shlex
from contextvars import ContextVar
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ftl2_enterprise.adapters.hosts.inventory import ssh_names
from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import arguments_of
from ftl2_enterprise.adapters.hosts.inventory.ssh_names import Way
from ftl2_enterprise.adapters.hosts.ssh.host_key import DEFAULT_FILE, HostKeyCheck, Remedy
from ftl2_enterprise.protocol.loops.hosts import SSH_PORT

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import Jump
    from ftl2_enterprise.adapters.hosts.inventory.ssh_names import SshNames
    from ftl2_enterprise.loops.ports import HostEntry

CONNECT_LIMIT = 10.0
"""Seconds until a host that does not answer is unreachable. FTL2 waits three times for 30."""
LIMITS = {
    "connect_timeout": CONNECT_LIMIT,
    "login_timeout": 30.0,
    "keepalive_interval": 10.0,
    "keepalive_count_max": 3,
}
"""A connection on which nothing arrives for 30 seconds is lost; FTL2 would wait for 90."""
NOT_WITHIN = "no connection within "
NOT_CONNECTED = "not connected: "
CAUSES = {
    "ConnectionRefusedError": "the connection was refused",
    "ConnectionResetError": "the connection was reset",
    "ConnectionLost": "the connection was lost",
    "BrokenPipeError": "the connection was lost",
    "Server not responding to keepalive": "it has not answered for 30 s",
    "TimeoutError": "no answer",
    "gaierror": "its address is unknown",
    "OSError": "there is no route to it",
}
"""Explanations of error types that FTL2 reports without a message."""


class NotConnected(Exception):
    """No connection was made, and FTL2 does not try again, since the loop does.

    The text is `NOT_CONNECTED` and the end of a sentence about the host.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"{NOT_CONNECTED}{why}")
        self.why: str = why


class NotReached(NotConnected):
    """The connection itself failed, before a key was compared."""


class Route(NamedTuple):
    """How to connect to a host, apart from its address, port, user and key."""

    way: Way = Way("")
    given_jumps: bool = False
    """Whether the inventory has the jumps, so that those of the configuration and its ProxyCommand do not count."""
    known_hosts: tuple[str, ...] | None = None
    """Files that have the key of the host, by the inventory."""
    in_service: bool = False
    """Errors name the command that makes the service trust a host."""


ROUTE: ContextVar[Route] = ContextVar("route")
"""That of the call for which FTL2 connects; direct without a call."""


def route_of(entry: HostEntry, names: SshNames, *, in_service: bool) -> Route:
    """The route to a host. Raises ValueError with the end of a sentence, and Problem."""
    arguments = arguments_of(entry.name, entry.vars)
    way = names.way(
        entry.ansible_host or entry.name, entry.ansible_user or "", entry.ansible_port or SSH_PORT, arguments.jumps
    )
    return Route(way, arguments.jumps is not None, arguments.known_hosts, in_service)


async def connect(library: Any, settings: dict[str, Any]) -> Any:
    """The connection by the current route. `settings` are the keywords that FTL2 has for the library's `connect`.

    Raises NotConnected, and what the library raises.
    """
    route = ROUTE.get(Route())
    tunnel: Any = None
    try:
        for index, jump in enumerate(route.way.jumps):
            tunnel = await _to_jump(library, route, index, jump, tunnel)
        direct = {"proxy_command": None} if route.given_jumps or tunnel is not None else {}
        settings = {**settings, **direct, "tunnel": tunnel}
        if settings.get("known_hosts") is None:
            connection = await _opened(library, settings)
        else:
            connection = await _checked(library, settings, route, len(route.way.jumps))
    except BaseException as error:
        if tunnel is not None:
            tunnel.abort()
        if isinstance(error, library.ChannelOpenError):
            why: str = cast("Any", error).reason
            last = route.way.jumps[-1].text
            raise NotConnected(f"its jump host {last} cannot connect to it: {_line(why)}") from error
        raise
    if tunnel is not None:
        # Closing the connection closes those below it, too.
        connection.set_tunnel(tunnel)
    return connection


async def _to_jump(library: Any, route: Route, index: int, jump: Jump, tunnel: Any) -> Any:
    """The connection to one of the hosts to pass, whose key is always checked. Raises NotConnected."""
    settings = {"host": jump.host, "port": jump.port or (), "username": jump.user or (), "tunnel": tunnel}
    if index:
        settings["proxy_command"] = None
    where = f"its jump host {jump.text}"
    try:
        connection = await _checked(library, settings, route._replace(known_hosts=None), index)
    except NotReached as error:
        raise NotConnected(f"{where} cannot be reached: {error.why}") from error
    except NotConnected as error:
        raise NotConnected(f"{where} cannot be used: {error.why}") from error
    except library.PermissionDenied as error:
        raise NotConnected(f"{where} refuses the SSH keys of {getuser()}") from error
    except library.ChannelOpenError as error:
        before = route.way.jumps[index - 1].text
        raise NotConnected(f"{where} cannot be reached from {before}: {_line(error.reason)}") from error
    except (OSError, library.Error) as error:
        raise NotConnected(f"{where} cannot be reached: {_line(str(error))}") from error
    if tunnel is not None:
        connection.set_tunnel(tunnel)
    return connection


async def _checked(library: Any, settings: dict[str, Any], route: Route, passed: int) -> Any:
    """The connection, if the key of the host is trusted. `passed` is the number of hosts before it."""
    check, settings, remedy = await asyncio.to_thread(_with_check, library, settings, route, passed)
    try:
        return await _opened(library, settings)
    except library.HostKeyNotVerifiable as error:
        raise NotConnected(check.refusal(str(error), remedy)) from error


async def _opened(library: Any, settings: dict[str, Any]) -> Any:
    try:
        return await library.connect(**{**settings, **LIMITS})
    except TimeoutError as error:
        raise NotConnected(f"{NOT_WITHIN}{CONNECT_LIMIT:g} s") from error
    except (OSError, library.ConnectionLost) as error:
        raise NotReached(CAUSES.get(type(error).__name__) or _line(str(error))) from error


def _with_check(
    library: Any, settings: dict[str, Any], route: Route, passed: int
) -> tuple[HostKeyCheck, dict[str, Any], Remedy]:
    """The check of the key, the settings with it, and what helps if it fails. Raises NotConnected."""
    host, port, user = str(settings["host"]), settings["port"] or None, settings["username"] or None
    path = Path("~/.ssh/config").expanduser()
    files, name, chooses = [DEFAULT_FILE], host, True
    if path.is_file():
        try:
            config = ssh_names.configuration(path, host, user, port)
        except Exception as error:
            raise NotConnected(f"{path} cannot be used: {error}") from error
        host, port = str(config.get("Hostname", host)), port or config.get("Port")
        name = str(config.get("HostKeyAlias") or host)
        own: list[str] = config.get("UserKnownHostsFile", files)
        files = [*own, *config.get("GlobalKnownHostsFile", [])]
        chooses = config.get("HostKeyAlgorithms") is None
    files = files if route.known_hosts is None else list(route.known_hosts)
    check = HostKeyCheck(library, name, port or SSH_PORT, files)
    if DEFAULT_FILE not in files or name != host:
        remedy = _BY_HAND
    elif passed:
        through = ",".join(jump.text for jump in route.way.jumps[:passed])
        remedy = _by_ssh(through, host, port or SSH_PORT, user)
    else:
        remedy = _trusting(host, port or SSH_PORT) if route.in_service else _BY_HAND
    return check, {**settings, **check.settings(chooses_algorithms=chooses)}, remedy


_BY_HAND = Remedy(
    "compare it with that of the host, and record it there (ssh-keyscan prints the line)", "replace these lines"
)


def _trusting(host: str, port: int) -> Remedy:
    command = f"ftl2ctl hosts trust {shlex.quote(host)}{_option(' --port', port)}"
    return Remedy(f"`{command}` shows and records it", f"`{command} --replace` shows and records it")


def _by_ssh(through: str, host: str, port: int, user: str | None) -> Remedy:
    command = ssh_command(through, host, port, user)
    return Remedy(f"`{command}` as {getuser()} shows and records it", "replace these lines")


def ssh_command(through: str, host: str, port: int, user: str | None) -> str:
    """A command that shows and records the key of a host that may have jump hosts."""
    target = f"{user}@{host}" if user else host
    # A submitter writes the inventory, and an administrator may copy the command.
    target = f"-- {shlex.quote(target)}" if target.startswith("-") else shlex.quote(target)
    jumps = f" -J {shlex.quote(through)}" if through else ""
    return f"ssh{jumps}{_option(' -p', port)} {target} true"


def _option(name: str, port: int) -> str:
    return "" if port == SSH_PORT else f"{name} {port}"


def _line(text: str) -> str:
    return " ".join(text.split())[:200] or "no reason given"
