"""Which numbers are valid, and the sentence about one that is not: the same for commands and for the service."""

from __future__ import annotations

from typing import NamedTuple

from ftl2_enterprise.core.problem import invalid


class Limits(NamedTuple):
    """Which numbers are valid. None is no limit."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None


def check_limits(value: float, limits: Limits, shown: str) -> None:
    """Raises Problem(invalid) for a number outside the limits, and for NaN if there is one; `shown` is its name."""
    # Negated, because every comparison with NaN is false.
    if limits.at_least is not None and not value >= limits.at_least:
        hint = f"it must be at least {number_text(limits.at_least)}"
    elif limits.above is not None and not value > limits.above:
        hint = f"it must be more than {number_text(limits.above)}"
    elif limits.at_most is not None and not value <= limits.at_most:
        hint = f"it must be at most {number_text(limits.at_most)}"
    else:
        return
    raise invalid(f"cannot take {number_text(value)} for {shown}", hint)


def number_text(value: float) -> str:
    """A number with all its digits if it is whole, and with at most 15 otherwise."""
    return str(value) if isinstance(value, int) else f"{value:.15g}"
