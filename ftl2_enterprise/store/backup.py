"""Copies of a database: one to try a migration on, one to return to. Other processes may write in the meantime."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ftl2_enterprise.store import schema_version
from ftl2_enterprise.store.branches import name_of
from ftl2_enterprise.store.database import BUSY_TIMEOUT, open_store
from ftl2_enterprise.store.drivers import DRIVER
from ftl2_enterprise.store.presence import check_presence
from ftl2_enterprise.store.schema_version import Schema

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ftl2_enterprise.store.branches import Branches
    from ftl2_enterprise.store.driver import Driver, Progress


def rehearse(path: Path, *, branches: Branches, driver: Driver = DRIVER) -> bool:
    """Whether a migration would change the database; the migration is tried on a copy.

    Raises Problem when it belongs to another program or is newer than this one, and whatever the migration raises.
    """
    check_presence(path, driver=driver)
    if not path.exists():
        return True
    if _schema(driver, path, branches)[0] is Schema.CURRENT:
        return False
    with _copy(driver, path) as copy:
        open_store(copy, branches=branches, create=True, driver=driver).close()
    return True


def back_up(
    path: Path, *, branches: Branches, progress: Progress | None = None, driver: Driver = DRIVER
) -> Path | None:
    """Keep a copy of the database, if a migration would change it: next to it, named by its schema.

    `progress` is called repeatedly during the copy; then no other process may write the database. Raises Problem.
    """
    check_presence(path, driver=driver)
    if not path.exists():
        return None
    schema, applied = _schema(driver, path, branches)
    if schema is not Schema.OLDER:
        return None
    kept = path.with_name(f"{path.name}.{name_of(applied) or 'before'}")
    with _copy(driver, path, progress) as copy, _explaining(driver, kept, "open"):
        copy.replace(kept)
    return kept


def _schema(driver: Driver, path: Path, branches: Branches) -> tuple[Schema, frozenset[str]]:
    with _explaining(driver, path, "open"), closing(driver.connect(path, BUSY_TIMEOUT)) as connection:
        applied = schema_version.applied(driver, connection, path)
    return schema_version.judge(applied, branches, path), applied or frozenset()


@contextmanager
def _copy(driver: Driver, path: Path, progress: Progress | None = None) -> Generator[Path]:
    """A consistent copy, which is removed at the end if it still exists."""
    copy = path.with_name(f"{path.name}.copy-{os.getpid()}")
    try:
        with _explaining(driver, path, "copy"):
            driver.copy(path, copy, progress)
        yield copy
    finally:
        driver.discard(copy)


@contextmanager
def _explaining(driver: Driver, path: Path, doing: str) -> Generator[None]:
    try:
        yield
    except (OSError, driver.error) as error:
        if found := driver.explain(error, path, doing):
            raise found from error
        raise
