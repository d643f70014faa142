"""What a package contains, by the names of its folders and files, without importing any of it.

A capability adds folders to packages such as `protocol` and `render`. Their readers find them here, so that these
packages need no list of capabilities. `ftl2ctl` uses this for each call: it imports as little as possible.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in core.paths
if TYPE_CHECKING:
    from types import ModuleType

ROOT = __name__.partition(".")[0]
"""The package that is the whole program."""


def load(name: str) -> ModuleType:
    """The module of that full name, imported."""
    # Not importlib, which would have to be imported first.
    __import__(name)
    return sys.modules[name]


def inside(path: str) -> tuple[list[str], list[str]]:
    """The names of the modules in a directory, and of the packages in it; sorted, without private ones."""
    modules: set[str] = set()
    packages: set[str] = set()
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(("_", ".")):
                continue
            if entry.name.endswith((".py", ".pyc")):
                modules.add(entry.name.partition(".")[0])
            elif entry.is_dir():
                packages.add(entry.name)
    return sorted(modules), sorted(packages)


def packages_in(package: str) -> list[str]:
    """The full names of the packages in a package; sorted."""
    return [f"{package}.{name}" for path in load(package).__path__ for name in inside(path)[1]]


def modules_named(name: str, *, among: str) -> list[str]:
    """The full names of the modules of that name in the packages of a package: `verbs` among `protocol`.

    Such a module may itself be a package.
    """
    found: list[str] = []
    for path in load(among).__path__:
        for package in inside(path)[1]:
            place = os.path.join(path, package, name)  # noqa: PTH118 - pathlib costs a client too much
            # A package before a module, as for an import.
            if any(os.path.exists(place + end) for end in ("/__init__.py", "/__init__.pyc", ".py", ".pyc")):  # noqa: PTH110
                found.append(f"{among}.{package}.{name}")
    return found
