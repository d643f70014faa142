"""Fetches the public keys that an SSH host presents. Only `hosts trust` imports this, and with it asyncssh."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

import asyncssh

from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.protocol.loops.host_keys import HostKey, parse_key, place

WITHIN = 10.0
"""Seconds for all connections to the host."""
ALGORITHMS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""The algorithms to offer in one connection each: a host presents one key in each connection."""


def presented_keys(host: str, port: int, *, within: float = WITHIN) -> list[HostKey]:
    """The keys of the host, at most one of each kind. Raises Problem(unavailable) with the reason without any."""
    logging.getLogger("asyncssh").disabled = True
    return asyncio.run(_presented_in_time(host, port, within))


async def _presented_in_time(host: str, port: int, within: float) -> list[HostKey]:
    try:
        async with asyncio.timeout(within):
            return await _presented(host, port)
    except TimeoutError:
        raise _unreachable(
            host, port, f"it does not answer within {within:g} s", "check its address and port"
        ) from None


async def _presented(host: str, port: int) -> list[HostKey]:
    found: list[HostKey] = []
    reason = "it ended the connection"
    for algorithms in ALGORITHMS:
        try:
            key = await _key(host, port, algorithms)
        except (ConnectionResetError, BrokenPipeError, asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed):
            # Also how servers refuse these algorithms.
            continue
        except asyncssh.Error as error:
            reason = f"it is not an SSH server that can be used: {_line(error.reason)}"
        except (socket.gaierror, UnicodeError):
            raise _unreachable(host, port, "its address is unknown", "check its name") from None
        except ConnectionRefusedError:
            raise _unreachable(
                host, port, "the connection was refused", "check its port, and that sshd runs"
            ) from None
        except OSError as error:
            raise _unreachable(
                host, port, (error.strerror or "failed").lower(), "check its address, and the network"
            ) from None
        else:
            found += [] if key is None else [key]
    if not found:
        raise _unreachable(host, port, reason, "it presents no Ed25519, ECDSA or RSA key")
    return found


async def _key(host: str, port: int, algorithms: tuple[str, ...]) -> HostKey | None:
    """The key for these algorithms. Raises Problem for one that is not valid."""
    # Without the user's configuration: it could lead to another host than that of the service.
    fetched: Any = await asyncssh.get_server_host_key(
        host, port, server_host_key_algs=list(algorithms), config=None, proxy_command=None
    )
    if fetched is None:
        return None
    words = cast("bytes", fetched.export_public_key("openssh")).decode("ascii", "replace").split()
    return parse_key(" ".join(words[:2]))


def _unreachable(host: str, port: int, why: str, hint: str) -> Problem:
    return unavailable(f"cannot fetch the keys of {place(host, port)}: {why}", hint)


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
