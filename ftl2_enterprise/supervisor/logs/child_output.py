"""What a process and its children print, line by line in the log, without secrets.

Through a pipe that a thread reads, so that it can be redacted and bounded. What the interpreter prints if it dies of
a defect (a segmentation fault) would be lost with the thread: that goes into the file directly.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BURST, PER_SECOND = 200.0, 50.0
"""Lines that are kept: more would push everything else out of the log."""
LONGEST = 4096
"""Bytes of one line."""


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
    threading.Thread(target=_read, args=(reading, clock), name="output", daemon=True).start()


def _read(descriptor: int, clock: Callable[[], float]) -> None:
    allowance, since, dropped = BURST, clock(), 0
    with open(descriptor, "rb", buffering=64 * 1024) as stream:
        while text := stream.readline(LONGEST):
            now = clock()
            allowance, since = min(BURST, allowance + (now - since) * PER_SECOND), now
            if allowance < 1:
                dropped += 1
                continue
            if dropped:
                log.send("warning", "output lost", {"dropped": dropped})
                dropped = 0
            allowance -= 1
            if shown := text.decode(errors="replace").rstrip():
                log.send("info", shown, {"stream": "output"})
