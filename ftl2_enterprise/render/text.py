"""Lines for people: spans of text with a role each. Text from elsewhere is never interpreted as markup."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import msgspec

from ftl2_enterprise.core.clock import Instant, iso, moment, seconds_between
from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.core.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Role(StrEnum):
    """What a piece of text means to the reader; the painter chooses its colour."""

    PLAIN = "plain"
    FAINT = "faint"
    STRONG = "strong"
    ACCENT = "accent"
    COMMAND = "command"
    """To be copied by the reader, so it is never broken into two lines."""
    GOOD = "good"
    CHANGED = "changed"
    WARNING = "warning"
    BAD = "bad"


# Structs and not dataclasses, because importing `dataclasses` takes a client longer than its request.
class Span(msgspec.Struct, frozen=True):
    """A piece of a line."""

    text: str
    role: Role = Role.PLAIN
    is_symbol: bool = False
    """Shown on terminals only, because a word after it has the same meaning."""


class Line(msgspec.Struct, frozen=True):
    """A line and its indentation in columns."""

    spans: tuple[Span, ...] = ()
    indent: int = 0
    hang: int = 2
    """Additional indentation of the second and later parts when the line has to be broken."""

    @property
    def plain(self) -> str:
        """The line as text, without symbols."""
        return " " * self.indent + "".join(span.text for span in self.spans if not span.is_symbol)


type Piece = str | Span | tuple[str, Role]


def line(*pieces: Piece, indent: int = 0, hang: int = 2) -> Line:
    """A line made of pieces."""
    return Line(tuple([_span(piece) for piece in pieces]), indent, hang)


def _span(piece: Piece) -> Span:
    if isinstance(piece, str):
        return Span(piece)
    return piece if isinstance(piece, Span) else Span(*piece)


def symbol(text: str, role: Role) -> Span:
    """A mark before a word."""
    return Span(f"{text} ", role, is_symbol=True)


# --- untrusted texts -----------------------------------------------------------------------------------------------


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, shortened to `limit` characters."""
    beginning = text[: limit * _READ_PER_SHOWN]
    joined = " ".join(clean(beginning).split())
    return shorten(joined if len(beginning) == len(text) else f"{joined}...", limit)


def with_commands(text: str, role: Role = Role.PLAIN, *, limit: int = 700) -> list[Span]:
    """The text on one line, in which commands in backquotes are not broken into two lines.

    `limit` is in characters: an error may have 500 and more, and end with the command that the reader needs.
    """
    parts = one_line(text, limit).split("`")
    if len(parts) < 3:
        return [Span(one_line(text, limit), role)]
    # The last part follows an opening backquote if their number is odd.
    whole = len(parts) if len(parts) % 2 else len(parts) - 1
    spans = [
        Span(f"`{part}`", Role.COMMAND) if index % 2 else Span(part, role) for index, part in enumerate(parts[:whole])
    ]
    return [span for span in (*spans, *(Span(f"`{part}", role) for part in parts[whole:])) if span.text]


_READ_PER_SHOWN = 20
"""Characters that are read for each that is shown, because stored texts may have millions."""


def harmless(one: Line) -> Line:
    """The line without anything that could control a terminal, in case a view has passed on a text as it came."""
    if all(span.text.isprintable() for span in one.spans):
        return one
    spans = tuple([Span(clean(span.text), span.role, span.is_symbol) for span in one.spans])
    return Line(spans, one.indent, one.hang)


def quoted(name: str) -> str:
    """A name as one word of a command line, quoted if necessary."""
    import shlex  # noqa: PLC0415 - most lines contain no command

    return shlex.quote(" ".join(name.split()))


def person(actor: str | None) -> str:
    """The name of an actor, without the uid and pid that are recorded with it."""
    return one_line((actor or "unknown").partition(" (uid ")[0], 60)


def last_lines(text: str, count: int = 5, limit: int = 300) -> list[str]:
    """The last lines that are not blank."""
    lines = [part.rstrip() for part in clean(text).split("\n") if part.strip()]
    return [shorten(part, limit) for part in lines[-count:]]


def width(text: str) -> int:
    """Columns that the text occupies on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - most texts are ASCII

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """The text in at most that many columns, ending with an ellipsis if it is cut."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    kept, used = "", 0
    for letter in text:
        used += width(letter)
        if used > columns - 1:
            break
        kept += letter
    return kept.rstrip() + "…"


def pad(text: str, columns: int) -> str:
    """The text padded with blanks to that many columns."""
    return text + " " * max(0, columns - width(text))


_PARTS = r" +|\(?[\d.]+ (?:ms|s|min|h|d)\b[^ ]*|[^ ]+"
"""The parts that a line may be broken between; a number and its unit of time are one part."""


def fitted(one: Line, columns: int) -> list[Line]:
    """The line broken at blanks into parts that are no wider than `columns`; later parts are indented by its hang.

    A command is never broken, because it is to be copied.
    """
    one = harmless(one)
    if columns < 20 or one.indent + sum(width(span.text) for span in one.spans) <= columns:
        return [one]
    further = one.indent + (one.hang if one.indent + one.hang <= columns * 2 // 3 else 2)
    lines: list[Line] = []
    current: list[Span] = []
    used = one.indent
    for word in _words(one.spans):
        wide = sum(width(span.text) for span in word)
        is_blank = word[0].text.startswith(" ")
        is_hopeless = further + wide > columns and any(span.role is Role.COMMAND for span in word)
        if current and not is_blank and used + wide > columns and used > one.indent + 2 and not is_hopeless:
            lines.append(Line(tuple(current), one.indent if not lines else further))
            current, used = [], further
        if is_blank and not current and lines:
            continue
        current += word
        used += wide
    return [*lines, Line(tuple(current), one.indent if not lines else further)]


def _words(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans as units that must not be broken: words, which may consist of several spans, and blanks."""
    words: list[list[Span]] = []
    is_open = False
    for span in spans:
        for part in [span.text] if span.role is Role.COMMAND else re.findall(_PARTS, span.text):
            piece = Span(part, span.role, span.is_symbol)
            is_blank = part.startswith(" ")
            if is_open and not is_blank:
                words[-1].append(piece)
            else:
                words.append([piece])
            # A symbol ends with a blank.
            is_open = not is_blank and not part.endswith(" ")
    return words


def value_text(value: object, limit: int = 80) -> str:
    """A JSON value on one line: a list of scalars as its items, other nested values as JSON."""
    match value:
        case bool():
            return str(value).lower()
        case list():
            items = cast("list[object]", value)
            plain = all(isinstance(item, str | int | float) for item in items)
            return one_line(", ".join(map(str, items)) if plain else _json(items), limit)
        case dict():
            return one_line(_json(cast("dict[str, object]", value)), limit)
        case float():
            return f"{value:.6g}" if abs(value) < 1e6 else str(value)
        case _:
            return one_line(str(value), limit)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def fields_text(fields: Mapping[str, object], limit: int = 80) -> str:
    """Names and values as `name=value`, without empty values; a value with blanks is in quotation marks."""
    given = ((name, value) for name, value in fields.items() if value is not None and value not in ("", [], {}))
    return " ".join(f"{name}={_field(name, value, limit)}" for name, value in given)


def _field(name: str, value: object, limit: int) -> str:
    # By convention the name of an instant ends so.
    text = moment(value) if name.endswith("_at") and isinstance(value, int) else value_text(value, limit)
    # JSON has its own quotation marks.
    return _json(text) if " " in text and text[0] not in "[{" else text


# --- numbers -------------------------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """Seconds for people: 0.02 s, 3.1 s, 42 s, 5 min, 3 h, 2 d."""
    if seconds is None:
        return "-"
    seconds = max(0.0, seconds)
    if seconds < 0.095:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    if seconds < 7170:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"


def ago(instant: Instant | None, now: Instant) -> str:
    """How long ago that was."""
    return "never" if instant is None else f"{duration(seconds_between(instant, now))} ago"


def iso_time(instant: Instant) -> str:
    """The time of day in UTC, to the second."""
    return iso(instant)[11:19] + "Z"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def dollars(amount: float) -> str:
    """An amount of money, with the digits that small ones need."""
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"


def columns(rows: Sequence[Sequence[Span]], *, gap: int = 2, indent: int = 0) -> list[Line]:
    """Cells in columns that are as wide as their widest cell; the last one is broken under itself."""
    if not rows:
        return []
    widths = [max(width(row[at].text) for row in rows) for at in range(len(rows[0]))]
    result: list[Line] = []
    for row in rows:
        padded = [
            Span(pad(cell.text, widths[at] + gap) if at < len(row) - 1 else cell.text, cell.role)
            for at, cell in enumerate(row)
        ]
        result.append(Line(tuple(padded), indent, sum(widths[:-1]) + gap * (len(widths) - 1)))
    return result
