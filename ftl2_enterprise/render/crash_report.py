"""Unexpected exceptions: the traceback goes to the log under an id, and the user sees only that id."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import SystemClock, iso
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.core.untrusted import clean

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.sections import Level

LOG_NAME = "ftl2-enterprise.log"


def log_path(directory: Path | None) -> Path:
    """The log file: in this directory, that of the database, or in the temporary directory if it is not writable."""
    if directory is not None and directory.is_dir() and os.access(directory, os.W_OK):
        return directory / LOG_NAME
    return Path(tempfile.gettempdir()) / f"ftl2-enterprise-{os.getuid()}.log"


def record(error: BaseException, directory: Path | None) -> Problem:
    """Write the traceback to the log; returns the problem to show, which names the id and the log file."""
    # The row of what ended with this exception has the id already.
    crash_id = str(getattr(error, "crash_id", None) or secrets.token_hex(4))
    path = log_path(directory)
    # Messages of exceptions may quote values that are secret.
    whole = Redactor().text("".join(traceback.format_exception(error)))
    try:
        append(path, f"{iso(SystemClock().now())} internal error {crash_id} in process {os.getpid()}\n{whole}\n")
    except OSError as failure:
        where = f"the log {path} cannot be written: {failure.strerror}"
    else:
        where = f"details are in {path}"
    return Problem(Code.INTERNAL, f"cannot continue: internal error {crash_id}", hint=where)


def append(path: Path, text: str) -> None:
    """Append to a file with mode 0600, without what could control the terminal of a reader.

    Symbolic links are not followed, because other users may write to the temporary directory. Raises OSError.
    """
    options = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, options, 0o600), "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(clean(text))


class _LogFile(logging.Handler):
    def __init__(self, directory: Path | None) -> None:
        super().__init__()
        self._directory = directory
        self._redactor = Redactor()

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record; a failure to write the log must not interrupt the logged work."""
        try:
            line = f"{record.levelname.lower()} {record.name}: {self.format(record)}"
            append(log_path(self._directory), f"{iso(SystemClock().now())} {self._redactor.text(line)}\n")
        except Exception:
            pass


def configure(level: Level, directory: Path | None) -> None:
    """Send log records of the program and its libraries to the log file, and none to the terminal."""
    root = logging.getLogger()
    root.handlers[:] = [_LogFile(directory)]
    root.setLevel(level.upper())
    # These log every connection and every call at `info`.
    for name in ("asyncssh", "ftl2", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
