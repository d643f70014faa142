"""Copies of a database: one to try a migration on, one to go back to. Both can be made while somebody writes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from ftl2_enterprise.store import schema_version
from ftl2_enterprise.store.database import open_store
from ftl2_enterprise.store.schema_version import Schema
from ftl2_enterprise.store.sqlite_errors import explained, explained_os

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.store.database import Progress

PAGES = 4096
"""Copied between two calls of `progress`: 16 MB."""


def rehearse(path: Path) -> bool:
    """Whether bringing the database up to date would change it, which is tried on a copy.

    Raises Problem when it is not ours or newer than this program, and whatever the migration raises.
    """
    if not path.exists():
        return True
    if _looked_at(path)[0] is Schema.CURRENT:
        return False
    with _copy(path) as copy:
        open_store(copy, create=True).close()
    return True


def back_up(path: Path, progress: Progress | None = None) -> Path | None:
    """Keep the database as it is, if bringing it up to date would change it: beside it, named by its schema.

    `progress` is called again and again while it is copied, which nobody else may write to then.

    Raises Problem.
    """
    if not path.exists():
        return None
    found, revision = _looked_at(path)
    if found is not Schema.OLDER:
        return None
    kept = path.with_name(f"{path.name}.{revision or 'before'}")
    with _copy(path, progress) as copy:
        try:
            copy.replace(kept)
        except OSError as error:
            raise explained_os(error, kept) from error
    return kept


def _looked_at(path: Path) -> tuple[Schema, str | None]:
    with _explaining(path, "open"):
        engine = create_engine("sqlite://", creator=lambda: _connect(path))
        try:
            with engine.connect() as connection:
                found = schema_version.look(connection, path)
                revision = None
                if found is not Schema.EMPTY:
                    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
                return found, revision
        finally:
            engine.dispose()


@contextmanager
def _copy(path: Path, progress: Progress | None = None) -> Generator[Path]:
    """A consistent copy, gone afterwards if it is still there."""
    copy = path.with_name(f"{path.name}.copy-{os.getpid()}")
    try:
        with _explaining(path, "copy"):
            # Made here and not by SQLite, so that nobody else can read it at any moment.
            os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
            with closing(_connect(path)) as source, closing(_connect(copy)) as target:
                if progress is None:
                    source.backup(target)
                else:
                    # Begun anew whenever somebody writes meanwhile.
                    source.backup(target, pages=PAGES, progress=lambda status, left, total: progress())
        yield copy
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{copy}{suffix}").unlink()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


@contextmanager
def _explaining(path: Path, doing: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise explained_os(error, path) from error
    except Exception as error:
        original = getattr(error, "orig", error)
        if found := explained(original, path, doing):
            raise found from error
        raise
