"""Removes secrets from everything that is stored, logged, shown or sent to a model.

There are two methods. Known values, which the process got as secrets, are found anywhere, also encoded or escaped.
Unknown ones are found by their context: after a name such as `password`, in a private key block, in a URL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast, override

import msgspec

from ftl2_enterprise.core.secret_forms import MASK, KnownValues, mask_spans
from ftl2_enterprise.core.secret_references import BEGIN, is_reference

MAX_DEPTH = 100


class Redactor:
    """Replaces secrets by MASK, and never prints them."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._known: KnownValues = KnownValues(values)

    def learn(self, values: Iterable[str]) -> None:
        """From now on also replace these values."""
        self._known = self._known.extended(values)

    @property
    def reach(self) -> int:
        """Characters of a text in which one known value is written at most."""
        return self._known.reach

    @override
    def __repr__(self) -> str:
        return "Redactor(hidden)"

    def known(self, text: str) -> str:
        """The text without the known values.

        For texts that stay in memory: a check may compare a text that `text` would mask on suspicion.
        """
        return self._known.mask(text)

    def text(self, text: str) -> str:
        """The text without known secrets and without what looks like one, for storing, showing and sending."""
        text = self._known.mask(text)
        if "PRIVATE KEY-----" in text:
            text = mask_spans(text, _find_private_keys(text))
        if "://" in text:
            text = _USERINFO.sub(rf"\g<user>{MASK}@", text)
        if ":" in text or "=" in text:
            text = _mask_assignments(text)
        return text

    def find(self, text: str) -> list[tuple[int, int]]:
        """Where the text has something that is masked: beginnings and ends, which may overlap."""
        found = self._known.find(text)
        if "PRIVATE KEY-----" in text:
            found += _find_private_keys(text)
        if "://" in text:
            found += [match.span() for match in _USERINFO.finditer(text)]
        for pattern in (_ASSIGNED, _BEARER) if _has_stem(text) else ():
            found += [match.span() for match in pattern.finditer(text)]
        return found

    def value(self, value: Any) -> Any:
        """The value as JSON types, without secrets in any key, text or number at any depth."""
        return self._value(value, 0)

    def _value(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return "[too deep]"
        match value:
            case str():
                return self.text(value)
            case dict():
                return self._mapping(cast("dict[Any, Any]", value), depth)
            case None | int() | float():
                return self._number(value)
            case list() | tuple() | set() | frozenset():
                return [self._value(item, depth + 1) for item in cast("Iterable[Any]", value)]
            case Mapping():
                return self._mapping(cast("Mapping[Any, Any]", value), depth)
            case msgspec.Struct():
                return self._value(msgspec.to_builtins(value, enc_hook=str), depth + 1)
            case _:
                return self.text(_as_text(value))

    def _number(self, number: float | None) -> Any:
        if number is None or isinstance(number, bool):
            return number
        if isinstance(number, float) and not math.isfinite(number):
            return str(number)
        # A secret may consist of digits; numbers are compared with known values only.
        if self._known.contains(str(number)):
            return MASK
        return number

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, item in mapping.items():
            key = str(name)
            if is_sensitive(key) and not _is_amount(key, item):
                item = _conceal(item, depth + 1)  # noqa: PLW2901
            result[self.text(key)] = self._value(item, depth + 1)
        return result


def _as_text(value: object) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)


def contains_mask(value: Any) -> bool:
    """Whether anything in the value was redacted. Such a value must not be used for an effect."""
    match value:
        case str():
            return MASK in value
        case list() | tuple() | set() | frozenset():
            return any(contains_mask(item) for item in cast("Iterable[Any]", value))
        case dict() | Mapping():
            pairs = cast("Mapping[Any, Any]", value).items()
            return any(contains_mask(name) or contains_mask(item) for name, item in pairs)
        case _:
            return False


# --- names of secrets --------------------------------------------------------------------------------------------

_WORDS = frozenset(
    {"password", "passwords", "passwd", "passphrase", "passphrases", "passcode", "pass", "pwd", "secret",
     "secrets", "token", "tokens", "apikey", "apikeys", "privatekey", "authorization", "credential",
     "credentials", "creds"}
)  # fmt: skip
_PAIRS = frozenset(
    {("api", "key"), ("api", "keys"), ("private", "key"), ("access", "key"), ("secret", "key"), ("auth", "key"),
     ("pass", "phrase"), ("encryption", "key"), ("signing", "key"), ("account", "key")}
)  # fmt: skip
_BENIGN_LAST = frozenset(
    {"count", "counts", "file", "files", "path", "paths", "dir", "name", "names", "id", "ids", "type",
     "types", "kind", "length", "len", "size", "limit", "limits", "max", "min", "policy", "required",
     "enabled", "disabled", "expiry", "expires", "expire", "expiration", "age", "ttl", "lock", "locked",
     "authentication", "auth", "url", "uri", "prompt", "algorithm", "version", "update", "always", "days",
     "usage", "used", "budget", "env", "var", "variable", "variables", "ref"}
)  # fmt: skip
_BENIGN_FIRST = frozenset({"no", "getent", "update", "num", "max", "min", "total", "count", "pass"})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Whether the name is that of a secret, as `db_password` and `apiKey` are, and `token_count` is not."""
    parts = [part.lower() for part in _PARTS.findall(name[:200])]
    if not parts or (parts[-1] in _BENIGN_LAST and len(parts) > 1):
        return False
    if len(parts) > 1 and parts[0] in _BENIGN_FIRST and tuple(parts[:2]) not in _PAIRS:
        return False
    return any(part in _WORDS for part in parts) or any(pair in _PAIRS for pair in pairwise(parts))


def _is_amount(name: str, value: Any) -> bool:
    return isinstance(value, (int, float)) and name.lower().endswith("tokens")


def _conceal(value: Any, depth: int) -> Any:
    """Mask every text and number, and keep the structure: `credentials: {user: ..., key: ...}` shows its parts."""
    if depth > MAX_DEPTH:
        return MASK
    match value:
        case None | bool() | "":
            return value
        case str() if is_reference(value):
            return value
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            # Names inside a secret may be secrets too: `tokens: {abc123: web}`.
            return {_name(str(name)): _conceal(item, depth + 1) for name, item in items}
        case list() | tuple() | set() | frozenset():
            return [_conceal(item, depth + 1) for item in cast("Iterable[Any]", value)]
        case _:
            return MASK


def _name(name: str) -> str:
    return name if len(name) <= 40 and _PLAIN_NAME.fullmatch(name) else MASK


_PLAIN_NAME = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)*")


# --- secrets in a text --- --------------------------------------------------------------------------------------

_USERINFO = re.compile(r"""(?P<user>(?<=://)[^\s/:@"'<>\\]{0,256}:)[^\s/?#"'<>\\]{1,1024}@""")

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}?PRIVATE KEY-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\s\\]*")


def _find_private_keys(text: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    position = 0
    ends = True
    while (begin := _KEY_BEGIN.search(text, position)) is not None:
        end = _KEY_END.search(text, begin.end()) if ends else None
        # Without an END line (a truncated text) only characters of a key are masked.
        ends = end is not None
        body = end or _KEY_BODY.match(text, begin.end())
        position = body.end() if body else begin.end()
        found.append((begin.start(), position))
    return found


_ASSIGNED = re.compile(
    r"""
    (?P<word> pass(?:word|wd|phrase) | secret(?:[_-]?key)? | token | (?:api|private|access)[_-]?key | authorization
            | credentials? )
    (?: (?P<q>\\{0,3}["'])[ \t]{0,8}[:=][ \t]{0,8}   # a quoted name, as in JSON, also in JSON within JSON
      | [ \t]{0,3}=[ \t]{0,3}
      | (?P<colon>:[ \t]{1,8}) )
    (?:(?P<vq>\\{0,3}["'])(?P<quoted>(?:(?!(?P=vq))(?:\\.|[^\\\n]))*+)(?P=vq)
      | (?P<scheme>(?:basic|bearer|token|negotiate)[ \t]{1,3})?(?P<plain>[^\s"'\\,;&<>()\[\]{}]++) )
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


def names_secret(text: str) -> bool:
    """Whether what follows `TEXT: ` is masked on suspicion."""
    match = _ASSIGNED.search(f"{text}: {_EXAMPLE}")
    return match is not None and _EXAMPLE not in _masked_assignment(match)


_EXAMPLE = "example"
_BEARER = re.compile(r"\b(?P<scheme>bearer[ \t]{1,3})[A-Za-z0-9._~+/=-]{12,}", re.IGNORECASE | re.ASCII)

_WORD_STEMS: tuple[str, ...] = ("pass", "secret", "token", "key", "authorization", "credential", "bearer")

_NOT_SECRET = frozenset({"true", "false", "yes", "no", "null", "none", "on", "off", "required", "optional"})


def _has_stem(text: str) -> bool:
    lowered = text.lower()
    return any(stem in lowered for stem in _WORD_STEMS)


def _mask_assignments(text: str) -> str:
    if not _has_stem(text):
        return text
    return _BEARER.sub(rf"\g<scheme>{MASK}", _ASSIGNED.sub(_masked_assignment, text))


def _masked_assignment(match: re.Match[str]) -> str:
    whole = match.group()
    name = "quoted" if match["quoted"] is not None else "plain"
    secret = match[name]
    # `passwd: files` is a line of nsswitch.conf; `password=$(pass db)` refers to a secret and does
    # not contain it.
    if match["colon"] and match["word"].lower() == "passwd":
        return whole
    if not secret or secret.startswith(("$", "{{", "%(", MASK, BEGIN)) or secret.lower() in _NOT_SECRET:
        return whole
    start, end = (offset - match.start() for offset in match.span(name))
    return whole[:start] + MASK + whole[end:]
