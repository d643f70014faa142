"""Facts of hosts, extracted from observations of the loop. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.modules import RUNS_COMMANDS, name_of

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.decision import ObservationSpec

_PACKAGE_MANAGERS: dict[str, str] = {
    **dict.fromkeys(("fedora", "rhel", "centos", "rocky", "alma", "almalinux", "ol"), "dnf"),
    **dict.fromkeys(("debian", "ubuntu", "mint", "linuxmint", "pop"), "apt"),
}

_FROM_SETUP: dict[str, str] = {
    "system": "system",
    "machine": "machine",
    "distribution": "distribution",
    "pkg_mgr": "pkg_manager",
}


def facts_from(spec: ObservationSpec, result: Mapping[str, Any]) -> dict[str, str]:
    """Facts about the observed host, if any: system, machine, distribution, distribution_id, pkg_manager."""
    if result.get("failed"):
        return {}
    module = name_of(spec.module)
    if module == "setup":
        return _setup_facts(result)
    if module in RUNS_COMMANDS and "os-release" in _command(spec.params):
        return parse_os_release(str(result.get("stdout") or ""))
    if module == "slurp" and "os-release" in str(spec.params.get("src") or spec.params.get("path") or ""):
        return parse_os_release(_decoded(result.get("content")))
    if module == "system":
        return _system_facts(result)
    return {}


def _system_facts(result: Mapping[str, Any]) -> dict[str, str]:
    """The facts in a built-in observation of the host itself."""
    release: Any = result.get("os")
    fields = cast("Mapping[str, Any]", release if isinstance(release, Mapping) else {})
    named = {"ID": fields.get("id"), "ID_LIKE": fields.get("like"), "PRETTY_NAME": fields.get("name")}
    text = "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in named.items() if value)
    return parse_os_release(text)


def merged(known: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Known facts updated with new ones; the package manager of another distribution is dropped."""
    kept = dict(known)
    if found.get("distribution_id", kept.get("distribution_id")) != kept.get("distribution_id"):
        kept.pop("pkg_manager", None)
    return kept | dict(found)


def parse_os_release(text: str) -> dict[str, str]:
    """The facts in the text of an os-release file (os-release(5)); empty when it is not one."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            fields[match["name"]] = _unquoted(match["value"])
    facts: dict[str, str] = {}
    distribution = fields.get("PRETTY_NAME") or fields.get("NAME") or fields.get("ID")
    if distribution:
        facts["distribution"] = distribution
    identity = fields.get("ID", "").lower()
    if identity:
        facts["distribution_id"] = identity
    for family in (identity, *fields.get("ID_LIKE", "").lower().split()):
        if family in _PACKAGE_MANAGERS:
            return {**facts, "pkg_manager": _PACKAGE_MANAGERS[family]}
    return facts


_LINE = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip("\"'")


def _command(params: Mapping[str, Any]) -> str:
    value = params.get("cmd") or params.get("_raw_params") or params.get("argv") or ""
    return " ".join(str(word) for word in cast("list[Any]", value)) if isinstance(value, list) else str(value)


def _decoded(content: object) -> str:
    try:
        return base64.b64decode(str(content or "")).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _setup_facts(result: Mapping[str, Any]) -> dict[str, str]:
    found = result.get("ansible_facts")
    if not isinstance(found, Mapping):
        return {}
    facts = cast("Mapping[str, Any]", found)
    given = {ours: facts.get(f"ansible_{theirs}") or facts.get(theirs) for theirs, ours in _FROM_SETUP.items()}
    return {name: value for name, value in given.items() if isinstance(value, str)}
