"""One line of a log, as it is written into files, to the journal, and for eyes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import MICROSECONDS, Instant, iso
from ftl2_enterprise.core.shorten import shorten_middle
from ftl2_enterprise.core.untrusted import clean, escape_json
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.fact import fact_of, type_of
from ftl2_enterprise.protocol.service.log_fields import EVENT, not_for_people
from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.protocol.subject import parse_subject

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event

LONGEST_MESSAGE = 8 * 1024
LONGEST_FIELD = 32 * 1024
"""Characters; a traceback fits."""


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
        message=shorten_middle(line.message, LONGEST_MESSAGE),
        source=line.source,
        fields={name: _limited(value, LONGEST_FIELD) for name, value in line.fields.items()},
    )
    # Log files are also read with programs that show them as they are.
    return escape_json(_encoder.encode(stored).decode()).encode() + b"\n"


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


def _limited(value: Any, limit: int) -> Any:
    """The value; a text without its middle when it is too long, as the ends of a traceback matter most."""
    return shorten_middle(value, limit) if isinstance(value, str) else value


def about(subject: str, name: str | None) -> dict[str, Any]:
    """The fields that name a subject: of `KIND:ID` the name as `KIND`, and the id as `KIND_id`."""
    parsed = parse_subject(subject)
    if parsed is None:
        return {}
    named = {} if name is None else {parsed.kind: name}
    return {**named, f"{parsed.kind}_id": parsed.id}


def of_event(event: Event, name: str | None) -> LogLine:
    """An event as a line; `name` is what people call its subject."""
    fields: dict[str, Any] = {EVENT: event.id, **about(event.subject, name)}
    if event.actor is not None:
        fields["actor"] = event.actor
    names = type_of(event.kind).log_names
    for field, value in event.data.items():
        fields.setdefault(names.get(field, field), value)
    parsed = parse_subject(event.subject)
    source = "service" if parsed is None or name is None else f"{parsed.kind}:{name}"
    return LogLine(at=event.at, level=fact_of(event).log_level(), message=event.kind, source=source, fields=fields)


def for_eyes(line: LogLine) -> str:
    """The line as people read it: time, level when it matters, source, message, fields."""
    level = "" if line.level in {"info", "debug"} else f"{line.level}: "
    return f"{iso(line.at)[11:19]} {_one_line(line.source)}  {level}{with_fields(line)}"


def with_fields(line: LogLine) -> str:
    """Message and fields on one line, and the traceback, when there is one, under it; without control characters."""
    hidden = not_for_people(line) | {"logger", "traceback"}
    shown = [
        f"{_one_line(name)}={_plain(iso(value) if name.endswith('_at') and isinstance(value, int) else value)}"
        for name, value in line.fields.items()
        if name not in hidden and value is not None and value != []
    ]
    text = " ".join([_one_line(line.message), *shown])
    traceback = line.fields.get("traceback")
    return f"{text}\n{clean(str(traceback))}" if traceback else text


def _one_line(text: str) -> str:
    """The text without control characters and line breaks, so that it cannot be taken for another line."""
    return clean(text).replace("\n", " ")


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    text = shorten_middle(text, 400)
    return (
        text if text and text.isprintable() and " " not in text else escape_json(msgspec.json.encode(text).decode())
    )
