"""The log of root: lines on standard error, written without waiting for a reader."""

from __future__ import annotations

import os
import select

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6
"""The levels of syslog(3)."""
ATOMIC = 4000
"""Bytes: less than PIPE_BUF, so that a write to a writable pipe does not block."""


def write_line(text: str, level: int = INFO) -> None:
    """Write a line, which is lost if no process reads standard error."""
    # journald takes the level from the beginning of a line (sd-daemon(3)).
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else "ftl2-enterprise: "
    line = (prefix + text.replace("\n", " ")).encode(errors="replace")[:ATOMIC] + b"\n"
    try:
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if any(events & select.POLLOUT for _, events in poll.poll(0)):
            os.write(2, line)
    except OSError:
        pass
