"""Problems that SQLite's result codes and the errors of the file system stand for.

Codes: https://www.sqlite.org/rescode.html.
"""

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
    """SQLite's result code without its extension; None for an error that has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def explain(error: BaseException, path: Path, doing: str) -> Problem | None:
    """The problem that an error of SQLite means; None for a defect of the program."""
    what = f"cannot {doing} the database {path}"
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return problem.unavailable(
                f"{what}: it is locked by another process", f"wait for that process, or find it with `fuser {path}`"
            )
        case sqlite3.SQLITE_FULL:
            return problem.unavailable(
                f"{what}: the disk is full", "free some space and try again; nothing was written"
            )
        case sqlite3.SQLITE_IOERR:
            return problem.unavailable(f"{what}: {_reason(error)}", "check the disk and its free space")
        case sqlite3.SQLITE_READONLY:
            return problem.unavailable(f"{what}: it is read-only for {_user()}", "check its mode and owner")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return problem.unavailable(
                f"{what}: {_reason(error)}", f"{_user()} needs to read and write it and its directory"
            )
        case sqlite3.SQLITE_NOTADB:
            return problem.invalid(f"{what}: it is not a database", "give another path with --db")
        case sqlite3.SQLITE_CORRUPT:
            return damaged(path, doing)
        case _:
            return None


def damaged(path: Path, doing: str) -> Problem:
    """The problem of a database whose content is not valid."""
    return Problem(
        Code.INTERNAL, f"cannot {doing} the database {path}: it is damaged", hint="restore it from a backup"
    )


def explain_os(error: OSError, path: Path, doing: str) -> Problem:
    """The problem that an error of the file system means."""
    what = f"cannot {doing} the database {path}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return problem.unavailable(f"{what}: the disk is full", "free some space and try again")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return problem.unavailable(f"{what}: {_user()} may not write there", "give another path with --db")
        case _:
            return problem.invalid(f"{what}: {os.strerror(error.errno or 0).lower()}", "give another path with --db")


def _reason(error: BaseException) -> str:
    return str(error) or "SQLite reports no reason"


def _user() -> str:
    return f"uid {os.geteuid()}"
