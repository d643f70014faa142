"""What the commands about freezes share: what a freeze covers, and until when."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Option, ValueKind, not_empty
from ftl2_enterprise.core.clock import Instant, SystemClock, after
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
"""Seconds of each unit of a duration."""
MODEL_CALLS = "model_call"
"""The kind of effects that `--models` names."""
_DURATION = re.compile(r"\+(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>[smhd])")


def _instant(shown: str, word: str) -> Instant:
    """The instant of `+2h` or of an ISO 8601 time, which is local without an offset. Raises Problem(invalid)."""
    if match := _DURATION.fullmatch(word):
        return after(SystemClock().now(), float(match["number"]) * UNITS[match["unit"]])
    try:
        found = datetime.fromisoformat(word)
        seconds = found.timestamp()
    except (ValueError, OverflowError):
        raise invalid(
            f"cannot take {word!r} for {shown}", "it must be +30m, +2h, +1d, or a time such as 2030-01-31T18:00"
        ) from None
    return round(seconds * 1_000_000)


TIME = ValueKind(name="time", check=_instant)
REASON = Option("reason", "Why; it is shown wherever something is held.", ValueKind(name="text", check=not_empty))
UNTIL = Option("until", "When it ends without a request: +30m, +2h, +1d, or 2030-01-31T18:00.", TIME)
NOW = Option("now", "Interrupt what runs already; what that did is recorded as unknown.")
GRADUALLY = Option("gradually", "Let what was held continue over the period supervisor.splay, not all at once.")


def selection(loop: ValueKind) -> tuple[Option, ...]:
    """The options that select what a freeze covers; `loop` is the kind of value that names a loop."""
    return (
        Option("all", "Everything.", short="a"),
        Option("loop", "What this loop does.", loop, value="LOOP"),
        Option(
            "host",
            "Calls on this host, under every name in the inventory of a loop.",
            TEXT,
            value="HOST",
        ),
        Option("group", "Calls on the hosts of this group.", TEXT, value="GROUP"),
        Option("models", "Requests to models."),
    )


NAMES = ("all", "loop", "host", "group", "models")


def selected(given: GivenValues, doing: str) -> tuple[FreezeScope, str]:
    """What the options name. Raises Problem(invalid) unless it is exactly one thing."""
    named = [name for name in NAMES if given.has(name)]
    if len(named) != 1:
        raise invalid(
            f"cannot {doing} {' and '.join(f'--{name}' for name in named) or 'without a selection'}",
            "give one of --all, --loop, --host, --group and --models",
        )
    (name,) = named
    match name:
        case "all":
            return FreezeScope.ALL, ""
        case "loop":
            return FreezeScope.SUBJECT, f"loop:{given.text(name)}"
        case "models":
            return FreezeScope.KIND, MODEL_CALLS
        case _:
            return FreezeScope.TARGET, not_empty(f"--{name}", given.text(name))


def reason_of(given: GivenValues) -> str:
    """The reason. Raises Problem(invalid) without one."""
    reason = given.maybe("reason")
    if reason is None:
        raise invalid("cannot freeze without a reason", "give --reason TEXT, for those who find it frozen")
    return " ".join(reason.split())
