"""State operations: validation, defaults, and those derived from module results. Pure; the engine applies them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, cast

import msgspec

from ftl2_enterprise.protocol.loops.decision import StateOp

OPS: tuple[str, ...] = ("add_resource", "add_host", "remove")

DEFAULT_USER = "root"

_RESERVED = frozenset({"all", "ungrouped", "local", "localhost"})
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:-]{0,252}[A-Za-z0-9_])?")
_GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_CONNECTION = frozenset(
    {"ansible_connection", "ansible_host", "ansible_port", "ansible_user", "ansible_become", "ansible_become_user"}
)
"""Variables about the connection that name no program."""
_MAX_NAME = 255


def refusal(op: StateOp) -> str | None:
    """The reason why the operation is invalid, in one sentence, or None."""
    if op.op not in OPS:
        near = get_close_matches(op.op, OPS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(OPS)}"
        return f"cannot apply the state operation {op.op!r}: it is unknown; {hint}"
    if not op.name.strip() or len(op.name) > _MAX_NAME or not op.name.isprintable():
        return f"cannot apply {op.op}: {op.name[:40]!r} is not a valid name"
    return _host_refusal(op) if op.op == "add_host" else None


def _host_refusal(op: StateOp) -> str | None:
    if op.name.lower() in _RESERVED:
        return f"cannot add the host {op.name!r}: the name is reserved; choose another one"
    if not _HOST_NAME.fullmatch(op.name):
        return f"cannot add the host {op.name!r}: a host name consists of letters, digits, dots and dashes"
    # The address becomes an argument of ssh, which would read one that begins with a dash as an option.
    if op.ansible_host is not None and not _HOST_NAME.fullmatch(op.ansible_host) and not is_address(op.ansible_host):
        return f"cannot add the host {op.name!r}: {op.ansible_host!r} is not an address"
    if op.ansible_port is not None and not 0 < op.ansible_port < 65536:
        return f"cannot add the host {op.name!r}: {op.ansible_port} is not a port"
    for name in op.data:
        if not is_plain_variable(name):
            why = f"only an inventory may set {name[:80]}, which can make the connection execute a program"
            return f"cannot add the host {op.name!r}: {why}"
    for group in op.groups:
        if not _GROUP_NAME.fullmatch(group):
            return f"cannot add the host {op.name!r}: {group!r} is not a valid group name"
    return None


def is_plain_variable(name: str) -> bool:
    """Whether a variable of a host cannot name a program, such as an interpreter, or options of one."""
    return not name.lower().startswith("ansible_") or name in _CONNECTION


def valid_ops(ops: Sequence[StateOp], *, users: Mapping[str, str | None]) -> tuple[list[StateOp], list[str]]:
    """The valid operations, in order, and the reason for each invalid one.

    A host that is added without a login name keeps its known one (`users`), else it gets the default.
    """
    good: list[StateOp] = []
    refused: list[str] = []
    for op in ops:
        why = refusal(op)
        if why is not None:
            refused.append(why)
        elif op.op == "add_host" and op.ansible_user is None:
            good.append(msgspec.structs.replace(op, ansible_user=users.get(op.name) or DEFAULT_USER))
        else:
            good.append(op)
    return good, refused


def machine_ops(module: str, result: Mapping[str, Any], *, users: Mapping[str, str | None]) -> list[StateOp]:
    """State operations that register the machine that a module reports as created, as a host and as a resource.

    The report is an `instance` with a `label` and at least one `ipv4` address. `users` are the login names of the
    known hosts. The host's data contains `made`, so that the engine waits until it accepts connections.
    """
    if result.get("failed") or result.get("state") == "absent" or not isinstance(result.get("instance"), Mapping):
        return []
    instance = cast("Mapping[str, Any]", result["instance"])
    label, addresses = instance.get("label"), _addresses(instance.get("ipv4"))
    if not isinstance(label, str) or not addresses:
        return []
    host = StateOp(
        op="add_host",
        name=label,
        ansible_host=addresses[0],
        ansible_user=users.get(label) or DEFAULT_USER,
        data={"made": True},
    )
    data = {"provider": module.rpartition(".")[2], "label": label, "ipv4": addresses}
    ops = [host, StateOp(op="add_resource", name=label, data=data)]
    return ops if all(refusal(op) is None for op in ops) else []


def _addresses(value: object) -> list[str]:
    many = cast("list[object]", value) if isinstance(value, list) else [value]
    return [address for address in many if isinstance(address, str) and is_address(address)]


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
