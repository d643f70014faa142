"""Parameters by which a module would do something else than they name: signs of a shell, options, lines and fields.

A rule about commands, paths or units cannot know of these, so that no such call is executed, whatever the policy is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.modules import find

if TYPE_CHECKING:
    from ftl2_enterprise.gate.module_table import Module

# A shell replaces `*`, `?` and `[` by names of files, which can be options. It ends a command at a line break.
_UNSAFE_IN_SHELL = re.compile(r"^-|[^\w.+:~^@/=,%-]")
_SPLITTING = re.compile(r"""['"\\]|\S\s+\S""")
_NOT_A_UNIT = re.compile(r"""^-|['"\s/]""")
_NOT_A_LIBRARY = re.compile(r"""^-|['"\s/]""")
_NOT_PLAIN = re.compile(r"^[-@]|^$|[^\w.+:~*@/,%-]")
# Also what `str.splitlines` takes for a line break, since modules read files with it.
_LINE_BREAK = re.compile(r"[\x00\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_IN_QUOTES = re.compile(r"""['"\\\x00-\x1f\x7f\x85\u2028\u2029]""")
_NOT_IN_INI = re.compile(r"^\s*[#;]|[][=\x00-\x1f\x7f\x85\u2028\u2029]")
_NOT_A_VARIABLE = re.compile(r"^(?![A-Za-z_]\w*\Z)")
_SEPARATED = re.compile(r"(?<!\\),")

_COMMA = re.compile(r"\s*,\s*")
_COMMA_OR_BLANK = re.compile(r"[\s,]+")
_NEGATION = "! "
"""`iptables` passes the rest of a value that begins with it."""
_OFF = frozenset({"no", "n", "false", "f", "off", "0", "0.0", ""})

_IS_OPTION = "it would be an option, since it begins with a dash"
_NEW_LINE = "it has a line break, after which it would be about something else"


def smuggled(module: str, params: Mapping[str, Any]) -> str | None:
    """Why nothing may run this call; None if its parameters are what they seem to be."""
    known = find(module)
    if known is None:
        return None
    for names, unsafe, why in _checks(known, params):
        for param, text in _each(params, names):
            if unsafe.search(text):
                return _refused(module, param, why)
    for param, text in _each(params, params if "*" in known.line_ends else known.line_ends):
        if _LINE_BREAK.search(text.rstrip("\r\n")):
            return _refused(module, param, _NEW_LINE)
    for param in known.plain:
        # A module makes one text of a list that it does not expect.
        given: Any = params.get(param)
        is_one_text = param not in known.lists and isinstance(given, list | tuple | Mapping)
        for text in _texts(str(cast("object", given)) if is_one_text else given):
            if _NOT_PLAIN.search(text):
                why = "it is empty, or has a blank or a sign by which it would be more than one field of a line"
                return _refused(module, param, why)
    for param in known.elements:
        # A text with commas is a list itself, of which rules know each element.
        given = params.get(param)
        if isinstance(given, list | tuple) and any(_SEPARATED.search(text) for text in _texts(given)):
            return _refused(module, param, "it has a comma in an element, which would be several elements")
    # A list may be a text with commas, and `pip` passes the words of a name separately.
    arguments = (*known.arguments, *known.split, *known.packages, *known.users)
    for names, separator in ((arguments, _COMMA), (known.options_among, _COMMA_OR_BLANK)):
        for param, text in _each(params, names):
            if any(one.lstrip(_NEGATION).startswith("-") for one in separator.split(text.strip())):
                return _refused(module, param, _IS_OPTION)
    return None


def _checks(known: Module, params: Mapping[str, Any]) -> Iterator[tuple[Iterable[str], re.Pattern[str], str]]:
    """Names of parameters, what none of their texts may contain, and why."""
    shell = "it has a blank, or a sign that a shell would interpret; give several names as a list"
    words = "it has a blank, a quote or a backslash, by which it would be several words; give several as a list"
    packages = () if known.options_among else known.packages
    yield params if "*" in known.in_shell else known.in_shell, _UNSAFE_IN_SHELL, shell
    yield known.services, _NOT_A_UNIT, "a unit has no quotes, blanks, slashes or leading dash"
    yield known.libraries, _NOT_A_LIBRARY, "such a name has no quotes, blanks, slashes or leading dash"
    yield (*known.split, *packages), _SPLITTING, words
    yield (*known.one_line, *known.users), _CONTROL, _NEW_LINE.replace("line break", "line break or tab")
    yield known.quoted, _IN_QUOTES, "it has a quote, a backslash or a line break, by which it would be several words"
    yield known.ini_names, _NOT_IN_INI, "a name in an INI file has no brackets, equals signs or line breaks"
    if str(params.get("env") or "").lower() not in _OFF:
        yield known.variables, _NOT_A_VARIABLE, "it is not the name of a variable"


def _refused(module: str, param: str, why: str) -> str:
    return f"cannot use the parameter {param} of {module}: {why}"


def _each(params: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The texts in the parameters with these names."""
    return ((name, text) for name in names for text in _texts(params.get(name)))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a parameter."""
    match value:
        case str():
            yield value
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
            yield str(value)
