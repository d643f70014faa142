"""Opens connections for FTL2 with our limits, and with host keys that are trusted by name."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

from ftl2_enterprise.adapters.hosts.inventory import ssh_names
from ftl2_enterprise.adapters.hosts.ssh.host_key import DEFAULT_FILE, HostKeyCheck, Remedy
from ftl2_enterprise.protocol.loops.hosts import SSH_PORT

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


class NotConnected(Exception):
    """No connection was made, and FTL2 does not try again, since the loop does.

    The text is `NOT_CONNECTED` and the end of a sentence about the host.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"{NOT_CONNECTED}{why}")


async def connect(library: Any, settings: dict[str, Any], *, in_service: bool) -> Any:
    """The connection. `settings` are the keywords that FTL2 has for the library's `connect`.

    `in_service`: errors name the command that makes the service trust a host. Raises NotConnected, and what the
    library raises.
    """
    checks_key = settings.get("known_hosts") is not None
    if not checks_key:
        return await _opened(library, settings)
    check, settings, remedy = await asyncio.to_thread(_with_check, library, settings, in_service=in_service)
    try:
        return await _opened(library, settings)
    except library.HostKeyNotVerifiable as error:
        raise NotConnected(check.refusal(str(error), remedy)) from error


async def _opened(library: Any, settings: dict[str, Any]) -> Any:
    try:
        return await library.connect(**{**settings, **LIMITS})
    except TimeoutError as error:
        raise NotConnected(f"{NOT_WITHIN}{CONNECT_LIMIT:g} s") from error


def _with_check(
    library: Any, settings: dict[str, Any], *, in_service: bool
) -> tuple[HostKeyCheck, dict[str, Any], Remedy]:
    """The check of the key, the settings with it, and what helps if it fails. Raises NotConnected."""
    host, port = str(settings["host"]), int(settings["port"])
    path = Path("~/.ssh/config").expanduser()
    files, name, chooses = [DEFAULT_FILE], host, True
    if path.is_file():
        try:
            config = ssh_names.configuration(path, host, str(settings["username"]), port)
        except Exception as error:
            raise NotConnected(f"{path} cannot be used: {error}") from error
        host = str(config.get("Hostname", host))
        name = str(config.get("HostKeyAlias") or host)
        own: list[str] = config.get("UserKnownHostsFile", files)
        files = [*own, *config.get("GlobalKnownHostsFile", [])]
        chooses = config.get("HostKeyAlgorithms") is None
    check = HostKeyCheck(library, name, port, files)
    # The command records the host itself in the default file.
    has_command = in_service and name == host and DEFAULT_FILE in files
    remedy = _trusting(host, port) if has_command else _BY_HAND
    return check, {**settings, **check.settings(chooses_algorithms=chooses)}, remedy


_BY_HAND = Remedy(
    "compare it with that of the host, and record it there (ssh-keyscan prints the line)", "replace these lines"
)


def _trusting(host: str, port: int) -> Remedy:
    command = f"ftl2ctl hosts trust {shlex.quote(host)}" + ("" if port == SSH_PORT else f" --port {port}")
    return Remedy(f"`{command}` shows and records it", f"`{command} --replace` shows and records it")
