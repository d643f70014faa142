"""The migrations of this program: those of the store, and of every capability that has a package `NAME/migrations`.

They are found by their folders. It is no field of `Capability`, because a start of the service compares the schema
before it loads anything that is slow.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from ftl2_enterprise.store import schema_version
from ftl2_enterprise.store.branches import STORE, find_branches

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.branches import Branches

_PROGRAM = __name__.partition(".")[0]


@cache
def branches() -> Branches:
    """Every migration of the program, as its files were at the first call."""
    return find_branches(packages())


def packages() -> list[str]:
    """The packages of migrations of the capabilities, by name."""
    names = {
        name
        for folder in import_module(_PROGRAM).__path__
        for name in os.listdir(folder)  # noqa: PTH208 - pathlib is not loaded yet
        if os.path.isfile(os.path.join(folder, name, "migrations", "__init__.py"))  # noqa: PTH113, PTH118 - as above
    }
    return [package for name in sorted(names) if (package := f"{_PROGRAM}.{name}.migrations") != STORE]


def is_current(path: Path) -> bool:
    """Whether the database needs no migration; False also when that cannot be determined."""
    return schema_version.is_current(path, branches())
