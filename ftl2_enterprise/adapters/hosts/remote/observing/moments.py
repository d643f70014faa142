"""Times in the form in which observations report them: ISO 8601, in UTC."""

from __future__ import annotations

import time


def iso(seconds: float) -> str:
    """A time in seconds since 1970, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
