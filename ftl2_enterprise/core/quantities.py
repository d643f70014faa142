"""Amounts as people write them: 512M of memory, 50% of a processor. Standard library only."""

from __future__ import annotations

import re

LONGEST_DURATION = 10 * 365 * 24 * 3600
"""Seconds: ten years. Without a limit, infinity would be a duration, and timers cannot wait for it."""
LARGEST_COST = 1_000_000_000
"""US dollars."""
LARGEST_TOKENS = 10**12

_BYTES = re.compile(r"(\d{1,15})([KMGT]?)")
_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)%")
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def bytes_of(text: str) -> int:
    """The number of bytes in `512M`. Raises ValueError with what is expected."""
    match = _BYTES.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("expected bytes, such as 512M (K, M, G and T are powers of 1024)")
    return int(match[1]) * _FACTORS[match[2]]


def processors_of(text: str) -> float:
    """The number of processors in `50%`: 0.5. Raises ValueError with what is expected."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError("expected percent of one processor, such as 50% (200% are two)")
    return float(match[1]) / 100
