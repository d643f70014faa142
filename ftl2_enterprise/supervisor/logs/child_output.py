"""What a process and its children print, line by line in the log, without secrets.

Through a pipe that a thread reads, so that it can be redacted and bounded. What the interpreter prints if it dies of
a defect (a segmentation fault) would be lost with the thread: that goes into the file directly.
"""

from __future__ import annotations

import codecs
import faulthandler
import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl2_enterprise.core.redact_stream import StreamRedactor
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BURST, PER_SECOND = 200.0, 50.0
"""Lines that are kept: more would push everything else out of the log."""
LONGEST = 4096
"""Characters of one line; a longer one is several. It is redacted before that, as one text with its neighbours."""
QUIET = 50
"""Milliseconds without output after which the lines so far are logged: no secret continues in the next one."""
END = 1.0
"""Seconds that the end of a process waits for what it has printed."""

_threads: list[threading.Thread] = []


def capture(last_words: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
    """From now on both outputs of this process go into its log; its last words into the file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Before it is a pipe: what was a file is asked for its position.
            reconfigure(line_buffering=True, errors="backslashreplace")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    if last_words is not None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with suppress(OSError):
            faulthandler.enable(os.open(last_words, flags, 0o640))
    thread = threading.Thread(target=_read, args=(reading, clock), name="output", daemon=True)
    _threads[:] = [thread]
    thread.start()


def close() -> None:
    """Log what was printed so far, within a limit; what is printed later is lost."""
    if not _threads:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    # A process that outlives this one may still have the pipe: then its end does not come, and the limit applies.
    _threads.pop().join(END)


def _read(descriptor: int, clock: Callable[[], float]) -> None:
    stream, lines = StreamRedactor(log.redactor), _Lines(clock)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while data := os.read(descriptor, 64 * 1024):
        lines.log(stream.feed(decoder.decode(data)))
        if not waiting.poll(QUIET):
            lines.log(stream.flush_lines())
    lines.log(stream.feed(decoder.decode(b"", final=True)) + stream.finish())


class _Lines:
    """Logs lines, as many as are allowed, and counts the others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._allowance, self._since, self._dropped = BURST, clock(), 0

    def log(self, text: str) -> None:
        """Log the lines of the redacted text."""
        for line in text.splitlines():
            for start in range(0, len(line), LONGEST):
                self._log(line[start : start + LONGEST])

    def _log(self, line: str) -> None:
        now = self._clock()
        self._allowance, self._since = min(BURST, self._allowance + (now - self._since) * PER_SECOND), now
        if self._allowance < 1:
            self._dropped += 1
            return
        if self._dropped:
            log.send("warning", "output lost", {"dropped": self._dropped})
            self._dropped = 0
        self._allowance -= 1
        if shown := line.rstrip():
            log.send("info", shown, {"stream": "output"})
