"""Refuses to create a database in place of one that was moved or removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core import problem
from ftl2_enterprise.store import private_files
from ftl2_enterprise.store.branches import branch_of
from ftl2_enterprise.store.drivers import DRIVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.store.driver import Driver

SHOWN = 3
"""Files that the hint names."""


def check_presence(path: Path, *, driver: Driver = DRIVER) -> None:
    """Refuse a database that is missing or empty although files that belong to it exist.

    Raises Problem(unavailable): these files show that there was a database, and what is in it would be missing from a
    new one. Opens and locks nothing. The lock file of the service does not count: it is older than the database.
    """
    orphans = _orphans(path, driver)
    # Another process may have created the database, with its files, in the meantime.
    if not orphans or not _orphans(path, driver):
        return
    names = ", ".join(one.name for one in orphans[:SHOWN]) + (", ..." if len(orphans) > SHOWN else "")
    state = "empty" if path.exists() else "missing"
    raise problem.unavailable(
        f"cannot open the database {path}: it is {state}, but files that belong to it exist",
        f"put it back or restore a backup; for a new database, remove {names}",
    )


def _orphans(path: Path, driver: Driver) -> Sequence[Path]:
    try:
        of_driver = driver.orphans(path)
        return of_driver if path.exists() else [*of_driver, *_kept_next_to(path)]
    except OSError:
        # A directory that cannot be read is the problem of the caller, who is about to use it.
        return ()


def _kept_next_to(path: Path) -> Sequence[Path]:
    """What this program has created next to the database, or next to the file that it is a link to."""
    found: dict[Path, None] = {}
    for base in dict.fromkeys((path, Path(os.path.realpath(path)))):
        for one in sorted(base.parent.iterdir()) if base.parent.is_dir() else ():
            if one.name.startswith(f"{base.name}.") and _is_kept(one.name.removeprefix(f"{base.name}.")):
                found[one] = None
    return list(found)


def _is_kept(suffix: str) -> bool:
    """Whether the suffix is one of this program, or the schema by which a backup before a migration is named."""
    return suffix in private_files.SUFFIXES or all(branch_of(revision) is not None for revision in suffix.split("+"))
