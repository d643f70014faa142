"""Which names and addresses lead to this machine. No name is resolved."""

from __future__ import annotations

import contextlib
import socket
from functools import cache
from ipaddress import IPv6Address
from itertools import pairwise
from pathlib import Path

from ftl2_enterprise.core.addresses import normal, number_of

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def leads_here(address: str) -> bool:
    """Whether the address is one of this machine: a loopback address, one of its addresses, or its name."""
    text = normal(address)
    number = number_of(text)
    if number is not None and str(number) in own_addresses():
        return True
    return is_loopback(text) or text in own_names()


def is_loopback(address: str) -> bool:
    """Whether the address leads to the machine that uses it, whichever that is."""
    text = normal(address)
    number = number_of(text)
    if number is not None:
        return number.is_loopback or number.is_unspecified
    return text in _LOCAL_NAMES or text.endswith(".localhost")


@cache
def own_names() -> frozenset[str]:
    """The name of this machine, with and without its domain."""
    name = socket.gethostname().lower().rstrip(".")
    return frozenset((name, name.partition(".")[0])) - {""}


@cache
def of_this_machine() -> tuple[str, ...]:
    """Names and addresses by which people mean this machine."""
    return tuple(sorted({"localhost", "127.0.0.1", "::1", *own_names(), *own_addresses()}))


@cache
def own_addresses() -> frozenset[str]:
    """The addresses of the interfaces of this machine, from /proc; empty where it is hidden."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/fib_trie").read_text(encoding="ascii").splitlines()
        # The address is on the line above its type.
        for line, following in pairwise(lines):
            if "/32 host LOCAL" in following:
                found.add(line.split()[-1])
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            found.add(str(IPv6Address(int(line.split()[0], 16))))
    return frozenset(found)
