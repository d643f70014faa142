"""Installed packages, from dpkg's status file (dpkg(1)) or by `rpm -q`."""

from __future__ import annotations

import os
import re

from ftl2_enterprise.adapters.hosts.remote.observing import programs
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIELDS = re.compile(r"^(Package|Status|Version|Architecture):(.*)$", re.MULTILINE)
STATUS = "/var/lib/dpkg/status"
_RPM_FORMAT = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\n"


def packages(given: dict[str, Any]) -> dict[str, Any]:
    """Each package by name, installed or not. Raises CannotObserve."""
    names = given["name"]
    if os.path.exists(STATUS):  # noqa: PTH110
        known = _read_status()
        found, manager = {name: _of_dpkg(name, known) for name in names}, "dpkg"
        if given["candidates"]:
            candidates = _candidates(names)
            for name in names:
                found[name]["candidate"] = candidates.get(name)
    elif programs.find("rpm") is not None:
        if given["candidates"]:
            raise CannotObserve("cannot observe candidates: they are known without a change only where dpkg is used")
        found, manager = {name: _of_rpm(name) for name in names}, "rpm"
    else:
        raise CannotObserve("cannot observe packages: this host has neither dpkg nor rpm")
    return {"manager": manager, "packages": found}


def _read_status() -> list[dict[str, str]]:
    """The fields of all packages that dpkg knows."""
    try:
        with open(STATUS, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read()
    except OSError as error:
        raise CannotObserve(f"cannot observe packages: {STATUS}: {error.strerror}") from None
    return [{field: value.strip() for field, value in _FIELDS.findall(stanza)} for stanza in re.split(r"\n\n+", text)]


def _of_dpkg(name: str, known: list[dict[str, str]]) -> dict[str, Any]:
    package, _, architecture = name.partition(":")
    rows = [
        one for one in known
        if one.get("Package") == package and architecture in ("", one.get("Architecture"))
    ]  # fmt: skip
    installed = [one for one in rows if one.get("Status", "").endswith(" ok installed")]
    best = (installed or rows or [{}])[0]
    return {
        "installed": bool(installed),
        "version": best.get("Version") if installed else None,
        "status": best.get("Status") or "unknown",
        "held": any(one.get("Status", "").startswith("hold ") for one in rows),
        "architectures": sorted(one.get("Architecture", "") for one in installed),
    }


def _candidates(names: list[str]) -> dict[str, str | None]:
    """The versions that apt would install, from the lists that this host has; nothing is written or fetched."""
    options = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    done = programs.run("apt-cache", [*options, "policy", "--", *names], purpose="cannot observe candidates")
    if done.rc != 0:
        raise CannotObserve(f"cannot observe candidates: {done.reason()}")
    found: dict[str, str | None] = {}
    package = ""
    for line in done.out.splitlines():
        if line and not line.startswith(" "):
            package = line.rstrip(":")
        elif line.startswith("  Candidate:"):
            version = line.partition(":")[2].strip()
            found[package] = None if version == "(none)" else version
    return found


def _of_rpm(name: str) -> dict[str, Any]:
    done = programs.run("rpm", ["-q", f"--queryformat={_RPM_FORMAT}", "--", name], purpose="cannot observe packages")
    rows = [line.split("\t") for line in done.out.splitlines() if line.count("\t") == 2]
    if not rows and "is not installed" not in done.out:
        raise CannotObserve(f"cannot observe the package {name}: {done.reason()}")
    return {
        "installed": bool(rows),
        "version": rows[-1][1] if rows else None,
        "status": "installed" if rows else "not installed",
        "held": None,
        "architectures": sorted({row[2] for row in rows}),
    }
