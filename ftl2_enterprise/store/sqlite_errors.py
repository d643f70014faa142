"""What SQLite says when it fails, in words for people."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from ftl2_enterprise.core import problem
from ftl2_enterprise.core.problem import Code, Problem

if TYPE_CHECKING:
    from pathlib import Path


def primary_code(error: BaseException | None) -> int | None:
    """SQLite's result code without its extension; None when it is no SQLite error."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def explained(error: BaseException | None, path: Path, doing: str) -> Problem | None:
    """The problem that a database error means, or None when it is a mistake of ours."""
    what = f"cannot {doing} the database {path}"
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return problem.unavailable(
                f"{what}: it is locked by another process", f"wait for it, or find it with `fuser {path}`"
            )
        case sqlite3.SQLITE_FULL:
            return problem.unavailable(f"{what}: the disk is full", "make room and try again; nothing is half done")
        case sqlite3.SQLITE_IOERR:
            return problem.unavailable(f"{what}: {_said(error)}", "look at the disk and its free space")
        case sqlite3.SQLITE_READONLY:
            return problem.unavailable(f"{what}: it is read-only for {_who()}", "look at its mode and owner")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return problem.unavailable(
                f"{what}: {_said(error)}", f"{_who()} needs to read and write it and its directory"
            )
        case sqlite3.SQLITE_NOTADB:
            return problem.invalid(f"{what}: it is not a database", "give another path with --db")
        case sqlite3.SQLITE_CORRUPT:
            return Problem(Code.INTERNAL, f"{what}: it is damaged", hint="restore it from a backup")
        case _:
            return None


def explained_os(error: OSError, path: Path) -> Problem:
    """The problem that an error of the file system means."""
    what = f"cannot open the database {path}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return problem.unavailable(f"{what}: the disk is full", "make room and try again")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return problem.unavailable(f"{what}: {_who()} may not write there", "give another path with --db")
        case _:
            return problem.invalid(f"{what}: {os.strerror(error.errno or 0).lower()}", "give another path with --db")


def _said(error: BaseException | None) -> str:
    return str(error) or "SQLite gave no reason"


def _who() -> str:
    return f"uid {os.geteuid()}"
