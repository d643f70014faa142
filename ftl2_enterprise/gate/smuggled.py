"""Parameters by which a module would do something else than they name: signs of a shell, and options for names.

A rule about commands, paths or units cannot know of these, so that no such call is executed, whatever the policy is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ftl2_enterprise.gate.modules import find

_UNSAFE_IN_SHELL = re.compile(r"[^\w.+:~^*@/=,%-]")
_SPLITTING = re.compile(r"""[\s'"\\]""")
_NOT_A_UNIT = re.compile(r"""^-|['"\s/]""")
_COMMA = re.compile(r"\s*,\s*")
_COMMA_OR_BLANK = re.compile(r"[\s,]+")
_IS_OPTION = "it would be an option, since it begins with a dash"


def smuggled(module: str, params: Mapping[str, Any]) -> str | None:
    """Why nothing may run this call; None if its parameters are what they seem to be."""
    known = find(module)
    if known is None:
        return None
    for param, text in _each(params, params if "*" in known.in_shell else known.in_shell):
        if text.startswith("-") or _UNSAFE_IN_SHELL.search(text):
            why = "it has a blank, or a sign that a shell would interpret; give several names as a list"
            return _refused(module, param, why)
    for param, text in _each(params, known.services):
        if _NOT_A_UNIT.search(text):
            return _refused(module, param, "a unit has no quotes, blanks, slashes or leading dash")
    # A list may be a text with commas, and `pip` passes the words of a name separately.
    separator = _COMMA_OR_BLANK if known.name == "pip" else _COMMA
    for param, text in _each(params, (*known.arguments, *known.split, *known.packages, *known.users)):
        if any(one.startswith("-") for one in separator.split(text)):
            return _refused(module, param, _IS_OPTION)
    for param, text in _each(params, (*known.split, *(() if known.name == "pip" else known.packages))):
        if _SPLITTING.search(text):
            why = "it has a blank, a quote or a backslash, by which it would be several words; give several as a list"
            return _refused(module, param, why)
    for param, text in _each(params, known.one_line):
        if "\n" in text or "\r" in text:
            return _refused(module, param, "it has a line break, after which it would be about something else")
    return None


def _refused(module: str, param: str, why: str) -> str:
    return f"cannot use the parameter {param} of {module}: {why}"


def _each(params: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The texts in the parameters with these names."""
    return ((name, text) for name in names for text in _texts(params.get(name)))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a parameter, without the blanks around it."""
    match value:
        case str():
            yield value.strip()
        case Mapping():
            for key, one in cast("Mapping[Any, Any]", value).items():
                yield from _texts(key)
                yield from _texts(one)
        case list() | tuple() | set() | frozenset():
            for one in cast("list[Any]", value):
                yield from _texts(one)
        case None | bool() | int() | float():
            pass
        case _:
            yield str(value).strip()
