"""Finds known secrets in texts: as they are, escaped, encoded, wrapped over lines, and in dumps.

A *form* is a text in which a secret may stand: an encoding or an escape. Forms are searched for in the text itself,
and in *views* of it, in which some characters are left out: of the letters and digits alone, a base64 text is found
however it is wrapped, quoted or joined; of the hexadecimal digits alone, one that is spaced, in upper case, or
written as `0x68,`.

Not covered: compressed or encrypted texts, base85, rot13, base64 of more than two levels, a secret that is printed in
parts, and views of secrets shorter than `MIN_VIEWED`. Escapes are found as common programs write them, not in any
selection of the characters that could be escaped.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import string
import textwrap
from bisect import bisect_right
from typing import TYPE_CHECKING, final, override
from urllib.parse import quote, quote_plus

from ftl2_enterprise.core.secret_cuts import MASK, has_cut, mask_cuts
from ftl2_enterprise.core.secret_dumps import find_dumps, seven_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MIN_LENGTH = 4
"""Characters. A shorter value cannot be protected by a search, which would mask half of every text."""
MIN_LINE = 8
"""Characters from which on each line of a secret with several lines is searched for separately."""
MIN_CORE = 8
"""Characters from which on a part of a longer base64 text is searched for."""
MIN_VIEWED = 6
"""Characters of a secret from which on it is searched for in views, reversed, and in any case."""
PER_BYTE = 14
"""Characters that one byte of a secret has at most in a form: a line of `xxd -b` has 79 for six bytes."""
DUMP_LINE = 80
"""Characters of a line of a dump; the first and the last one of a secret contain other bytes, too."""


@final
class KnownValues:
    """The known secrets of a process. Holds them only inside of patterns and forms, and never prints them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._parts: frozenset[str] = frozenset(part for value in values for part in _parts(value))
        parts = self._parts
        forms = {form for part in parts for form in _written(part) if len(form) >= MIN_LENGTH and form not in MASK}
        viewed = [part for part in parts if len(part) >= MIN_VIEWED]
        self.reach: int = PER_BYTE * max((len(_bytes(part)) for part in parts), default=0) + 2 * DUMP_LINE
        """Characters of a text that one form covers at most, except for white space in between."""
        self._forms: list[str] = sorted(forms, key=len, reverse=True)
        self._plain: re.Pattern[str] | None = re.compile(_expression(forms)) if forms else None
        self._raw: set[bytes] = {raw for part in viewed for raw in (_bytes(part), seven_bits(_bytes(part)))}
        self._in_dumps: re.Pattern[bytes] | None = None
        self._views: list[_View] = [
            _View(_NOT_SPACE, {form for part in viewed for form in _solid(part)}),
            _View(_LETTERS, {form for part in viewed for form in _of_letters(part)}, end="="),
            _View(_HEX, {form for part in viewed for form in _hexadecimal(part)}, lower=True),
            _View(_DIGITS, {form for part in viewed for form in _numbers(part)}),
            _View(_NO_BACKSLASH, {form for part in viewed for form in _unescaped(part)}, lower=True),
            _View(_ALL, {_lower(part) for part in viewed if _lower(part) != part.upper()}, lower=True),
        ]

    @override
    def __repr__(self) -> str:
        return "KnownValues(hidden)"

    def extended(self, values: Iterable[str]) -> KnownValues:
        """These and further values."""
        return KnownValues([*self._parts, *values])

    def contains(self, text: str) -> bool:
        """Whether the text, which is short, contains a form of a secret."""
        return self._plain is not None and self._plain.search(text) is not None

    def mask(self, text: str) -> str:
        """The text with a mask in place of each form."""
        if self._plain is None:
            return text
        found = self.find(text)
        masked = mask_spans(text, found) if found else text
        return mask_cuts(masked, self._forms, self.reach) if has_cut(masked) else masked

    def find(self, text: str) -> list[tuple[int, int]]:
        """Where the text has forms: their beginnings and ends, which may overlap."""
        if self._plain is None:
            return []
        # All are searched for in the whole text: what one of them masks could hide the rest of a secret from others.
        found = [match.span() for match in self._plain.finditer(text)]
        if len(text) >= MIN_VIEWED:
            raw = text.encode("utf-8", "surrogatepass")
            for view in self._views:
                found += view.find(text, raw)
            found += find_dumps(text, self._dumped()) if self._raw else []
        return found

    def _dumped(self) -> re.Pattern[bytes]:
        if self._in_dumps is None:
            expression = _expression(raw.decode("latin-1") for raw in self._raw)
            self._in_dumps = re.compile(expression.encode("latin-1"))
        return self._in_dumps


def mask_spans(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with one mask in place of spans that overlap or touch."""
    pieces: list[str] = []
    done = -1
    for start, end in sorted(spans):
        if start > done:
            pieces += [text[max(done, 0) : start], MASK]
        done = max(done, end)
    return "".join([*pieces, text[max(done, 0) :]])


# --- views --------------------------------------------------------------------------------------------------------

_NOT_SPACE = re.compile(r"(?:[^ \t\n\v\f\r\\nrt]|(?<!\\)[nrt]|\\(?![nrt]))+")
"""White space, also as it is escaped in JSON, is left out."""
_LETTERS = re.compile(r"(?:[A-Za-z0-9](?<!\\[nrt]))+")
"""Of base64, what is the same in its URL-safe alphabet, and cannot join or begin lines."""
_NO_BACKSLASH = re.compile(r"[^\\]+")
"""Escapes within escapes, as of JSON in JSON in JSON, have any number of them."""
_HEX = re.compile(r"(?:(?!0[xX])[0-9A-Fa-f])+")
_DIGITS = re.compile(r"[0-9]+")
_ALL = re.compile(r"(?s).+")
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _others(kept: str) -> bytes:
    return bytes(code for code in range(256) if chr(code) not in kept)


_LEFT_OUT = {
    _NOT_SPACE: ((b"\\n", b"\\r", b"\\t"), b" \t\n\v\f\r"),
    _LETTERS: ((b"\\n", b"\\r", b"\\t"), _others(string.ascii_letters + string.digits)),
    _HEX: ((b"0x", b"0X"), _others("0123456789abcdefABCDEF")),
    _NO_BACKSLASH: ((), b"\\"),
    _DIGITS: ((), _others("0123456789")),
    _ALL: ((), b""),
}
"""The same for bytes: sequences and single bytes that a view leaves out; faster than an expression."""


def _lower(text: str) -> str:
    """In lower case; unlike `str.lower`, of the same length."""
    return text.lower() if text.isascii() else text.translate(_UPPER)


@final
class _View:
    """The characters of a text that `kept` matches, and the forms that are searched for in them.

    With `lower`, upper case is equal to lower case. Characters `end` after a form belong to it.
    """

    def __init__(self, kept: re.Pattern[str], forms: Iterable[str], *, lower: bool = False, end: str = "") -> None:
        texts = {_lower(form) for form in forms} if lower else set(forms)
        self._expression: str = _expression(texts)
        self._in_bytes: re.Pattern[bytes] | None = re.compile(self._expression.encode()) if texts else None
        self._in_text: re.Pattern[str] | None = None
        self._shortest = min((len(form) for form in texts), default=0)
        self._kept: re.Pattern[str] = kept
        self._lower: bool = lower
        self._end: str = end

    def find(self, text: str, raw: bytes) -> list[tuple[int, int]]:
        """Where the text, whose bytes are `raw`, has forms: their beginnings and ends in the text."""
        if self._in_bytes is None:
            return []
        sequences, single = _LEFT_OUT[self._kept]
        for sequence in sequences:
            raw = raw.replace(sequence, b"")
        if single:
            raw = raw.translate(None, single)
        if len(raw) < self._shortest or self._in_bytes.search(raw.lower() if self._lower else raw) is None:
            return []
        starts: list[int] = []
        offsets: list[int] = []
        pieces: list[str] = []
        size = 0
        for piece in self._kept.finditer(text):
            pieces.append(piece.group())
            starts.append(size)
            offsets.append(piece.start() - size)
            size += len(pieces[-1])
        view = "".join(pieces)

        def original(position: int) -> int:
            return position + offsets[bisect_right(starts, position) - 1]

        if self._in_text is None:
            # Compiled only here: most processes never have a text with a secret, and compiling takes long.
            self._in_text = re.compile(self._expression)
        found = self._in_text.finditer(_lower(view) if self._lower else view)
        spans = [(original(match.start()), original(match.end() - 1) + 1) for match in found]
        return [(start, _after(text, end, self._end)) for start, end in spans]


def _after(text: str, position: int, characters: str) -> int:
    """The position after all of these characters that follow."""
    while position < len(text) and text[position] in characters:
        position += 1
    return position


# --- forms --------------------------------------------------------------------------------------------------------


def _parts(value: str) -> set[str]:
    """The value and each of its long lines, with and without surrounding white space."""
    lines = value.splitlines()
    parts = {value, value.strip(), *(line for line in (*lines, *map(str.strip, lines)) if len(line) >= MIN_LINE)}
    return {part for part in parts if len(part) >= MIN_LENGTH}


def _written(value: str) -> set[str]:
    """The forms that are searched for in the text itself."""
    raw = _bytes(value)
    urls = {quote(raw, safe=safe) for safe in _NOT_IN_URLS}
    urls |= {quote_plus(raw), quote_plus(raw, safe="*").replace("~", "%7E")}  # the latter as in forms of browsers
    forms = {value, raw.hex(), raw.hex().upper(), *urls, *_html(value), *(writer(value) for writer in _FOR_PAGES)}
    forms |= {_lower_escapes(form) for form in urls}
    forms |= {quote(form, safe=safe) for form in urls for safe in _NOT_IN_URLS[:2]}
    forms |= _base64(raw) | {"\0".join(value)}
    if len(value) >= MIN_VIEWED:
        forms |= {value[::-1], *_base32(raw), *_base64(base64.b64encode(raw))}
    for inner in {html.escape(value), *_quoted(value)}:
        forms |= {inner, *_quoted(inner)}
    return forms


_NOT_IN_URLS = ("", "!'()*~", "/", "!'()*~;/?:@&=+$,#")
"""What is not escaped in URLs: by default, by JavaScript's encodeURIComponent, in paths, and by encodeURI."""


def _html(value: str) -> set[str]:
    """In texts of HTML and XML only `&<>` are escaped, in attributes also quotes, in one of several ways."""
    escaped = html.escape(value, quote=False)
    double = {escaped.replace('"', mark) for mark in ("&quot;", "&#34;")}
    return {escaped} | {form.replace("'", mark) for form in double for mark in ("'", "&#x27;", "&#39;", "&apos;")}


_SPACE = re.compile(r"\s|\\[nrt]")


def _solid(value: str) -> set[str]:
    """The value without white space."""
    form = _SPACE.sub("", value)
    return {form} if len(value) >= 2 * MIN_LINE and len(form) >= 2 * MIN_VIEWED - 2 else set()


_NOT_LETTERS = re.compile(r"[^A-Za-z0-9]+")


def _of_letters(value: str) -> set[str]:
    """Forms of letters and digits."""
    raw = _bytes(value)
    forms = _base64(raw) | _base32(raw) | _base64_twice(raw) | _base64(_utf16(value))
    letters = {_NOT_LETTERS.sub("", form) for form in forms if len(form) >= 2 * MIN_VIEWED - 2}
    return {form for form in letters if len(form) >= MIN_CORE}


def _unescaped(value: str) -> set[str]:
    """Forms without backslashes."""
    forms = {value, *_html(value)}
    forms |= {quoter(form) for form in forms for quoter in _QUOTERS} | {writer(value) for writer in _FOR_PAGES}
    return {form for form in (form.replace("\\", "") for form in forms) if len(form) >= MIN_VIEWED}


def _hexadecimal(value: str) -> set[str]:
    """Forms of hexadecimal digits; those of UTF-16 are the digits of escapes in JSON."""
    return {data.hex() for data in (_bytes(value), _utf16(value), _utf16(value, "be"))}


def _numbers(value: str) -> set[str]:
    """The bytes as octal numbers of three digits and as decimal ones."""
    raw = _bytes(value)
    return {"".join(f"{byte:03o}" for byte in raw), "".join(map(str, raw))}


def _json_for_pages(characters: str, *, ascii_only: bool = False) -> Callable[[str], str]:
    """A writer of JSON that also escapes some characters, as those for web pages, of Go and of our requests do.

    An escaped quotation mark gets one backslash too many, which is left out in the view without backslashes.
    """
    escapes = {ord(char): f"\\u{ord(char):04x}" for char in characters}
    return lambda text: json.dumps(text, ensure_ascii=ascii_only)[1:-1].translate(escapes)


_QUOTERS: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    _json_for_pages("<>"),
    _json_for_pages("<>&"),
    _json_for_pages("<>&'"),
    lambda text: repr(text)[1:-1],
    shlex.quote,
    lambda text: text.replace("'", "'\\''"),
    lambda text: text.replace("'", "'\"'\"'"),
    lambda text: text.replace("'", "''"),
    lambda text: re.sub(r'([\\"$`])', r"\\\1", text),
    lambda text: re.sub(r"([^A-Za-z0-9_@%+=:,./-])", r"\\\1", text),
    lambda text: re.sub(r"([\s'\"\\|&;()<>!{}*\[\]?^$`,]|^[#~]|(?<=[=:])~)", r"\\\1", text),  # printf %q of bash
    lambda text: repr(_bytes(text))[2:-1],
    lambda text: "".join(_octal(byte) for byte in _bytes(text)),
)


_FOR_PAGES: tuple[Callable[[str], str], ...] = tuple(
    _json_for_pages(characters, ascii_only=ascii_only)
    for characters in ("<>", "<>&", "'", "<>&'", "<>&'\"", "<>&'\"+`", "<>&\x7f", "\x7f")
    for ascii_only in (False, True)
)
"""Of Rails, Go and Django, of PHP, and of .NET; `jq -a` escapes DEL. Not part of escapes within escapes."""


def _octal(byte: int) -> str:
    """The byte as bash prints it within $'...', and git in names of files, without a locale."""
    char = chr(byte)
    if byte >= 0x7F or (byte < 0x20 and char not in "\t\n\r"):
        return f"\\{byte:03o}"
    return {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, char)


def _quoted(value: str) -> set[str]:
    return {quoter(value) for quoter in _QUOTERS}


def _base64(raw: bytes) -> set[str]:
    cores = [_core(raw, shift) for shift in range(3)]
    forms = {core for core in cores if len(core) >= MIN_CORE}
    forms.add(base64.b64encode(raw).decode())
    forms.add(base64.b64encode(raw).decode().rstrip("="))
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


def _core(raw: bytes, shift: int) -> str:
    """What is certain of base64 within a longer text, such as `user:password` of basic authentication.

    The letters depend on the offset modulo 3; those at both ends mix with the neighbours and are left out.
    """
    encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
    whole = (shift + len(raw)) % 3 == 0
    return encoded[(0, 2, 3)[shift] : None if whole else -1]


def _base64_twice(raw: bytes) -> set[str]:
    """Also of base64 that was wrapped as programs do it: `base64` at 76 characters, `openssl` at 64."""
    whole = base64.b64encode(raw).decode()
    inner = {_core(raw, shift) for shift in range(3)} | {whole}
    for width in (64, 76):
        inner |= {"\n".join(textwrap.wrap(_core(raw, 0), width)), "\n".join([*textwrap.wrap(whole, width), ""])}
    return {form for text in inner for form in _base64(text.encode())}


def _base32(raw: bytes) -> set[str]:
    return {base64.b32encode(raw).decode(), base64.b32encode(raw).decode().rstrip("=")}


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), text)


def _bytes(value: str) -> bytes:
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _utf16(value: str, order: str = "le") -> bytes:
    return value.encode(f"utf-16-{order}", "surrogatepass")


# --- patterns -----------------------------------------------------------------------------------------------------


def _expression(forms: Iterable[str]) -> str:
    """A regular expression that finds the longest of the forms at each place.

    Forms with the same beginning share it, or a text would be compared with every form at each of its characters.
    """
    ordered = sorted(set(forms) - {""})
    if not ordered:
        return ""
    try:
        return _shared(ordered, 0)
    except RecursionError:
        return "|".join(map(re.escape, sorted(ordered, key=len, reverse=True)))


def _shared(forms: list[str], depth: int) -> str:
    """The pattern of sorted forms that are equal up to `depth`."""
    first, last = forms[0], forms[-1]
    end = depth
    limit = min(len(first), len(last))
    while end < limit and first[end] == last[end]:
        end += 1
    head = re.escape(first[depth:end])
    if len(forms) == 1:
        return re.escape(first[depth:])
    ends_here = len(first) == end
    rest = forms[1:] if ends_here else forms
    branches: list[str] = []
    start = 0
    for index in range(1, len(rest) + 1):
        if index == len(rest) or rest[index][end] != rest[start][end]:
            branches.append(_shared(rest[start:index], end))
            start = index
    return f"{head}(?:{'|'.join(branches)}){'?' if ends_here else ''}"
