"""Addresses of machines in one form. No name is resolved."""

from __future__ import annotations

import contextlib
import re
import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    from ipaddress import IPv4Address

_NUMBERS = re.compile(r"(0x)?[0-9a-f]+(\.(0x)?[0-9a-f]+){0,3}", re.IGNORECASE)


def normal(address: str) -> str:
    """The address in one form: lower case, no dot at the end, and `127.0.0.1` for `127.1`, `0x7f000001` and such."""
    # Letters and dots of other widths, as programs read them in names (RFC 3490, 3.1).
    text = normalize("NFKC", address).replace("\u3002", ".") if not address.isascii() else address
    text = text.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")
    number = number_of(text)
    return text if number is None else str(number)


def number_of(text: str) -> IPv4Address | IPv6Address | None:
    """The number of an address in any spelling; None for a name."""
    text = text.partition("%")[0]
    with contextlib.suppress(ValueError):
        found = ip_address(text)
        return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
    if _NUMBERS.fullmatch(text):
        # The older spellings of inet_aton(3), which programs still accept: short, octal and hexadecimal.
        with contextlib.suppress(OSError):
            found = ip_address(socket.inet_aton(text))
            return None if isinstance(found, IPv6Address) else found
    return None
