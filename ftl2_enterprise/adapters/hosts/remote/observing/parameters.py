"""The parameters of the built-in observations, and their validation, on the controller and again on the host.

Values reach programs as arguments, so a name is never an option, a pattern or a path where it must not be one.
"""

from __future__ import annotations

import re
from typing import Any, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST = 4096
"""Characters of a text, as of a path (PATH_MAX)."""
MOST_NAMES = 200
MOST_ROWS = 1000
MOST_PATHS = 2000
MOST_CONTENT = 1 << 20
"""Bytes of a file or of an HTTP body."""

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
"""systemd.unit(5): the characters of the name of a unit. A leading minus is valid there, but would be an option."""
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^:-]{0,254}")
_PROCESS = re.compile(r"[^\x00-\x1f\x7f/]{1,255}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?")
_DURATION = re.compile(r"[0-9]{1,9}[smhdw]?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]|[^\x00-\x7f]")
PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
PROTOCOLS = ("tcp", "udp", "unix")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
REFUSED_HEADERS = frozenset([
    "connection", "content-length", "expect", "proxy-authorization", "trailer", "transfer-encoding", "upgrade",
    "x-http-method", "x-http-method-override", "x-method-override",
])  # fmt: skip
"""Headers that change the form or the method of a request."""


class CannotObserve(Exception):
    """The reason why an observation is not possible, in one sentence."""


class Parameter:
    """One parameter: how its value is validated, and whether it must be given."""

    def __init__(self, check: Callable[[Any], Any], *, required: bool = False, default: Any = None) -> None:
        self.check = check
        """Returns the value to use. Raises ValueError with what the value has to be."""
        self.required = required
        self.default = default


def validated(module: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of an observation, with defaults. Raises CannotObserve."""
    known = PARAMETERS[module]
    strange = sorted(str(name) for name in given if name not in known)
    if strange:
        takes = ", ".join(sorted(known)) or "none"
        raise CannotObserve(f"cannot use the parameter {_shown(strange[0])} of {module}: its parameters are {takes}")
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        value = given.get(name)
        if value is None:
            if parameter.required:
                raise CannotObserve(f"cannot observe with {module}: the parameter {name} is missing")
            values[name] = parameter.default
            continue
        try:
            values[name] = parameter.check(value)
        except ValueError as error:
            raise CannotObserve(f"cannot use the {name} {_shown(value)} of {module}: it has to be {error}") from None
    return values


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST or "\0" in value:
        raise ValueError(what)
    return value


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = _text(value, what)
        if not pattern.fullmatch(text):
            raise ValueError(what)
        return text

    return check


def _number(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        what = f"a number from {low} to {high}"
        text = str(value) if type(value) in {int, str} else ""
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(what)
        return int(text)

    return check


def _boolean(value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("true or false")


def _choice(*values: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return value

    return check


def _pattern(value: Any) -> str:
    what = "a text in which * and ? stand for other characters"
    text = _text(value, what)
    if len(text) > 255 or any(ord(character) < 32 for character in text):
        raise ValueError(what)
    return text


def _unit(value: Any) -> str:
    name = _matching(_UNIT, "the name of one unit, as in nginx.service")(value)
    suffix = name.rpartition(".")[2]
    return name if suffix in UNIT_TYPES else f"{name}.service"


def _packages(value: Any) -> list[str]:
    what = f"the name of a package, or a list of at most {MOST_NAMES} names"
    names = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not 1 <= len(names) <= MOST_NAMES:
        raise ValueError(what)
    return list(dict.fromkeys(_matching(_PACKAGE, what)(name) for name in names))


def _path(value: Any) -> str:
    what = "an absolute path"
    text = _text(value, what)
    if not text.startswith(("/", "~")):
        raise ValueError(what)
    return text


def _paths(value: Any) -> list[str]:
    what = f"a list of at most {MOST_PATHS} absolute paths"
    names = cast("list[Any]", value) if isinstance(value, list) else None
    if names is None or len(names) > MOST_PATHS:
        raise ValueError(what)
    if not all(isinstance(name, str) and name.startswith("/") and "\0" not in name for name in names):
        raise ValueError(what)
    return names


def _since(value: Any) -> str:
    what = "a number of seconds, a duration as in 30m, 2h or 7d, or a date as in 2026-01-31T12:00:00Z"
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value, what)
    if not _DURATION.fullmatch(text) and not _DATE.fullmatch(text):
        raise ValueError(what)
    return text


def _priority(value: Any) -> str:
    what = f"one of {', '.join(PRIORITIES)}, or a number from 0 to 7"
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value, what)
    if text not in PRIORITIES and not re.fullmatch(r"[0-7]", text):
        raise ValueError(what)
    return text


def _url(value: Any) -> str:
    what = "an http or https URL of ASCII characters without a user name and password"
    text = _text(value, what)
    authority = re.match(r"https?://([^/?#]*)", text, re.IGNORECASE)
    if authority is None or not authority[1] or "@" in authority[1] or _NOT_IN_URL.search(text):
        raise ValueError(what)
    return text


def _headers(value: Any) -> dict[str, str]:
    what = "a mapping of names of headers to texts of one line"
    given = cast("dict[Any, Any]", value) if isinstance(value, dict) else None
    if given is None or len(given) > 50:
        raise ValueError(what)
    headers: dict[str, str] = {}
    for name, text in given.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name) or name.lower() in REFUSED_HEADERS:
            raise ValueError(f"{what}, and none that changes the form or the method of the request")
        headers[name] = str(text)
        if len(headers[name]) > LONGEST or re.search(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]", headers[name]):
            raise ValueError(what)
    return headers


UNIT_TYPES = frozenset([
    "service", "socket", "timer", "target", "mount", "automount", "path", "swap", "slice", "scope", "device",
])  # fmt: skip
_ROWS = Parameter(_number(1, MOST_ROWS), default=100)

PARAMETERS: dict[str, dict[str, Parameter]] = {
    "unit": {"name": Parameter(_unit, required=True)},
    "units": {
        "pattern": Parameter(_pattern, default="*"),
        "state": Parameter(_choice("active", "inactive", "failed", "activating", "deactivating", "reloading")),
        "type": Parameter(_choice(*sorted(UNIT_TYPES))),
        "limit": _ROWS,
    },
    "journal": {
        "unit": Parameter(_unit),
        "since": Parameter(_since),
        "lines": _ROWS,
        "priority": Parameter(_priority),
    },
    "sockets": {
        "protocol": Parameter(_choice(*PROTOCOLS)),
        "port": Parameter(_number(1, 65535)),
        "path": Parameter(_path),
        "limit": _ROWS,
    },
    "processes": {
        "name": Parameter(_matching(_PROCESS, "the name of a program, without a folder")),
        "pattern": Parameter(_pattern),
        "user": Parameter(_matching(_USER, "the name of a user")),
        "limit": _ROWS,
    },
    "packages": {"name": Parameter(_packages, required=True), "candidates": Parameter(_boolean, default=False)},
    "path": {
        "path": Parameter(_path, required=True),
        "follow": Parameter(_boolean, default=True),
        "sha256": Parameter(_boolean),
        "content": Parameter(_number(0, MOST_CONTENT), default=0),
        "entries": Parameter(_boolean, default=False),
    },
    "paths": {"paths": Parameter(_paths, required=True), "sha256": Parameter(_paths, default=[])},
    "http": {
        "url": Parameter(_url, required=True),
        "method": Parameter(_choice("GET", "HEAD"), default="GET"),
        "headers": Parameter(_headers, default={}),
        "body": Parameter(_number(0, MOST_CONTENT), default=65536),
        "timeout": Parameter(_number(1, 300), default=10),
        "redirects": Parameter(_number(0, 10), default=5),
        "verify": Parameter(_boolean, default=True),
    },
    "system": {},
}
"""The parameters of each built-in observation, by the name of its module."""
