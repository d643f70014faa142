"""Growing delays. Pure: the random number is an argument."""

from __future__ import annotations


def exponential(failures: int, *, base: float, cap: float) -> float:
    """Seconds to wait after that many failures in a row: base, 2 base, 4 base ... up to the cap."""
    if failures <= 0:
        return 0.0
    # 2**60 seconds is beyond any cap; the limit keeps the power from overflowing after years of failures.
    return min(cap, base * 2.0 ** min(failures - 1, 60))


def jittered(seconds: float, *, jitter: float, random: float) -> float:
    """Spread a delay evenly over seconds * (1 - jitter, 1 + jitter); `random` is in [0, 1)."""
    return max(0.0, seconds * (1.0 + jitter * (2.0 * random - 1.0)))
