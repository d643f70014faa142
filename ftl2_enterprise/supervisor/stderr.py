"""What root says of itself: one line each on standard error, without ever waiting for a reader."""

from __future__ import annotations

import os
import select

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6
"""As syslog(3) counts."""
ATOMIC = 4000
"""Less than a pipe takes at once (PIPE_BUF), so that a writable one does not block."""


def say(text: str, level: int = INFO) -> None:
    """Write a line; it is lost when nobody reads standard error."""
    # journald takes the level from the front of a line (sd-daemon(3)).
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else "ftl2-enterprise: "
    line = (prefix + text.replace("\n", " ")).encode(errors="replace")[:ATOMIC] + b"\n"
    try:
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if any(events & select.POLLOUT for _, events in poll.poll(0)):
            os.write(2, line)
    except OSError:
        pass
