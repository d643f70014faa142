"""The migrations of this program: those of the store, and of every capability that has a package `NAME/migrations`.

They are found by their folders. It is no field of `Capability`, because a start of the service compares the schema
before it loads anything that is slow.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ftl2_enterprise.core.packages import ROOT, packages_in
from ftl2_enterprise.store import schema_version
from ftl2_enterprise.store.branches import find_branches, name_of
from ftl2_enterprise.wiring import capabilities

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.branches import Branches


RETIRED: tuple[str, ...] = (
)  # fmt: skip
"""Capabilities that were removed. Of each, `NAME/migrations` stays, whose last revision drops its tables: databases
that have them are migrated, and list that revision (HACKING.md, "Retire a capability")."""


@cache
def branches() -> Branches:
    """Every migration of the program, as its files were at the first call."""
    return find_branches(packages())


def packages() -> list[str]:
    """The packages of migrations of the capabilities, in the order of the capabilities, then of retired ones."""
    names = [f"{ROOT}.{name}" for name in (*capabilities.NAMES, *RETIRED)]
    return [package for name in names if (package := f"{name}.migrations") in packages_in(name)]


def schema() -> str:
    """The schema that the program needs, as one word."""
    return name_of(branches().heads)


def is_current(path: Path) -> bool:
    """Whether the database needs no migration; False also when that cannot be determined."""
    return schema_version.is_current(path, branches())
