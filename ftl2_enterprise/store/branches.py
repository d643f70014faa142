"""The migrations of a program, as branches: that of the store, and one for each capability that has migrations.

The store knows no capability, so the program passes the names of their packages (`wiring/migrations.py`). A package
of migrations has a folder `versions` with a file NUMBER_SUBJECT.py for each revision. In the store's own package the
number is the revision; in that of a capability the revision is NAME_NUMBER, so that no two branches share one. Every
branch descends from ROOT: up to there the store and the first capabilities share one history.

A database lists in `alembic_version` the revisions that no other applied revision descends from. Which these are is
determined by the names of the files, because Alembic takes a third of a second to load.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set as AbstractSet

STORE = "ftl2_enterprise.store.migrations"
"""The package of the store's own branch, which begins with the history of all."""
ROOT = "0004"
"""The last revision that all branches have in common. A later revision of the store is on its own branch."""
_VERSIONS = "versions"
_REVISION = re.compile(r"(?:(?P<name>[a-z][a-z0-9_]*)_)?[0-9]{4}")
_LONGEST = 60
"""Characters of a text that is shown because it is not a revision."""


class Branch(NamedTuple):
    """A package of migrations."""

    package: str
    """Its full name: `ftl2_enterprise.NAME.migrations`."""
    revisions: tuple[str, ...]
    """Oldest first."""


class Branches(NamedTuple):
    """Every migration of a program. Made when the program starts and kept, whatever happens to its files later."""

    store: Branch
    capabilities: tuple[Branch, ...] = ()

    @property
    def heads(self) -> frozenset[str]:
        """What `alembic_version` lists when every migration was applied."""
        own = self.store.revisions[-1]
        tips = {branch.revisions[-1] for branch in self.capabilities if branch.revisions}
        return frozenset(tips if own == ROOT and tips else {own, *tips})

    @property
    def known(self) -> frozenset[str]:
        """Every revision of every branch."""
        return frozenset(revision for branch in self.every for revision in branch.revisions)

    @property
    def names(self) -> frozenset[str]:
        """What precedes the number in the revisions of each branch; nothing for that of the store."""
        return frozenset({"", *(_name(branch.package) for branch in self.capabilities)})

    @property
    def every(self) -> Sequence[Branch]:
        """That of the store, then those of the capabilities."""
        return (self.store, *self.capabilities)


def find_branches(packages: Iterable[str] = (), *, store: str = STORE) -> Branches:
    """The branches of the store and of these packages of capabilities, whose folder is `NAME.migrations`."""
    own = Branch(store, _revisions(store, ""))
    return Branches(own, tuple(Branch(package, _revisions(package, f"{_name(package)}_")) for package in packages))


def versions_of(branch: Branch) -> str:
    """The folder of a branch with its files, as Alembic names a folder in a package."""
    return f"{branch.package}:{_VERSIONS}"


def name_of(revisions: Iterable[str]) -> str:
    """Revisions as one word, for people and for the names of files: `0005+NAME_0002`."""
    return "+".join(sorted(revisions))


def branch_of(revision: str) -> str | None:
    """The name of the branch of a revision; empty for that of the store, None for what is not a revision."""
    match = _REVISION.fullmatch(revision)
    return None if match is None else match["name"] or ""


def why_inconsistent(revisions: AbstractSet[str]) -> str | None:
    """Why no sequence of migrations leads to these revisions, in a part of a sentence; None if one does.

    A database lists the last applied revision of each branch, and one that all branches share only if no branch
    continues it. The revisions may be those of another program.
    """
    if not revisions:
        return "it lists no revision"
    found: dict[str, str] = {}
    for revision in sorted(revisions):
        branch = branch_of(revision)
        if branch is None:
            return f"{revision[:_LONGEST]!r} is not a revision"
        if branch in found:
            return f"it lists both {found[branch]} and {revision}"
        found[branch] = revision
    shared = found.get("")
    if shared is not None and shared <= ROOT and len(found) > 1:
        return f"it lists both {shared} and {min(found[branch] for branch in found if branch)}"
    return None


def _name(package: str) -> str:
    return package.split(".")[-2]


def _revisions(package: str, prefix: str) -> tuple[str, ...]:
    numbers = {
        file.partition("_")[0]
        for folder in import_module(package).__path__
        for file in os.listdir(os.path.join(folder, _VERSIONS))  # noqa: PTH118, PTH208 - pathlib is not loaded yet
        if file[0].isdecimal() and file.endswith(".py")
    }
    return tuple(f"{prefix}{number}" for number in sorted(numbers))
