"""Where everything that a process of the service logs goes: to the journal or standard error, and into a file.

The one place where logging is set up. A line goes through a bounded queue and a separate thread, so that a
slow disk, a stopped terminal or a full journal delays nothing. Lines that do not fit are counted, and the count is
logged when there is room again.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast, override

import structlog

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.core.settings.sections import Level
from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.supervisor.logs import journal
from ftl2_enterprise.supervisor.logs.files import RotatingFile, path_of
from ftl2_enterprise.supervisor.logs.record import about, decode, encode, for_eyes

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from pathlib import Path

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
QUEUE = 2000
"""Lines that may wait to be written."""
FLUSH = 1.0
"""Seconds that the end of a process waits for its last lines."""
LOGGER = structlog.make_filtering_bound_logger(logging.DEBUG)
NOISY = ("asyncssh", "ftl2", "alembic", "asyncio", "sqlalchemy")
"""Libraries that speak of every connection and every call at `info`."""


class Sink(Protocol):
    """Where lines go. Never raises."""

    def write(self, line: LogLine) -> None:
        """Take the line."""
        ...


class Stderr:
    """Standard error, in lines for people; the descriptor of the moment at which it was made."""

    def __init__(self) -> None:
        self._descriptor: int = os.dup(2)

    def write(self, line: LogLine) -> None:
        """Print it."""
        with suppress(OSError):
            os.write(self._descriptor, f"{for_eyes(line)}\n".encode(errors="replace"))


class Nowhere:
    """Takes a line the way to a file, and drops it."""

    def write(self, line: LogLine) -> None:
        """Make it ready."""
        decode(encode(line))
        for_eyes(line)
        journal.entry(line, "warm-up")


@dataclass
class Log:
    """What this process logs with; made by `configure`."""

    source: str = "service"
    level: Level = Level.INFO
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    aloud: Sink | None = None
    """The journal, or standard error: gets what the level asks for."""
    kept: Sink | None = None
    """The file."""
    redactor: Redactor = field(default_factory=Redactor)
    waiting: deque[tuple[Sink, LogLine]] = field(default_factory=deque[tuple[Sink, LogLine]])
    dropped: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    threaded: bool = False
    """Lines are written by a thread, which begins with the first one: most children never log any."""
    thread: threading.Thread | None = None
    busy: bool = False

    def take(self, line: LogLine, *, keep: bool = True) -> None:
        """Write the line where it belongs, at once or by the thread."""
        if RANKS.get(line.level, 20) < RANKS[self.level]:
            return
        sinks = [sink for sink in (self.aloud, self.kept if keep else None) if sink is not None]
        if not self.threaded:
            for sink in sinks:
                sink.write(line)
            return
        with self.changed:
            if self.thread is None:
                self.thread = threading.Thread(target=self.work, name="log", daemon=True)
                self.thread.start()
            for sink in sinks:
                if len(self.waiting) < QUEUE:
                    self.waiting.append((sink, line))
                else:
                    self.dropped += 1
            self.changed.notify_all()

    def work(self) -> None:
        """What the thread does."""
        while True:
            with self.changed:
                self.busy = False
                self.changed.notify_all()
                while not self.waiting:
                    self.changed.wait()
                self.busy = True
                sink, line = self.waiting.popleft()
                dropped, self.dropped = self.dropped, 0
            if dropped:
                lost = {"dropped": dropped}
                sink.write(
                    LogLine(at=line.at, level="warning", message="lines lost", source=self.source, fields=lost)
                )
            sink.write(line)

    def flush(self, within: float = FLUSH) -> bool:
        """Wait until everything is written; False when that takes too long."""
        if self.thread is None:
            return True
        with self.changed:
            return self.changed.wait_for(lambda: not self.waiting and not self.busy, within)


_log = Log()


def configure(
    source: str,
    *,
    level: Level = Level.INFO,
    directory: Path | None = None,
    max_bytes: int = 10_000_000,
    subject: str = SERVICE,
    name: str | None = None,
    threaded: bool = True,
) -> Log:
    """Set up logging in this process, anew when it was set up in the process that this one was forked from.

    `source` is the process: control, writer, `KIND:NAME`. Not `threaded` in a process that is going to fork. With a
    `directory` lines go into the log of the subject there, too; `name` is what people call the subject.
    """
    global _log  # noqa: PLW0603 - a process has one log
    file = None if directory is None else RotatingFile(path_of(directory, subject), max_bytes)
    is_journal = journal.is_stderr(os.environ)
    fields = about(subject, name)
    _log = Log(
        source=source,
        level=level,
        fields=fields,
        aloud=journal.Journal(source) if is_journal else Stderr(),
        kept=file,
        threaded=threaded,
    )
    if threaded:
        atexit.unregister(close)
        atexit.register(close)
    _configure_structlog()
    _configure_logging(level)
    return _log


def is_configured() -> bool:
    """Whether lines go anywhere."""
    return _log.aloud is not None


def warm_up() -> None:
    """Log a line into nowhere, so that the processes that are forked from this one share what that loads."""
    global _log  # noqa: PLW0603
    log = configure("warm-up", threaded=False)
    log.aloud, log.kept = None, Nowhere()
    get().info("warm", fields=[1])
    crash(ValueError("warm"))
    _log = Log()


def change_level(level: Level) -> None:
    """From now on log so much."""
    _log.level = level
    if any(isinstance(handler, _Bridge) for handler in logging.getLogger().handlers):
        _configure_logging(level)


def close() -> None:
    """Write what waits, within a limit."""
    _log.flush()


def use(redactor: Redactor) -> None:
    """From now on this takes secrets out of every line, also those that it learns later."""
    _log.redactor = redactor


def redactor() -> Redactor:
    """What takes secrets out of every line."""
    return _log.redactor


def get() -> structlog.typing.FilteringBoundLogger:
    """A logger: `get().warning("a child crashed", child=key)`."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())


def crash(
    error: BaseException, message: str = "internal error", *, crash_id: str | None = None, **fields: Any
) -> str:
    """Log an unexpected exception with its traceback; returns the id that is shown to people."""
    found = crash_id or secrets.token_hex(4)
    whole = "".join(traceback.format_exception(error))
    get().error(f"{message} {found}", crash=found, traceback=whole, **fields)
    return found


def publish(line: LogLine) -> None:
    """A line that is in its file already: to the journal or standard error."""
    _log.take(line, keep=False)


# --- from structlog and logging to lines ---------------------------------------------------------------------------


def _configure_structlog() -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _take],
        wrapper_class=LOGGER,
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _take(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The last processor: the line is on its way, nothing is left to be printed."""
    if error := event.pop("exc_info", None):
        event["traceback"] = _formatted(error)
    send(str(event.pop("level", "info")), str(event.pop("event", "")), event)
    raise structlog.DropEvent


def _formatted(given: object) -> str:
    """The traceback of an exception, of what logging makes of one, or of the one that is being handled."""
    parts = cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,)
    error = next((part for part in parts if isinstance(part, BaseException)), None) or sys.exception()
    return "".join(traceback.format_exception(error)) if error else ""


def send(level: str, message: str, fields: Mapping[str, Any]) -> None:
    """Log a line."""
    log = _log
    redacted = log.redactor.value({**log.fields, **fields})
    level = "error" if level in {"critical", "exception"} else level
    log.take(
        LogLine(
            at=SystemClock().now(),
            level=level,
            message=log.redactor.text(message),
            source=log.source,
            fields=redacted,
        )
    )


class _Bridge(logging.Handler):
    """Takes what libraries log."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        # A mistake in a log call must not stop the work.
        with suppress(Exception):
            fields: dict[str, Any] = {"logger": record.name}
            if record.exc_info:
                fields["traceback"] = _formatted(record.exc_info)
            level = next((name for name in ("error", "warning", "info") if record.levelno >= RANKS[name]), "debug")
            send(level, record.getMessage(), fields)


def _configure_logging(level: Level) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    levels = {root: RANKS[level]}
    levels |= {logging.getLogger(name): max(RANKS[level], logging.WARNING) for name in NOISY}
    for logger, number in levels.items():
        # Each change makes every logger forget which levels it is enabled for.
        if logger.level != number:
            logger.setLevel(number)
    logging.captureWarnings(capture=True)
