"""Freezes as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment, seconds_between
from ftl2_enterprise.core.freeze import NOT_THAWED, UNUSABLE_POLICY, FreezeScope
from ftl2_enterprise.render.text import Line, Role, ago, duration, line, one_line, person, symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord


def covered(record: FreezeRecord) -> str:
    """What the freeze covers, in words."""
    freeze = record.freeze
    match freeze.scope:
        case FreezeScope.ALL:
            return "everything"
        case FreezeScope.SUBJECT:
            return f"{freeze.of.partition(':')[0]} {one_line(record.name)}" if record.name else one_line(freeze.of)
        case FreezeScope.KIND:
            return f"every {freeze.of.replace('_', ' ')}"
        case FreezeScope.TARGET:
            return f"calls on {one_line(freeze.of)}"


def held_by(record: FreezeRecord, now: Instant) -> str:
    """What the freeze covers, who ordered it, since when, why, and until when, for what it holds."""
    until = record.freeze.until
    ends = f"; until {moment(until)} (in {duration(seconds_between(now, until))})" if until is not None else ""
    return f"{covered(record)}: {record.freeze.sentence}{ends}"


def freeze_lines(records: Iterable[FreezeRecord], now: Instant) -> list[Line]:
    """One line for each freeze: what it covers, who ordered it, since when, until when, and why."""
    return [_line(record, now) for record in records]


def remaining_lines(records: Iterable[FreezeRecord], now: Instant) -> list[Line]:
    """The freezes that a thaw leaves in force, with what ends them; nothing without any."""
    listed = list(records)
    if not listed:
        return []
    ids = [record.freeze.id for record in listed if record.freeze.id not in NOT_THAWED]
    hint = [line((f"`thaw ID` ends one of them, such as `thaw {ids[0]}`", Role.FAINT))] if ids else []
    policy = "unusable-policy ends when the site policy is repaired; `health` reports why"
    is_policy = any(record.freeze.id == UNUSABLE_POLICY for record in listed)
    return [
        line("still in force:"),
        *freeze_lines(listed, now),
        *hint,
        *([line((policy, Role.FAINT))] if is_policy else []),
    ]


def _line(record: FreezeRecord, now: Instant) -> Line:
    freeze = record.freeze
    if record.ended_at is not None:
        by = f"by {person(record.ended_by)} " if record.ended_by else "at its end, "
        state = line(
            symbol("✔", Role.GOOD), "thawed ", (covered(record), Role.STRONG), f" {by}{ago(record.ended_at, now)}"
        )
        word = f"; frozen by {person(freeze.by)} {moment(freeze.since)}"
        return line(*state.spans, word, ": ", one_line(freeze.reason, 400), (f" ({freeze.id})", Role.FAINT))
    until = ""
    if freeze.until is not None:
        until = f", until {moment(freeze.until)} (in {duration(seconds_between(now, freeze.until))})"
    since = f" since {moment(freeze.since)}" if freeze.since else ""
    return line(
        symbol("■", Role.BAD),
        ("frozen", Role.BAD),
        ": ",
        (covered(record), Role.STRONG),
        f" by {person(freeze.by)}{since}{until}: {one_line(freeze.reason, 400)}",
        (f" ({freeze.id})", Role.FAINT),
    )
