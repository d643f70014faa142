"""Keys of SSH hosts as lines: what a host presents, how to compare it, and what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.host_keys import place
from ftl2_enterprise.render.text import Line, Role, count, line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.host_keys import HostKey
    from ftl2_enterprise.protocol.loops.hosts import HostKeys, KeyLine, TrustResult

FILES = {
    "ssh-ed25519": "/etc/ssh/ssh_host_ed25519_key.pub",
    "ecdsa-sha2-nistp256": "/etc/ssh/ssh_host_ecdsa_key.pub",
    "ecdsa-sha2-nistp384": "/etc/ssh/ssh_host_ecdsa_key.pub",
    "ecdsa-sha2-nistp521": "/etc/ssh/ssh_host_ecdsa_key.pub",
    "ssh-rsa": "/etc/ssh/ssh_host_rsa_key.pub",
}
"""Where sshd has the keys, if it is not configured otherwise."""


def presented_lines(known: HostKeys, keys: Sequence[HostKey]) -> list[Line]:
    """The keys that the host presents, what is recorded, and the commands that show the keys on the host.

    No table, which would truncate fingerprints on a narrow terminal.
    """
    lines = [line((one_line(known.host), Role.STRONG), f" port {known.port} presents {count(len(keys), 'key')}:")]
    for key in keys:
        lines += _presented(known, key)
    for old in known.keys:
        if old.type not in {key.type for key in keys}:
            lines.append(line(f"recorded in line {old.line}, and not presented: {old.type} {old.fingerprint}"))
    lines.append(line("compare them with the keys on that host:"))
    files = dict.fromkeys(FILES[key.type] for key in keys)
    lines += [line((f"ssh-keygen -lf {file}", Role.COMMAND), indent=2) for file in files]
    return lines


def _presented(known: HostKeys, key: HostKey) -> list[Line]:
    same_type = [old for old in known.keys if old.type == key.type]
    is_recorded = key.fingerprint in {old.fingerprint for old in same_type}
    lines = [line((key.type, Role.STRONG), f" {key.fingerprint}{' (recorded)' if is_recorded else ''}", indent=2)]
    for old in same_type:
        if old.fingerprint != key.fingerprint:
            other = line(
                ("a different key is recorded", Role.BAD), f" in line {old.line}: {old.fingerprint}", indent=4
            )
            lines.append(other)
    return lines


def result_lines(result: TrustResult) -> list[Line]:
    """What is different now in the file."""
    where = one_line(place(result.host, result.port))
    lines = [
        *_each(where, "replaced", result.replaced),
        *_each(where, "recorded", result.recorded),
        *_each(where, "is recorded already", result.unchanged),
    ]
    changed = bool(result.recorded or result.replaced)
    loops = "loops use it from their next connection"
    lines.append(line(f"{one_line(result.file)}: {loops if changed else 'nothing was changed'}"))
    return lines


def _each(where: str, what: str, keys: Sequence[KeyLine]) -> list[Line]:
    return [line((where, Role.STRONG), f": {key.type} {key.fingerprint} {what}") for key in keys]
