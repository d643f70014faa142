"""Unexpected exceptions: logged whole under an id, shown only as that id."""

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

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings_sections import Level

LOG_NAME = "ftl2-enterprise.log"


def log_path(directory: Path | None) -> Path:
    """The log beside the database; in the temporary directory when that cannot be written."""
    if directory is not None and directory.is_dir() and os.access(directory, os.W_OK):
        return directory / LOG_NAME
    return Path(tempfile.gettempdir()) / f"ftl2-enterprise-{os.getuid()}.log"


def record(error: BaseException, directory: Path | None) -> Problem:
    """Write the whole of it into the log; returns what people are shown."""
    # A loop that ended by it has the id in its row already.
    crash_id = str(getattr(error, "crash_id", None) or secrets.token_hex(4))
    path = log_path(directory)
    # Messages of exceptions may quote what they stumbled over.
    whole = Redactor().text("".join(traceback.format_exception(error)))
    try:
        append(path, f"{iso(SystemClock().now())} internal error {crash_id} in process {os.getpid()}\n{whole}\n")
    except OSError as failure:
        where = f"the log {path} cannot be written: {failure.strerror}"
    else:
        where = f"details are in {path}"
    return Problem(Code.INTERNAL, f"cannot continue: internal error {crash_id}", hint=where)


def append(path: Path, text: str) -> None:
    """Add to a file that only its owner may read; links are not followed, as others may write where it is."""
    options = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, options, 0o600), "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


class _LogFile(logging.Handler):
    def __init__(self, directory: Path | None) -> None:
        super().__init__()
        self._directory = directory
        self._redactor = Redactor()

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record; a log that cannot be written must not stop the work that it is about."""
        try:
            line = f"{record.levelname.lower()} {record.name}: {self.format(record)}"
            append(log_path(self._directory), f"{iso(SystemClock().now())} {self._redactor.text(line)}\n")
        except Exception:
            pass


def configure(level: Level, directory: Path | None) -> None:
    """Send what the program and its libraries log into the file, and nothing to the terminal."""
    root = logging.getLogger()
    root.handlers[:] = [_LogFile(directory)]
    root.setLevel(level.upper())
    # These speak of every connection and every call at `info`.
    for name in ("asyncssh", "ftl2", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
