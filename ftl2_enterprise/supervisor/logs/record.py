"""One line of a log, as it is written into files, to the journal, and for eyes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import MICROSECONDS, Instant, iso
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.service.verbs import LogLine

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event

LONGEST_MESSAGE = 8 * 1024
LONGEST_FIELD = 32 * 1024
"""Characters; a traceback fits."""

WARNING_ENDINGS = {"failed", "blocked", "broken", "lost", "refused", "crashed", "hung", "expired"}
DETAILS = {"iteration", "model", "state", "rule"}
"""Kinds of facts that are told at `debug`, together with actions that have only begun."""


class Stored(Wire, frozen=True):
    """A line in a file; the time is written so that people can read it."""

    at: str
    level: str
    message: str
    source: str
    fields: dict[str, Any] = {}


_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(Stored)


def encode(line: LogLine) -> bytes:
    """The line as one of JSON, with its line break."""
    stored = Stored(
        at=iso(line.at),
        level=line.level,
        message=shortened(line.message, LONGEST_MESSAGE),
        source=line.source,
        fields={name: shortened(value, LONGEST_FIELD) for name, value in line.fields.items()},
    )
    return _encoder.encode(stored) + b"\n"


def decode(text: bytes, *, otherwise: Instant = 0) -> LogLine:
    """The line that was written; what is no JSON (the last words of a process) is a line at that instant."""
    try:
        stored = _decoder.decode(text)
        at = instant(stored.at)
    except (msgspec.MsgspecError, ValueError):
        message = text.decode(errors="replace").rstrip("\n")
        return LogLine(at=otherwise, level="error", message=message, source="output")
    return LogLine(at=at, level=stored.level, message=stored.message, source=stored.source, fields=stored.fields)


def instant(text: str) -> Instant:
    """The instant that `iso` wrote."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * MICROSECONDS)


def shortened(value: Any, limit: int) -> Any:
    """The value; a text without its middle when it is too long: a traceback says most at both ends."""
    if not isinstance(value, str) or len(value) <= limit:
        return value
    half = limit // 2 - 10
    return f"{value[:half]}\n... {len(value) - 2 * half} characters left out ...\n{value[-half:]}"


def of_fact(fact: Event, loop: str | None) -> LogLine:
    """A fact of the event log as a line."""
    fields: dict[str, Any] = {"event": fact.id}
    if loop is not None:
        fields["loop"] = loop
    if fact.loop_id is not None:
        fields["loop_id"] = fact.loop_id
    if fact.iteration_id is not None:
        fields["iteration"] = fact.iteration_id
    if fact.actor is not None:
        fields["actor"] = fact.actor
    for name, value in fact.data.items():
        fields.setdefault("action" if name == "action_id" else name, value)
    source = f"loop:{loop}" if loop is not None else "service"
    return LogLine(at=fact.at, level=level_of(fact), message=fact.kind, source=source, fields=fields)


def level_of(fact: Event) -> str:
    """How much the fact matters to whoever reads the log of the whole service."""
    noun, _, verb = fact.kind.rpartition(".")
    if verb in WARNING_ENDINGS or fact.data.get("error"):
        return "warning"
    if fact.kind == "loop.rested":
        return "warning" if fact.data.get("failures") else "debug"
    if _is_routine(fact):
        return "debug"
    if noun in DETAILS or fact.kind in {"action.started", "action.previewed", "action.skipped"}:
        return "debug"
    return "info"


def _is_routine(fact: Event) -> bool:
    """Whether it only tells that a continuous loop has looked once more and found all in place."""
    if fact.data.get("run", 1) == 1:
        return False
    if fact.kind == "loop.started":
        return not fact.data.get("resumed")
    return fact.kind == "loop.converged" and not fact.data.get("changed")


def for_eyes(line: LogLine) -> str:
    """The line as people read it: time, level when it matters, source, message, fields."""
    level = "" if line.level in {"info", "debug"} else f"{line.level}: "
    return f"{iso(line.at)[11:19]} {line.source}  {level}{with_fields(line)}"


NOT_SHOWN = {"loop", "loop_id", "event", "iteration", "logger", "traceback"}
"""Fields that say again what the source says, or are for programs."""


def with_fields(line: LogLine) -> str:
    """Message and fields on one line, and the traceback, when there is one, under it."""
    shown = [
        f"{name}={_plain(iso(value) if name.endswith('_at') and isinstance(value, int) else value)}"
        for name, value in line.fields.items()
        if name not in NOT_SHOWN and value is not None and value != []
    ]
    text = " ".join([line.message, *shown])
    traceback = line.fields.get("traceback")
    return f"{text}\n{traceback}" if traceback else text


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    text = shortened(text, 400)
    return text if text and text.isprintable() and " " not in text else msgspec.json.encode(text).decode()
